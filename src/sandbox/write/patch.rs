//! Patches: JSON, merge and strategic merge.

use serde_json::Value;

use super::decode::{read, strict};
use super::{FieldValidation, conform};
use crate::sandbox::failure::{Cause, Failure};
use crate::sandbox::kinds::{Origin, Resource, Version, definition_of};

mod strategic;

/// More operations than these in one JSON patch are refused.
const MOST_OPERATIONS: usize = 10_000;

/// What a PATCH asks for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Patch {
    /// RFC 6902.
    Json(Value),
    /// RFC 7386.
    Merge(Value),
    /// Built-in kinds only.
    Strategic(Value),
    /// Server-side apply: for [`super::apply`], not for [`patch`].
    Apply { intent: Value, force: bool },
}

impl Patch {
    /// From `Content-Type` (parameters are ignored), the body, and `force`.
    pub(crate) fn read(content_type: &str, body: &[u8], force: bool) -> Result<Self, Failure> {
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        let json = || {
            serde_json::from_slice(body)
                .map_err(|error| Failure::bad_request(format!("error decoding patch: {error}")))
        };
        match kind {
            "application/json-patch+json" => json().map(Self::Json),
            "application/merge-patch+json" => json().map(Self::Merge),
            "application/strategic-merge-patch+json" => json().map(Self::Strategic),
            "application/apply-patch+yaml" => Ok(Self::Apply {
                intent: read(body).map_err(|failure| {
                    Failure::bad_request(
                        failure
                            .message
                            .replace("error decoding:", "error decoding patch:"),
                    )
                })?,
                force,
            }),
            _ => Err(Failure::new(
                415,
                "UnsupportedMediaType",
                format!(
                    "the body of the request was in an unknown format - accepted media types include: {ACCEPTED}"
                ),
            )),
        }
    }
}

const ACCEPTED: &str = "application/json-patch+json, application/merge-patch+json, \
    application/strategic-merge-patch+json, application/apply-patch+yaml";

/// The object as a patch other than an apply makes it. It has yet to go through [`decode_patched`].
pub(crate) fn patch(
    resource: &Resource,
    version: &Version,
    old: &Value,
    patch: &Patch,
) -> Result<Value, Failure> {
    let mut new = old.clone();
    match patch {
        Patch::Json(operations) => json(&mut new, operations)?,
        Patch::Merge(patch) => {
            if !patch.is_object() {
                return Err(Failure::bad_request("Invalid JSON Patch"));
            }
            json_patch::merge(&mut new, patch);
        }
        Patch::Strategic(patch) => {
            if matches!(resource.origin, Origin::Custom { .. }) {
                return Err(Failure::new(
                    415,
                    "UnsupportedMediaType",
                    "the body of the request was in an unknown format - accepted media types include: \
                     application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
                ));
            }
            let schema = definition_of(&resource.group, &version.name, &resource.kind);
            new = strategic::merge(schema, new, patch).map_err(Failure::bad_request)?;
        }
        Patch::Apply { .. } => {
            return Err(Failure::internal("an apply is no patch of a known object"));
        }
    }
    Ok(new)
}

fn json(object: &mut Value, operations: &Value) -> Result<(), Failure> {
    let count = operations.as_array().map_or(0, Vec::len);
    if count > MOST_OPERATIONS {
        return Err(Failure::new(
            413,
            "RequestEntityTooLarge",
            format!("The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, got {count}"),
        ));
    }
    if !operations.is_array() {
        return Err(Failure::bad_request(
            "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp",
        ));
    }
    // Upstream says no more than this of what it doesn't know, of a test that fails, of a place that is not there.
    let refused = || {
        Failure::new(
            422,
            "Invalid",
            "the server rejected our request due to an error in our request",
        )
    };
    let operations: json_patch::Patch = serde_json::from_value(operations.clone()).map_err(|_| refused())?;
    json_patch::patch(object, &operations).map_err(|_| refused())
}

/// As [`super::decode()`], with the words for a patched object.
pub(crate) fn decode_patched(
    resource: &Resource,
    version: &Version,
    value: Value,
    validation: FieldValidation,
) -> Result<(Value, Vec<String>), Failure> {
    let text = value.to_string();
    let refused = |why: &str| {
        let cause = Cause {
            reason: "FieldValueInvalid",
            message: format!("Invalid value: {text:?}: {why}"),
            field: "patch".to_owned(),
        };
        Failure::invalid("", "", "", vec![cause])
    };
    let (value, words) = conform(resource, version, value).map_err(|why| refused(&why))?;
    match validation {
        FieldValidation::Ignore => Ok((value, Vec::new())),
        FieldValidation::Strict if !words.is_empty() => Err(refused(&strict(&words))),
        FieldValidation::Warn | FieldValidation::Strict => Ok((value, words)),
    }
}

#[cfg(test)]
mod tests;
