//! A definition has the names it asks for at once: nobody else is asked whether they are free.

use serde_json::Value;

use super::condition::{ESTABLISHED, NAMES_ACCEPTED, set};
use crate::sandbox::object::field_mut;

/// The definition with its names and the conditions that follow; None when it has them already.
pub(super) fn settle(definition: &Value, now: &str) -> Option<Value> {
    let mut new = definition.clone();
    let names = definition["spec"]["names"].clone();
    field_mut(&mut new, "status").insert("acceptedNames".to_owned(), names);
    for condition in [
        [NAMES_ACCEPTED, "True", "NoConflicts", "no conflicts found"],
        [
            ESTABLISHED,
            "True",
            "InitialNamesAccepted",
            "the initial names have been accepted",
        ],
    ] {
        set(&mut new, condition, now);
    }
    (new["status"] != definition["status"]).then_some(new)
}
