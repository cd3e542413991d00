//! StatefulSets: pods with numbers, made in their order and given up from the end.

use serde_json::{Value, json};

use super::super::act::{self, Act, PODS};
use super::super::owners;
use super::super::replicasets::{is_finished, pod_of};
use super::{CLAIMS, Plan, REVISION, View, count, is_ready, revision, status_of, tell_counts, whole};
use crate::sandbox::object::{self, Object};

pub(super) fn pass(view: &View<'_>) -> Plan {
    let (set, pods) = (view.object, view.pods.as_slice());
    let update = format!("{}-{}", object::name(set), revision(set));
    Plan {
        acts: next(view, &update),
        status: status(set, pods, &update),
    }
}

fn number(set: &Value, pod: &Value) -> Option<i64> {
    let name = object::name(pod).strip_prefix(object::name(set))?;
    name.strip_prefix('-')?.parse().ok()
}

/// In one pass one pod comes or goes, unless all may at once.
fn next(view: &View<'_>, update: &str) -> Vec<Act> {
    let (set, pods) = (view.object, view.pods.as_slice());
    let spec = &set["spec"];
    let in_order = spec["podManagementPolicy"] != "Parallel";
    let first = whole(&spec["ordinals"]["start"], 0);
    let end = first + whole(&spec["replicas"], 1);
    let mut acts = Vec::new();
    for ordinal in first..end {
        let there = pods.iter().find(|pod| number(set, pod) == Some(ordinal));
        match there {
            None => {
                acts.extend(make(view, ordinal, update));
                if in_order {
                    return acts;
                }
            }
            Some(pod) if is_finished(pod) && !object::is_deleting(pod) => {
                return vec![Act::Delete(PODS, pod.clone(), act::just(pod))];
            }
            Some(pod) if in_order && (!is_ready(pod) || object::is_deleting(pod)) => {
                // One of an old template that never gets ready would block its own repair.
                return outdated(pod, update).map_or(vec![], |pod| replace(set, pod, ordinal));
            }
            Some(_) => {}
        }
    }
    let mut surplus: Vec<(i64, &Object)> = pods
        .iter()
        .filter_map(|pod| Some((number(set, pod)?, pod)))
        .filter(|(number, _)| !(first..end).contains(number))
        .collect();
    surplus.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
    let leaving = surplus.iter().any(|(_, pod)| object::is_deleting(pod));
    for (_, pod) in surplus.into_iter().filter(|(_, pod)| !object::is_deleting(pod)) {
        if in_order && leaving {
            return acts;
        }
        acts.push(Act::Delete(PODS, pod.clone(), act::just(pod)));
        if in_order {
            return acts;
        }
    }
    if !acts.is_empty() || leaving {
        return acts;
    }
    for ordinal in (first..end).rev() {
        let Some(pod) = pods.iter().find(|pod| number(set, pod) == Some(ordinal)) else {
            return acts;
        };
        if let Some(pod) = outdated(pod, update) {
            return replace(set, pod, ordinal);
        }
        if !is_ready(pod) || object::is_deleting(pod) {
            return acts;
        }
    }
    acts
}

fn outdated<'a>(pod: &'a Object, update: &str) -> Option<&'a Object> {
    (object::label(pod, REVISION) != Some(update)).then_some(pod)
}

/// The pod of an old template goes, if the strategy lets it.
fn replace(set: &Value, pod: &Object, ordinal: i64) -> Vec<Act> {
    let strategy = &set["spec"]["updateStrategy"];
    let kept = strategy["type"] == "OnDelete" || ordinal < whole(&strategy["rollingUpdate"]["partition"], 0);
    if kept || object::is_deleting(pod) {
        return vec![];
    }
    vec![Act::Delete(PODS, pod.clone(), act::just(pod))]
}

/// The pod of a number, after the claims it needs.
fn make(view: &View<'_>, ordinal: i64, update: &str) -> Vec<Act> {
    let set = view.object;
    let namespace = object::meta(set, "namespace");
    let name = format!("{}-{ordinal}", object::name(set));
    let mut pod = pod_of(set, &set["spec"]["template"]);
    let metadata = object::metadata_mut(&mut pod);
    metadata.remove("generateName");
    metadata.insert("name".to_owned(), name.as_str().into());
    let labels = object::field_mut(&mut pod["metadata"], "labels");
    for (label, value) in [
        ("statefulset.kubernetes.io/pod-name", name.clone()),
        ("apps.kubernetes.io/pod-index", ordinal.to_string()),
        (REVISION, update.to_owned()),
    ] {
        labels.insert(label.to_owned(), value.into());
    }
    pod["spec"]["hostname"] = name.as_str().into();
    if let Some(service) = set["spec"]["serviceName"]
        .as_str()
        .filter(|name| !name.is_empty())
    {
        pod["spec"]["subdomain"] = service.into();
    }
    let mut acts = Vec::new();
    for template in set["spec"]["volumeClaimTemplates"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let volume = object::name(template);
        let claim_name = format!("{volume}-{name}");
        let there = view.claims.iter().any(|claim| object::name(claim) == claim_name);
        if !there {
            let mut claim = json!({
                "apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": template["spec"],
                "metadata": {"name": claim_name, "namespace": namespace, "labels": set["spec"]["selector"]["matchLabels"]},
            });
            if set["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == "Delete" {
                claim["metadata"]["ownerReferences"] = json!([owners::controlled_by(set)]);
            }
            acts.push(Act::Create(CLAIMS, claim));
        }
        let volumes = object::field_mut(&mut pod, "spec")
            .entry("volumes")
            .or_insert_with(|| json!([]));
        if let Some(volumes) = volumes.as_array_mut() {
            volumes.retain(|one| one["name"] != *volume);
            volumes.push(json!({"name": volume, "persistentVolumeClaim": {"claimName": claim_name}}));
        }
    }
    acts.push(Act::Create(PODS, pod));
    acts
}

fn status(set: &Value, pods: &[Object], update: &str) -> Value {
    let mut status = status_of(set);
    let there = count(pods, |pod| !is_finished(pod));
    let ready = count(pods, |pod| is_ready(pod) && !object::is_deleting(pod));
    let of = |revision: &str| {
        count(pods, |pod| {
            object::label(pod, REVISION) == Some(revision) && !object::is_deleting(pod)
        })
    };
    let updated = of(update);
    let mut current = status["currentRevision"].as_str().unwrap_or(update).to_owned();
    let through = updated == there && ready == there && there == whole(&set["spec"]["replicas"], 1);
    if through {
        update.clone_into(&mut current);
    }
    let currents = of(&current);
    tell_counts(
        &mut status,
        [
            ("readyReplicas", ready),
            ("currentReplicas", currents),
            ("updatedReplicas", updated),
        ],
    );
    status["availableReplicas"] = ready.into();
    status["replicas"] = there.into();
    status["collisionCount"] = 0.into();
    status["currentRevision"] = current.into();
    status["updateRevision"] = update.into();
    status["observedGeneration"] = set["metadata"]["generation"].clone();
    status
}
