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

fn required(field: impl Into<String>, why: &str) -> Cause {
    let point = if why.is_empty() { "" } else { ": " };
    Cause {
        reason: "FieldValueRequired",
        message: format!("Required value{point}{why}"),
        field: field.into(),
    }
}

fn invalid(field: impl Into<String>, value: &Value, why: &str) -> Cause {
    Cause {
        reason: "FieldValueInvalid",
        message: format!("Invalid value: {value}: {why}"),
        field: field.into(),
    }
}

fn forbidden(field: impl Into<String>, why: &str) -> Cause {
    Cause {
        reason: "FieldValueForbidden",
        message: format!("Forbidden: {why}"),
        field: field.into(),
    }
}

fn duplicate(field: impl Into<String>, value: &Value) -> Cause {
    Cause {
        reason: "FieldValueDuplicate",
        message: format!("Duplicate value: {value}"),
        field: field.into(),
    }
}

fn unsupported(field: impl Into<String>, value: &Value, supported: &[String]) -> Cause {
    let mut supported: Vec<String> = supported.iter().map(|one| format!("{one:?}")).collect();
    supported.sort();
    Cause {
        reason: "FieldValueNotSupported",
        message: format!(
            "Unsupported value: {value}: supported values: {}",
            supported.join(", ")
        ),
        field: field.into(),
    }
}

const IMMUTABLE: &str = "field is immutable";
