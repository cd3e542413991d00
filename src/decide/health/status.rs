//! A status, read on demand.

use serde_json::Value;

use super::conditions::{self, Condition};
use crate::model::fleet::ObjectRow;
use crate::model::name::GroupKind;

/// What a member's controller wrote.
pub(super) struct Status(pub(super) Value);

impl Status {
    pub(super) fn of(row: &ObjectRow) -> Self {
        let text = row.status.as_deref().unwrap_or("null");
        Self(serde_json::from_str(text).unwrap_or_default())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.as_object().is_none_or(serde_json::Map::is_empty)
    }

    /// The generation that its controller has seen; `None` of kinds that do not say it. Argo's Rollouts say it
    /// as text.
    pub(super) fn observed(&self) -> Option<i64> {
        let observed = self.0.get("observedGeneration")?;
        observed.as_i64().or_else(|| observed.as_str()?.parse().ok())
    }

    /// Zero when absent: that is how servers write zero.
    pub(super) fn number(&self, field: &str) -> i64 {
        self.0.get(field).and_then(Value::as_i64).unwrap_or_default()
    }

    pub(super) fn text(&self, field: &str) -> &str {
        self.0.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    pub(super) fn condition(&self, of: &str) -> Option<Condition<'_>> {
        conditions::find(&self.0, of)
    }

    pub(super) fn condition_is(&self, of: &str, status: &str) -> Option<Condition<'_>> {
        self.condition(of).filter(|condition| condition.status == status)
    }

    pub(super) fn has_load_balancer(&self) -> bool {
        let ingress = self.0.pointer("/loadBalancer/ingress").and_then(Value::as_array);
        ingress.is_some_and(|list| !list.is_empty())
    }
}

/// Whether the member's controller has seen the object as it is now. Controllers of workloads always say what
/// they have seen, also by each condition; of other kinds many never do.
#[must_use]
pub fn has_observed(kind: &GroupKind, row: &ObjectRow) -> bool {
    let status = Status::of(row);
    match status.observed() {
        Some(observed) => observed >= row.generation,
        None => *kind.group != *"apps" && conditions_are_current(&status, row.generation),
    }
}

/// Whether no condition that tells of readiness was written for an older generation.
fn conditions_are_current(status: &Status, generation: i64) -> bool {
    ["Ready", "Available"].into_iter().all(|of| {
        let condition = status.condition(of);
        condition.is_none_or(|condition| condition.observed().is_none_or(|observed| observed >= generation))
    })
}
