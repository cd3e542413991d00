//! What a write carries.

use serde_json::Value;

use super::Target;
use crate::sandbox::failure::Failure;
use crate::sandbox::kinds::Version;
use crate::sandbox::write::{FieldValidation, decode};

/// A body as it stands.
pub(super) fn read(body: &[u8]) -> Result<Value, Failure> {
    serde_json::from_slice(body).map_err(|error| {
        Failure::bad_request(format!("couldn't get version/kind; json parse error: {error}"))
    })
}

/// A body as an object of the kind and version of the path, with warnings.
pub(super) fn as_object(
    body: Value,
    target: &Target,
    version: &Version,
    validation: FieldValidation,
) -> Result<(Value, Vec<String>), Failure> {
    check_kind(target, &body)?;
    let (mut object, warnings) = decode(&target.resource, version, body, validation)?;
    if !object.is_object() {
        return Err(Failure::bad_request(
            "couldn't get version/kind; json parse error: not an object",
        ));
    }
    // What is left unsaid, the path says.
    if !object["kind"].is_string() || !object["apiVersion"].is_string() {
        object["kind"] = (*target.resource.kind).into();
        object["apiVersion"] = target.api_version().into();
    }
    Ok((object, warnings))
}

/// The object must be of the kind and version of the path.
pub(super) fn check_kind(target: &Target, object: &Value) -> Result<(), Failure> {
    let (version, kind) = (object["apiVersion"].as_str(), object["kind"].as_str());
    let expected = target.api_version();
    let wanted = &target.resource.kind;
    if let Some(version) = version.filter(|version| !version.is_empty() && *version != expected) {
        return Err(Failure::bad_request(format!(
            "the API version in the data ({version}) does not match the expected API version ({expected})"
        )));
    }
    if let Some(kind) = kind.filter(|kind| !kind.is_empty() && **kind != **wanted) {
        return Err(Failure::bad_request(format!(
            "{kind} in version \"{}\" cannot be handled as a {wanted}: converting ({}.{kind}) to \
             ({}.{wanted}): unknown conversion",
            target.version,
            target.version,
            internal(&target.resource.group),
        )));
    }
    Ok(())
}

/// Upstream's package of a group's versionless types.
fn internal(group: &str) -> &str {
    match group.split('.').next() {
        None | Some("") => "core",
        Some(first) => first,
    }
}
