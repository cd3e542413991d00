//! ReplicaSets: as many pods as asked for.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use super::act::{self, Act, Desk, PODS, REPLICA_SETS};
use super::conditions::{self, Condition};
use super::engine::{Actor, CONTROLLER, Wake};
use super::owners;
use crate::model::clock::{self, Timestamp};
use crate::sandbox::failure::Failure;
use crate::sandbox::object::{self, Object};
use crate::sandbox::selector;
use crate::sandbox::store::{Change, Key};
use crate::sandbox::write::Writer;

/// No more pods are made or deleted in one pass.
const BURST: usize = 500;
const REPLICA_FAILURE: &str = "ReplicaFailure";

/// A pod that won't run again.
pub(super) fn is_finished(pod: &Value) -> bool {
    matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
}

/// A new pod from the template of its owner.
pub(super) fn pod_of(owner: &Value, template: &Value) -> Value {
    let mut metadata = json!({
        "generateName": format!("{}-", object::name(owner)),
        "namespace": object::meta(owner, "namespace"),
        "ownerReferences": [owners::controlled_by(owner)],
    });
    for field in ["labels", "annotations", "finalizers"] {
        if let Some(value) = template["metadata"].get(field) {
            metadata[field] = value.clone();
        }
    }
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]})
}

/// The pods to make or to delete.
fn manage(set: &Value, active: &[Object]) -> Vec<Act> {
    let wanted = usize::try_from(set["spec"]["replicas"].as_i64().unwrap_or(1)).unwrap_or(0);
    let missing = wanted.saturating_sub(active.len()).min(BURST);
    if missing > 0 {
        let pod = pod_of(set, &set["spec"]["template"]);
        return vec![Act::Create(PODS, pod); missing];
    }
    let surplus = active.len().saturating_sub(wanted).min(BURST);
    if surplus == 0 {
        return vec![];
    }
    let doomed = least_wanted(active).into_iter().take(surplus);
    doomed
        .map(|pod| Act::Delete(PODS, pod.clone(), act::just(&pod)))
        .collect()
}

/// The order in which pods are given up, as upstream has it: first those that would be missed least.
fn least_wanted(pods: &[Object]) -> Vec<Object> {
    let mut crowd: BTreeMap<&str, usize> = BTreeMap::new();
    for pod in pods {
        *crowd.entry(node_of(pod)).or_default() += 1;
    }
    let phase = |pod: &Object| match pod["status"]["phase"].as_str() {
        Some("Running") => 2,
        Some("Unknown") => 1,
        _ => 0,
    };
    let cost = |pod: &Object| {
        let cost = pod["metadata"]["annotations"]["controller.kubernetes.io/pod-deletion-cost"].as_str();
        cost.and_then(|text| text.parse::<i32>().ok()).unwrap_or(0)
    };
    let restarts = |pod: &Object| {
        let statuses = pod["status"]["containerStatuses"].as_array();
        let counts = statuses.into_iter().flatten();
        counts.filter_map(|status| status["restartCount"].as_i64()).max()
    };
    let mut sorted = pods.to_vec();
    sorted.sort_by_cached_key(|pod| {
        let ready = ready(pod);
        let since = ready
            .and_then(|ready| ready["lastTransitionTime"].as_str())
            .unwrap_or_default();
        let node = node_of(pod);
        (
            !node.is_empty(),
            phase(pod),
            ready.is_some(),
            cost(pod),
            Reverse(crowd.get(node).copied()),
            Reverse((
                since.to_owned(),
                restarts(pod),
                object::meta(pod, "creationTimestamp").to_owned(),
            )),
            object::name(pod).to_owned(),
        )
    });
    sorted
}

fn node_of(pod: &Value) -> &str {
    pod["spec"]["nodeName"].as_str().unwrap_or_default()
}

/// The condition that says so.
fn ready(pod: &Value) -> Option<&Value> {
    conditions::find(conditions::of(pod), "Ready").filter(|ready| ready["status"] == "True")
}

/// What the status says: the pods that were there before this pass, and why others couldn't be made or deleted.
fn status(set: &Value, active: &[Object], ending: usize, failure: Option<&Failure>, now: Timestamp) -> Value {
    let template = json!({"matchLabels": set["spec"]["template"]["metadata"]["labels"]});
    let labelled = active
        .iter()
        .filter(|pod| selector::fits(&template, &pod["metadata"]["labels"]))
        .count();
    let waits: Vec<Duration> = waits(set, active, now).collect();
    let available = waits.iter().filter(|wait| wait.is_zero()).count();
    let mut conditions = conditions::of(set).to_vec();
    match failure {
        None => conditions::remove(&mut conditions, REPLICA_FAILURE),
        // What was said first stays until it is over.
        Some(_) if conditions::find(&conditions, REPLICA_FAILURE).is_some() => {}
        Some(failure) => {
            let few = i64::try_from(active.len()).unwrap_or(i64::MAX)
                < set["spec"]["replicas"].as_i64().unwrap_or(1);
            let wanted = Condition {
                kind: REPLICA_FAILURE,
                status: "True",
                reason: if few { "FailedCreate" } else { "FailedDelete" },
                message: &failure.message,
            };
            conditions::put_last(&mut conditions, wanted, now, false);
        }
    }
    let mut status = json!({"replicas": active.len(), "terminatingReplicas": ending});
    let counts = [
        ("fullyLabeledReplicas", labelled),
        ("readyReplicas", waits.len()),
        ("availableReplicas", available),
    ];
    for (field, count) in counts {
        if count > 0 {
            status[field] = count.into();
        }
    }
    if let Some(generation) = set["metadata"]["generation"].as_i64() {
        status["observedGeneration"] = generation.into();
    }
    if !conditions.is_empty() {
        status["conditions"] = conditions.into();
    }
    status
}

/// Of each ready pod, how long it still has to stay so until it counts as available.
fn waits(set: &Value, active: &[Object], now: Timestamp) -> impl Iterator<Item = Duration> {
    let least = set["spec"]["minReadySeconds"].as_i64().unwrap_or(0);
    active.iter().filter_map(|pod| ready(pod)).map(move |ready| {
        let since = ready["lastTransitionTime"].as_str().filter(|_| least > 0);
        let since = since.and_then(|since| clock::parse_timestamp(since).ok());
        let end = since.and_then(|since| since.checked_add(jiff::SignedDuration::from_secs(least)).ok());
        end.and_then(|end| Duration::try_from(end.duration_since(now)).ok())
            .unwrap_or_default()
    })
}

/// The ReplicaSet controller.
#[derive(Debug, Default)]
pub(super) struct ReplicaSets {
    /// Pods that nobody controls.
    orphans: BTreeSet<Key>,
}

impl Actor for ReplicaSets {
    fn writer(&self) -> Writer {
        Writer::controller("replicaset-controller")
    }

    fn reaction(&self) -> Duration {
        CONTROLLER
    }

    fn observe(&mut self, change: &Change, desk: &Desk<'_>, wake: &mut Wake<'_>) {
        if REPLICA_SETS.is(&change.key) {
            wake.add(change.key.clone());
            return;
        }
        if !PODS.is(&change.key) {
            return;
        }
        for pod in change.old.iter().chain(&change.new) {
            wake.add_all(owners::controller_key(pod, REPLICA_SETS, "ReplicaSet"));
        }
        self.orphans.remove(&change.key);
        if let Some(orphan) = &change.new
            && owners::controller(orphan).is_none()
        {
            self.orphans.insert(change.key.clone());
            for set in desk.list(REPLICA_SETS, Some(&change.key.namespace)) {
                if selector::fits(&set["spec"]["selector"], &orphan["metadata"]["labels"]) {
                    wake.add(act::key_of(REPLICA_SETS, &set));
                }
            }
        }
    }

    fn reconcile(&mut self, key: &Key, desk: &Desk<'_>) -> Result<Option<Duration>, Failure> {
        let Some(set) = desk.get(key) else {
            return Ok(None);
        };
        let all = self.claim(&set, desk)?;
        let (ending, active): (Vec<Object>, Vec<Object>) = all
            .into_iter()
            .filter(|pod| !is_finished(pod))
            .partition(|pod| object::is_deleting(pod));
        let acts = if object::is_deleting(&set) {
            vec![]
        } else {
            manage(&set, &active)
        };
        let failure = desk.perform_all(&acts).err();
        if failure.as_ref().is_some_and(super::is_namespace_ending) {
            return Ok(None);
        }
        if failure.is_none() && !acts.is_empty() {
            // The pods that came or went ask for the next pass, which counts them.
            return Ok(None);
        }
        let status = status(&set, &active, ending.len(), failure.as_ref(), desk.now);
        if set["status"] != status {
            let mut new = (*set).clone();
            new["status"] = status;
            desk.perform(&Act::Replace(REPLICA_SETS, "status", new))?;
        }
        if let Some(failure) = failure {
            return Err(failure);
        }
        Ok(waits(&set, &active, desk.now)
            .filter(|wait| !wait.is_zero())
            .min())
    }
}

impl ReplicaSets {
    /// The pods of a ReplicaSet: those that fit and belong to nobody are taken, its own that don't fit are let go.
    fn claim(&self, set: &Object, desk: &Desk<'_>) -> Result<Vec<Object>, Failure> {
        let uid = object::uid(set);
        let fits = |pod: &Object| selector::fits(&set["spec"]["selector"], &pod["metadata"]["labels"]);
        let mut pods = Vec::new();
        for pod in desk.dependents(PODS, uid) {
            if !owners::is_controlled_by(&pod, uid) {
                continue;
            }
            if fits(&pod) {
                pods.push(pod);
            } else if !object::is_deleting(set) {
                desk.perform(&Act::Replace(PODS, "", owners::released(&pod, &[uid])))?;
            }
        }
        if object::is_deleting(set) {
            return Ok(pods);
        }
        let namespace = object::meta(set, "namespace");
        let orphans = self.orphans.iter().filter(|key| *key.namespace == *namespace);
        for orphan in orphans.filter_map(|key| desk.get(key)) {
            if fits(&orphan) && !object::is_deleting(&orphan) && !is_finished(&orphan) {
                desk.perform(&Act::Replace(PODS, "", owners::adopted(&orphan, set)))?;
                pods.push(orphan);
            }
        }
        Ok(pods)
    }
}
