//! DaemonSets: one pod on each node that it fits on.

use serde_json::{Value, json};

use super::super::act::{self, Act, PODS};
use super::super::replicasets::{is_finished, pod_of};
use super::super::scheduler;
use super::{Plan, REVISION, View, count, is_ready, revision, status_of, tell_counts, whole};
use crate::sandbox::object::{self, Object};

/// What daemons put up with: key and effect.
const TOLERATED: [(&str, &str); 6] = [
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
];

pub(super) fn pass(view: &View<'_>) -> Plan {
    let (set, pods) = (view.object, view.pods.as_slice());
    let update = revision(set);
    let pod = pod(set, &update);
    let wanted: Vec<&str> = view
        .nodes
        .iter()
        .filter(|node| scheduler::fits(&pod, node))
        .map(|node| object::name(node))
        .collect();
    Plan {
        acts: next(set, pods, &pod, &wanted, &update),
        status: status(set, pods, &wanted, &update),
    }
}

fn node_of(pod: &Value) -> &str {
    pod["spec"]["nodeName"].as_str().unwrap_or_default()
}

fn pod(set: &Value, update: &str) -> Value {
    let mut pod = pod_of(set, &set["spec"]["template"]);
    object::field_mut(&mut pod["metadata"], "labels").insert(REVISION.to_owned(), update.into());
    let tolerations = object::field_mut(&mut pod, "spec")
        .entry("tolerations")
        .or_insert_with(|| json!([]));
    if let Some(tolerations) = tolerations.as_array_mut() {
        let usual =
            TOLERATED.map(|(key, effect)| json!({"key": key, "operator": "Exists", "effect": effect}));
        tolerations.extend(usual);
    }
    pod
}

fn next(set: &Value, pods: &[Object], pod: &Value, wanted: &[&str], update: &str) -> Vec<Act> {
    let mut acts = Vec::new();
    let gone = |pod: &Object| Act::Delete(PODS, pod.clone(), act::just(pod));
    for node in wanted {
        let mut here = pods.iter().filter(|pod| node_of(pod) == *node);
        if let Some(there) = here.next() {
            if is_finished(there) && !object::is_deleting(there) {
                acts.push(gone(there));
            }
            acts.extend(here.filter(|pod| !object::is_deleting(pod)).map(gone));
        } else {
            let mut pod = pod.clone();
            // Upstream leaves it to the scheduler, with an affinity that only this node has.
            pod["spec"]["nodeName"] = (*node).into();
            acts.push(Act::Create(PODS, pod));
        }
    }
    let lost = pods
        .iter()
        .filter(|pod| !wanted.contains(&node_of(pod)) && !object::is_deleting(pod));
    acts.extend(lost.map(gone));
    let all_ready = pods.iter().all(|pod| is_ready(pod) && !object::is_deleting(pod));
    if !acts.is_empty() || set["spec"]["updateStrategy"]["type"] == "OnDelete" {
        return acts;
    }
    let outdated = pods
        .iter()
        .filter(|pod| object::label(pod, REVISION) != Some(update) && !object::is_deleting(pod));
    // One after the other; one that is not ready costs nothing.
    let next = outdated.clone().find(|pod| !is_ready(pod));
    let next = next.or_else(|| outdated.clone().next().filter(|_| all_ready));
    acts.extend(next.map(gone));
    acts
}

fn status(set: &Value, pods: &[Object], wanted: &[&str], update: &str) -> Value {
    let mut status = status_of(set);
    let desired = i64::try_from(wanted.len()).unwrap_or(i64::MAX);
    let placed = |pod: &Value| wanted.contains(&node_of(pod)) && !object::is_deleting(pod);
    let ready = count(pods, |pod| placed(pod) && is_ready(pod));
    let updated = count(pods, |pod| {
        placed(pod) && object::label(pod, REVISION) == Some(update)
    });
    status["currentNumberScheduled"] = count(pods, placed).into();
    status["numberMisscheduled"] = count(pods, |pod| !wanted.contains(&node_of(pod))).into();
    status["desiredNumberScheduled"] = desired.into();
    status["numberReady"] = ready.into();
    tell_counts(
        &mut status,
        [
            ("numberAvailable", ready),
            ("numberUnavailable", desired - ready),
            ("updatedNumberScheduled", updated),
        ],
    );
    status["observedGeneration"] = whole(&set["metadata"]["generation"], 0).into();
    status
}
