//! What a Deployment's status says of its rollout.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::conditions::{self, Condition};
use super::sets::Sets;
use super::spec::Spec;
use crate::model::clock::{self, Timestamp};
use crate::sandbox::object;

const PROGRESSING: &str = "Progressing";
const AVAILABLE: &str = "Available";
const REPLICA_FAILURE: &str = "ReplicaFailure";

/// The counts, with the conditions that are there and whether enough pods are available.
pub(super) fn count(
    deployment: &Value,
    spec: &Spec,
    sets: &Sets,
    conditions: Vec<Value>,
    now: Timestamp,
) -> Value {
    let available = sets.count("availableReplicas");
    let updated = sets.newest().map_or(0, |new| new.count("replicas"));
    let mut status = json!({"terminatingReplicas": sets.count("terminatingReplicas")});
    let counts = [
        (
            "observedGeneration",
            deployment["metadata"]["generation"].as_i64().unwrap_or(0),
        ),
        ("replicas", sets.count("replicas")),
        ("updatedReplicas", updated),
        ("readyReplicas", sets.count("readyReplicas")),
        ("availableReplicas", available),
        ("unavailableReplicas", (sets.size() - available).max(0)),
    ];
    for (field, count) in counts {
        if count != 0 {
            status[field] = count.into();
        }
    }
    if let Some(collisions) = deployment["status"]["collisionCount"].as_i64() {
        status["collisionCount"] = collisions.into();
    }
    let enough = available >= spec.replicas - spec.unavailable();
    let wanted = if enough {
        Condition {
            kind: AVAILABLE,
            status: "True",
            reason: "MinimumReplicasAvailable",
            message: "Deployment has minimum availability.",
        }
    } else {
        Condition {
            kind: AVAILABLE,
            status: "False",
            reason: "MinimumReplicasUnavailable",
            message: "Deployment does not have minimum availability.",
        }
    };
    let mut conditions = conditions;
    conditions::put_last(&mut conditions, wanted, now, true);
    status["conditions"] = conditions.into();
    status
}

/// Sets the condition `Progressing`.
pub(super) fn progressing(
    conditions: &mut Vec<Value>,
    status: &str,
    reason: &str,
    message: &str,
    now: Timestamp,
) {
    let wanted = Condition {
        kind: PROGRESSING,
        status,
        reason,
        message,
    };
    conditions::put_last(conditions, wanted, now, true);
}

/// That it is paused, or not any more: neither may look like a rollout without progress.
pub(super) fn pause(conditions: &mut Vec<Value>, spec: &Spec, now: Timestamp) {
    if spec.deadline_seconds.is_none() {
        return;
    }
    let reason = reason(conditions);
    if reason == "ProgressDeadlineExceeded" {
        return;
    }
    if spec.paused {
        progressing(
            conditions,
            "Unknown",
            "DeploymentPaused",
            "Deployment is paused",
            now,
        );
    } else if reason == "DeploymentPaused" {
        progressing(
            conditions,
            "Unknown",
            "DeploymentResumed",
            "Deployment is resumed",
            now,
        );
    }
}

fn reason(conditions: &[Value]) -> &str {
    conditions::find(conditions, PROGRESSING)
        .and_then(|condition| condition["reason"].as_str())
        .unwrap_or_default()
}

/// Adds to the counted status how the rollout goes, by what changed since the old status. `before` are the
/// conditions from before this pass: progress is told once.
pub(super) fn progress(deployment: &Value, spec: &Spec, sets: &Sets, status: &mut Value, now: Timestamp) {
    let mut conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    match spec.deadline_seconds {
        None => conditions::remove(&mut conditions, PROGRESSING),
        Some(deadline) => {
            let finished = status["replicas"] == status["updatedReplicas"]
                && reason(&conditions) == "NewReplicaSetAvailable";
            if !finished {
                estimate(deployment, spec, deadline, sets, (status, &mut conditions), now);
            }
        }
    }
    match failure(sets) {
        Some(failure) => {
            let text = |field: &str| failure[field].as_str().unwrap_or_default();
            let wanted = Condition {
                kind: REPLICA_FAILURE,
                status: text("status"),
                reason: text("reason"),
                message: text("message"),
            };
            conditions::put_last(&mut conditions, wanted, now, true);
        }
        None => conditions::remove(&mut conditions, REPLICA_FAILURE),
    }
    status["conditions"] = conditions.into();
}

fn estimate(
    deployment: &Value,
    spec: &Spec,
    deadline: i64,
    sets: &Sets,
    (status, conditions): (&Value, &mut Vec<Value>),
    now: Timestamp,
) {
    let who = match sets.newest() {
        Some(new) => format!("ReplicaSet \"{}\"", new.name()),
        None => format!("Deployment \"{}\"", object::name(deployment)),
    };
    if is_complete(spec, status) {
        let message = format!("{who} has successfully progressed.");
        progressing(conditions, "True", "NewReplicaSetAvailable", &message, now);
    } else if has_progressed(&deployment["status"], status) {
        // Another update time for the same reason.
        let old = conditions::find(conditions, PROGRESSING).cloned();
        conditions::remove(conditions, PROGRESSING);
        let message = format!("{who} is progressing.");
        progressing(conditions, "True", "ReplicaSetUpdated", &message, now);
        if let (Some(old), Some(new)) = (old, conditions.last_mut())
            && old["status"] == "True"
        {
            new["lastTransitionTime"] = old["lastTransitionTime"].clone();
        }
    } else if left(conditions, deadline, now).is_some_and(|left| left.is_zero()) {
        let message = format!("{who} has timed out progressing.");
        progressing(conditions, "False", "ProgressDeadlineExceeded", &message, now);
    }
}

fn is_complete(spec: &Spec, status: &Value) -> bool {
    ["updatedReplicas", "replicas", "availableReplicas"]
        .iter()
        .all(|field| status[field].as_i64().unwrap_or(0) == spec.replicas)
}

fn has_progressed(old: &Value, new: &Value) -> bool {
    let count = |status: &Value, field: &str| status[field].as_i64().unwrap_or(0);
    let more = |field: &str| count(new, field) > count(old, field);
    let outdated = |status: &Value| count(status, "replicas") - count(status, "updatedReplicas");
    more("updatedReplicas")
        || more("readyReplicas")
        || more("availableReplicas")
        || outdated(new) < outdated(old)
}

/// The time until the rollout counts as stuck. None: it doesn't any more, or does already.
fn left(conditions: &[Value], deadline: i64, now: Timestamp) -> Option<Duration> {
    if ["NewReplicaSetAvailable", "ProgressDeadlineExceeded"].contains(&reason(conditions)) {
        return None;
    }
    let updated = conditions::find(conditions, PROGRESSING)?["lastUpdateTime"].as_str()?;
    let updated = clock::parse_timestamp(updated).ok()?;
    let end = updated
        .checked_add(jiff::SignedDuration::from_secs(deadline))
        .ok()?;
    // A second more: times in objects have no fractions.
    let left = end.duration_since(now) + jiff::SignedDuration::from_secs(1);
    Some(Duration::try_from(left).unwrap_or_default())
}

/// When to look again whether it is stuck.
pub(super) fn look_again(spec: &Spec, status: &Value, now: Timestamp) -> Option<Duration> {
    let conditions = status["conditions"].as_array()?;
    if is_complete(spec, status) {
        return None;
    }
    left(conditions, spec.deadline_seconds?, now)
}

/// What a ReplicaSet says of pods that can't be made; the new one's word counts first.
fn failure(sets: &Sets) -> Option<Value> {
    let new = sets.newest().into_iter();
    new.chain(&sets.all)
        .find_map(|set| conditions::find(conditions::of(&set.object), REPLICA_FAILURE).cloned())
}
