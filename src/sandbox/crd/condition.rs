//! The conditions of a definition.

use serde_json::{Value, json};

use crate::sandbox::object::field_mut;

pub(super) const NAMES_ACCEPTED: &str = "NamesAccepted";
pub(super) const ESTABLISHED: &str = "Established";
pub(super) const TERMINATING: &str = "Terminating";

/// Writes a condition into a definition: type, status, reason, message. Its time moves only with its status.
pub(super) fn set(definition: &mut Value, [kind, status, reason, message]: [&str; 4], now: &str) {
    let mut new = json!({
        "type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": now,
    });
    let conditions = field_mut(definition, "status").entry("conditions");
    let Some(conditions) = conditions.or_insert_with(|| json!([])).as_array_mut() else {
        return;
    };
    match conditions.iter_mut().find(|one| one["type"] == kind) {
        Some(old) => {
            if old["status"] == status {
                new["lastTransitionTime"] = old["lastTransitionTime"].take();
            }
            *old = new;
        }
        None => conditions.push(new),
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
