//! How an object does.

use serde_json::Value;

use crate::model::api::Health;
use crate::model::fleet::ObjectRow;
use crate::model::name::GroupKind;

/// How an object does, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// How it does.
    pub health: Health,
    /// Why, for people; may be empty.
    pub message: String,
}

/// How an object does by what its member last said of it. Whether the member may still be believed is for the
/// caller to know.
#[must_use]
pub fn health(kind: &GroupKind, row: &ObjectRow) -> Verdict {
    let _ = (kind, row);
    Verdict {
        health: Health::Unknown,
        message: String::new(),
    }
}

/// Replicas that are ready, for kinds that have replicas or pods.
#[must_use]
pub fn ready_replicas(kind: &GroupKind, row: &ObjectRow) -> Option<i32> {
    let _ = (kind, row, Value::Null);
    None
}
