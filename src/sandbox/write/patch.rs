//! Patches: JSON, merge and strategic merge.

use serde_json::Value;

use crate::sandbox::failure::Failure;
use crate::sandbox::kinds::{Resource, Version};

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
        let json = || serde_json::from_slice(body).map_err(|error| Failure::bad_request(error.to_string()));
        match kind {
            "application/json-patch+json" => json().map(Self::Json),
            "application/merge-patch+json" => json().map(Self::Merge),
            "application/strategic-merge-patch+json" => json().map(Self::Strategic),
            "application/apply-patch+yaml" => Ok(Self::Apply {
                intent: json()?,
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

/// The object as a patch other than an apply makes it.
pub(crate) fn patch(
    _resource: &Resource,
    _version: &Version,
    _old: &Value,
    _patch: &Patch,
) -> Result<Value, Failure> {
    Err(Failure::internal("patches are not there yet"))
}
