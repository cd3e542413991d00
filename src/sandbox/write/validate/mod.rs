//! What a kind demands of its objects: the checks that clients meet, with upstream's words.
//!
//! ```text
//! Change ─┬─ meta      names, labels, annotations, owners
//!         ├─ custom    the schema and the rules of a custom kind
//!         └─ builtin   what the schema of a built-in kind requires, and the handful of checks in Go that matter
//! ```

mod builtin;
mod meta;
#[cfg(test)]
mod tests;
mod workload;

use serde_json::Value;

use crate::sandbox::crd;
use crate::sandbox::failure::Cause;
use crate::sandbox::kinds::{Origin, Resource, Version};

/// A write that is to be judged: prepared and defaulted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change<'a> {
    pub(crate) resource: &'a Resource,
    pub(crate) version: &'a Version,
    /// Empty for the object itself.
    pub(crate) subresource: &'a str,
    /// None for a create.
    pub(crate) old: Option<&'a Value>,
    pub(crate) new: &'a Value,
}

/// What is wrong; nothing when it may be written.
pub(crate) fn validate(change: &Change<'_>) -> Vec<Cause> {
    let mut causes = Vec::new();
    meta::check(change, &mut causes);
    match change.resource.origin {
        Origin::Custom { .. } => {
            if let Some(schema) = &change.version.schema {
                causes.extend(crd::judge(schema, change.old, change.new));
            }
        }
        Origin::BuiltIn => builtin::check(change, &mut causes),
        Origin::Virtual => {}
    }
    causes
}

const IMMUTABLE: &str = "field is immutable";
