//! Deployments: from one pod template to the next, through ReplicaSets.
//!
//! One pass is pure: the Deployment and its ReplicaSets in, what to write out. A rollout is many passes, each woken
//! by the counts that the ReplicaSets report.

mod roll;
mod sets;
mod spec;
mod status;
#[cfg(test)]
mod tests;

use std::time::Duration;

use serde_json::{Value, json};

use self::sets::Sets;
use self::spec::Spec;
use super::act::{Act, DEPLOYMENTS, Desk, PODS, REPLICA_SETS};
use super::engine::{Actor, CONTROLLER, Wake};
use super::{conditions, owners};
use crate::model::clock::Timestamp;
use crate::sandbox::failure::Failure;
use crate::sandbox::object::{self, Object};
use crate::sandbox::selector;
use crate::sandbox::store::{Change, Key};
use crate::sandbox::write::Writer;

/// What one pass wants.
#[derive(Debug, PartialEq)]
struct Plan {
    /// ReplicaSets first, the status last: it tells of them.
    acts: Vec<Act>,
    again: Option<Duration>,
}

/// One pass. `replicasets` are those that the Deployment controls; `old_pods` says that pods of an earlier template
/// are still there.
fn reconcile(deployment: &Value, replicasets: &[Object], old_pods: bool, now: Timestamp) -> Plan {
    let spec = Spec::of(deployment);
    let mut sets = Sets::of(deployment, replicasets);
    let mut conditions = conditions::of(deployment).to_vec();
    if object::is_deleting(deployment) {
        let status = status::count(deployment, &spec, &sets, conditions, now);
        let again = None;
        return Plan {
            acts: described(deployment, None, status).into_iter().collect(),
            again,
        };
    }
    status::pause(&mut conditions, &spec, now);
    let had_new = sets.new.is_some();
    let still = spec.paused || roll::was_resized(&spec, &sets);
    if still {
        sets.sync_new(deployment, &spec, false);
        roll::resize(&spec, &mut sets);
        if spec.paused {
            roll::forget_old(&spec, &mut sets);
        }
    } else {
        roll::roll(deployment, &spec, &mut sets, old_pods);
        if is_complete(deployment, &spec) {
            roll::forget_old(&spec, &mut sets);
        }
    }
    if let (Some(new), Some(_)) = (sets.newest(), spec.deadline_seconds) {
        let name = new.name();
        if !had_new {
            let message = format!("Created new replica set \"{name}\"");
            status::progressing(&mut conditions, "True", "NewReplicaSetCreated", &message, now);
        } else if conditions::find(&conditions, "Progressing").is_none() {
            let message = format!("Found new replica set \"{name}\"");
            status::progressing(&mut conditions, "True", "FoundNewReplicaSet", &message, now);
        }
    }
    let mut status = status::count(deployment, &spec, &sets, conditions, now);
    if !still {
        status::progress(deployment, &spec, &sets, &mut status, now);
    }
    let again = status::look_again(&spec, &status, now).filter(|_| !still);
    let revision = sets.newest().and_then(|new| new.annotation(sets::REVISION));
    let described = described(deployment, revision, status);
    let acts = sets.all.into_iter().filter_map(sets::Set::act).chain(described);
    Plan {
        acts: acts.collect(),
        again,
    }
}

/// The Deployment with another status, if it is another. The revision goes with it: upstream's status endpoint keeps
/// annotations.
fn described(deployment: &Value, revision: Option<&str>, status: Value) -> Option<Act> {
    let mut new = deployment.clone();
    new["status"] = status;
    if let Some(revision) = revision {
        let annotations = object::metadata_mut(&mut new)
            .entry("annotations")
            .or_insert_with(|| json!({}));
        annotations[sets::REVISION] = revision.into();
    }
    (new != *deployment).then_some(Act::Replace(DEPLOYMENTS, "status", new))
}

/// By the status that is written: only what was told as complete is tidied up.
fn is_complete(deployment: &Value, spec: &Spec) -> bool {
    let status = &deployment["status"];
    let count = |field: &str| status[field].as_i64().unwrap_or(0);
    count("observedGeneration") >= deployment["metadata"]["generation"].as_i64().unwrap_or(0)
        && ["updatedReplicas", "replicas", "availableReplicas"]
            .iter()
            .all(|field| count(field) == spec.replicas)
}

/// The Deployment after its new ReplicaSet was refused.
fn refused(deployment: &Value, set: &Value, failure: &Failure, now: Timestamp) -> Option<Act> {
    let mut status = match &deployment["status"] {
        Value::Object(fields) => Value::Object(fields.clone()),
        _ => json!({}),
    };
    if failure.reason == "AlreadyExists" {
        // Somebody else's has the name: the count makes another hash.
        let collisions = status["collisionCount"].as_i64().unwrap_or(0);
        status["collisionCount"] = (collisions + 1).into();
    } else {
        Spec::of(deployment).deadline_seconds?;
        let mut conditions = conditions::of(deployment).to_vec();
        let name = object::name(set);
        let message = format!("Failed to create new replica set \"{name}\": {}", failure.message);
        status::progressing(&mut conditions, "False", "ReplicaSetCreateError", &message, now);
        status["conditions"] = conditions.into();
    }
    described(deployment, None, status)
}

/// The Deployment controller.
#[derive(Debug)]
pub(super) struct Deployments;

impl Actor for Deployments {
    fn writer(&self) -> Writer {
        Writer::controller("deployment-controller")
    }

    fn reaction(&self) -> Duration {
        CONTROLLER
    }

    fn observe(&mut self, change: &Change, desk: &Desk<'_>, wake: &mut Wake<'_>) {
        if DEPLOYMENTS.is(&change.key) {
            wake.add(change.key.clone());
        } else if REPLICA_SETS.is(&change.key) {
            for set in change.old.iter().chain(&change.new) {
                wake.add_all(owner_of(set));
            }
            if let Some(orphan) = &change.new
                && owners::controller(orphan).is_none()
            {
                for deployment in desk.list(DEPLOYMENTS, Some(&change.key.namespace)) {
                    if selector::fits(&deployment["spec"]["selector"], &orphan["metadata"]["labels"]) {
                        wake.add(super::act::key_of(DEPLOYMENTS, &deployment));
                    }
                }
            }
        } else if PODS.is(&change.key)
            && let (Some(pod), None) = (&change.old, &change.new)
            && let Some(set) = owners::controller_key(pod, REPLICA_SETS, "ReplicaSet")
            && let Some(set) = desk.get(&set)
        {
            // A rollout that recreates waits for the last old pod.
            wake.add_all(owner_of(&set));
        }
    }

    fn reconcile(&mut self, key: &Key, desk: &Desk<'_>) -> Result<Option<Duration>, Failure> {
        let Some(deployment) = desk.get(key) else {
            return Ok(None);
        };
        adopt(&deployment, desk)?;
        let sets: Vec<Object> = desk
            .dependents(REPLICA_SETS, object::uid(&deployment))
            .into_iter()
            .filter(|set| owners::is_controlled_by(set, object::uid(&deployment)))
            .collect();
        let plan = reconcile(
            &deployment,
            &sets,
            has_old_pods(&deployment, &sets, desk),
            desk.now,
        );
        for act in &plan.acts {
            let Err(failure) = desk.perform(act) else {
                continue;
            };
            if super::is_namespace_ending(&failure) {
                return Ok(None);
            }
            if let Act::Create(_, set) = act
                && let Some(act) = refused(&deployment, set, &failure, desk.now)
            {
                desk.perform(&act)?;
            }
            return Err(failure);
        }
        Ok(plan.again)
    }
}

fn owner_of(set: &Value) -> Option<Key> {
    owners::controller_key(set, DEPLOYMENTS, "Deployment")
}

/// Takes ReplicaSets that fit the selector and belong to nobody, and lets go of those that don't fit any more.
fn adopt(deployment: &Object, desk: &Desk<'_>) -> Result<(), Failure> {
    if object::is_deleting(deployment) {
        return Ok(());
    }
    let uid = object::uid(deployment);
    for set in desk.list(REPLICA_SETS, object::namespace(deployment)) {
        let fits = selector::fits(&deployment["spec"]["selector"], &set["metadata"]["labels"]);
        if object::is_deleting(&set) {
            continue;
        }
        match owners::controller(&set) {
            None if fits => {
                desk.perform(&Act::Replace(REPLICA_SETS, "", owners::adopted(&set, deployment)))?;
            }
            Some(owner) if owner["uid"] == uid && !fits => {
                desk.perform(&Act::Replace(REPLICA_SETS, "", owners::released(&set, &[uid])))?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Only a rollout that recreates asks.
fn has_old_pods(deployment: &Value, sets: &[Object], desk: &Desk<'_>) -> bool {
    if deployment["spec"]["strategy"]["type"] != "Recreate" {
        return false;
    }
    let split = Sets::of(deployment, sets);
    split.old().any(|old| {
        let pods = desk.dependents(PODS, object::uid(&old.object));
        pods.iter().any(|pod| !super::replicasets::is_finished(pod))
    })
}
