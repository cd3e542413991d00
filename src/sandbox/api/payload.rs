//! What a write carries.

use serde::Deserialize;
use serde_json::Value;

use super::Target;
use crate::sandbox::failure::Failure;
use crate::sandbox::kinds::Version;
use crate::sandbox::write::{FieldValidation, decode, decode_body};

/// An object that somebody in this process made, or the bytes of a request, which may say things twice.
#[derive(Debug)]
pub(super) enum Payload<'a> {
    Object(Value),
    Bytes(&'a [u8]),
}

/// What an object says it is.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Head {
    #[serde(rename = "apiVersion")]
    api_version: Option<String>,
    kind: Option<String>,
}

impl Payload<'_> {
    /// As it stands.
    pub(super) fn plain(self) -> Result<Value, Failure> {
        match self {
            Self::Object(object) => Ok(object),
            Self::Bytes(bytes) => serde_json::from_slice(bytes).map_err(|error| unreadable(&error)),
        }
    }

    /// As an object of the kind and version of the path, with warnings.
    pub(super) fn decode(
        self,
        target: &Target,
        version: &Version,
        validation: FieldValidation,
    ) -> Result<(Value, Vec<String>), Failure> {
        let (mut object, warnings) = match self {
            Self::Object(object) => {
                check_kind(target, &object)?;
                decode(&target.resource, version, object, validation)?
            }
            Self::Bytes(bytes) => {
                let head: Head = serde_json::from_slice(bytes).map_err(|error| unreadable(&error))?;
                check_words(target, head.api_version.as_deref(), head.kind.as_deref())?;
                decode_body(&target.resource, version, bytes, validation)?
            }
        };
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
}

/// The object must be of the kind and version of the path.
pub(super) fn check_kind(target: &Target, object: &Value) -> Result<(), Failure> {
    check_words(target, object["apiVersion"].as_str(), object["kind"].as_str())
}

fn check_words(target: &Target, version: Option<&str>, kind: Option<&str>) -> Result<(), Failure> {
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

fn unreadable(error: &serde_json::Error) -> Failure {
    Failure::bad_request(format!("couldn't get version/kind; json parse error: {error}"))
}
