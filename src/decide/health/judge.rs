//! How an object does, by what its member last said of it.
//!
//! ```text
//! being deleted ─► Progressing
//! built in ──────► builtin: as `kubectl rollout status`, else as kstatus
//! others ────────► not seen by its controller yet ─► Progressing
//!                  a KindRule says it ─► what it says, Unknown when it fails
//!                  convention: the conditions of kstatus
//! ```

use serde_json::{Value, json};

use super::{builtin, conditions::Condition, status::Status, status::has_observed};
use crate::model::api::Health;
use crate::model::fleet::ObjectRow;
use crate::model::kind::{Kinds, Rule};
use crate::model::name::GroupKind;

/// How an object does, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// How it does.
    pub health: Health,
    /// Why, for people; may be empty.
    pub message: String,
}

fn verdict(health: Health, message: impl Into<String>) -> Verdict {
    let message = message.into();
    Verdict { health, message }
}

pub(super) fn healthy(message: impl Into<String>) -> Verdict {
    verdict(Health::Healthy, message)
}

pub(super) fn progressing(message: impl Into<String>) -> Verdict {
    verdict(Health::Progressing, message)
}

pub(super) fn degraded(message: impl Into<String>) -> Verdict {
    verdict(Health::Degraded, message)
}

/// How an object does by what its member last said of it. Whether the member may still be believed is for the
/// caller to know. Unknown only where a `KindRule` fails. What its controller has not seen as it is now is
/// never Healthy.
#[must_use]
pub fn health(kinds: &Kinds, kind: &GroupKind, row: &ObjectRow) -> Verdict {
    if row.deleting {
        return progressing("it is being deleted");
    }
    let status = Status::of(row);
    if *kind.group == *"apps" && (status.is_empty() || status.observed().is_none()) {
        return progressing("its controller has not seen it yet");
    }
    if !has_observed(kind, row) {
        return progressing("its controller has not seen the last change yet");
    }
    if let Some(verdict) = builtin::health(kind, row, &status) {
        return verdict;
    }
    match kinds.rule(kind) {
        Some(rule) => by_rule(rule, row, &status),
        None => by_convention(&status),
    }
}

/// What a `KindRule` is asked about: [`Rule::health`] of an object in a member.
#[must_use]
pub fn object_of(kind: &GroupKind, row: &ObjectRow) -> Value {
    let read = |text: Option<&str>| {
        let value = text.and_then(|text| serde_json::from_str::<Value>(text).ok());
        value.filter(Value::is_object).unwrap_or_else(|| json!({}))
    };
    // `group/Kind/namespace/name`
    let stamp: Vec<&str> = row.stamp.as_deref().unwrap_or_default().split('/').collect();
    let part = |at: usize| stamp.get(at).copied().unwrap_or_default();
    json!({
        "kind": &*kind.kind,
        "metadata": {"name": part(3), "namespace": part(2), "generation": row.generation},
        "spec": read(row.spec.as_deref()),
        "status": read(row.status.as_deref()),
    })
}

fn by_rule(rule: &Rule, row: &ObjectRow, status: &Status) -> Verdict {
    let convention = by_convention(status);
    let said = match rule.health(&object_of(&rule.kind, row)) {
        None => return convention,
        // Before its controller has said anything there is nothing that a rule could judge.
        Some(Err(_)) if status.is_empty() => return progressing("its controller has not seen it yet"),
        Some(Err(fault)) => return verdict(Health::Unknown, fault.to_string()),
        Some(Ok(said)) => said,
    };
    // A rule gives a word; why, the object itself may say.
    let own = status.text("message");
    let why = if said == Health::Healthy {
        String::new()
    } else if !own.is_empty() {
        own.to_owned()
    } else if !convention.message.is_empty() {
        convention.message
    } else {
        format!("KindRule {} says so", rule.name)
    };
    verdict(said, why)
}

/// The conventions of kstatus (sigs.k8s.io/cli-utils/pkg/kstatus): Stalled and Reconciling, then Ready, then what is
/// common besides. An object that says nothing is as it should be once it exists.
fn by_convention(status: &Status) -> Verdict {
    for of in ["Stalled", "Degraded", "Failed"] {
        if let Some(failing) = status.condition_is(of, "True") {
            return degraded(failing.to_string());
        }
    }
    if let Some(on_its_way) = status.condition_is("Reconciling", "True") {
        return progressing(on_its_way.to_string());
    }
    let waiting = |of| {
        status
            .condition(of)
            .filter(|condition: &Condition<'_>| condition.status != "True")
    };
    match ["Ready", "Available"].into_iter().find_map(waiting) {
        Some(waiting) => progressing(waiting.to_string()),
        None => healthy(""),
    }
}

/// Replicas that are ready, for kinds that have replicas or pods.
#[must_use]
pub fn ready_replicas(kinds: &Kinds, kind: &GroupKind, row: &ObjectRow) -> Option<i32> {
    let field = match (&*kind.group, &*kind.kind) {
        ("apps", "DaemonSet") => "numberReady",
        ("batch", "Job") => "ready",
        _ => {
            kinds.replicas_pointer(kind)?;
            "readyReplicas"
        }
    };
    let status = Status::of(row);
    // A kind that has replicas need not say how many are ready.
    if *kind.group != *"apps" && *kind.group != *"batch" && status.0.get(field).is_none() {
        return None;
    }
    i32::try_from(status.number(field)).ok()
}

#[cfg(test)]
mod tests;
