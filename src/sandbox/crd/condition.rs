//! The conditions of a definition.

use serde_json::{Value, json};

use crate::sandbox::object::field_mut;

pub(super) const NAMES_ACCEPTED: &str = "NamesAccepted";
pub(super) const ESTABLISHED: &str = "Established";
pub(super) const TERMINATING: &str = "Terminating";

/// What a condition says, without its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) kind: &'static str,
    pub(super) status: bool,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

impl Condition {
    pub(super) fn new(kind: &'static str, status: bool, reason: &'static str, message: &str) -> Self {
        Self {
            kind,
            status,
            reason,
            message: message.to_owned(),
        }
    }

    /// Writes it into a definition. Its time moves only with its status.
    pub(super) fn set(&self, definition: &mut Value, now: &str) {
        let status = if self.status { "True" } else { "False" };
        let mut new = json!({
            "type": self.kind, "status": status, "reason": self.reason, "message": self.message,
            "lastTransitionTime": now,
        });
        let conditions = field_mut(definition, "status").entry("conditions");
        let conditions = conditions.or_insert_with(|| json!([]));
        if !conditions.is_array() {
            *conditions = json!([]);
        }
        let Some(conditions) = conditions.as_array_mut() else {
            return;
        };
        match conditions.iter_mut().find(|one| one["type"] == self.kind) {
            Some(old) => {
                if old["status"] == status {
                    new["lastTransitionTime"] = old["lastTransitionTime"].take();
                }
                *old = new;
            }
            None => conditions.push(new),
        }
    }
}

/// Whether a condition of a definition is true.
pub(super) fn is_true(definition: &Value, kind: &str) -> bool {
    let conditions = definition["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten();
    conditions
        .into_iter()
        .any(|one| one["type"] == kind && one["status"] == "True")
}
