//! What the rooms beside promise, until they are there.

use serde_json::Value;

use crate::sandbox::access::{Attributes, User};
use crate::sandbox::failure::{Cause, Failure};
use crate::sandbox::kinds::{Resource, Version};
use crate::sandbox::write::{FieldValidation, Writer};

#[derive(Debug, Clone, Default)]
pub(crate) struct Access;

impl Access {
    #[expect(clippy::unused_self, reason = "as promised")]
    pub(crate) fn authenticate(&self, _: &http::HeaderMap) -> Result<User, Failure> {
        Ok(User::system("system:admin"))
    }

    #[expect(clippy::unused_self, reason = "as promised")]
    pub(crate) fn authorize(&self, _: &User, _: &Attributes<'_>) -> Result<(), Failure> {
        Ok(())
    }
}

pub(crate) struct Change<'a> {
    pub(crate) resource: &'a Resource,
    pub(crate) version: &'a Version,
    pub(crate) old: Option<&'a Value>,
    pub(crate) new: &'a Value,
    pub(crate) subresource: &'a str,
}

pub(crate) fn decode(
    _: &Resource,
    _: &Version,
    body: Value,
    _: FieldValidation,
) -> Result<(Value, Vec<String>), Failure> {
    Ok((body, Vec::new()))
}

pub(crate) fn default_fields(_: &Resource, _: &Version, _: &mut Value) {}

pub(crate) fn validate(_: &Change<'_>) -> Vec<Cause> {
    Vec::new()
}

pub(crate) fn prepare_create(_: &Resource, version: &Version, object: &mut Value) {
    if version.status {
        if let Value::Object(fields) = object {
            fields.remove("status");
        }
    }
}

pub(crate) fn prepare_update(_: &Resource, version: &Version, old: &Value, new: &mut Value, subresource: &str) {
    if !version.status {
        return;
    }
    let (kept, from) = match subresource {
        "status" => {
            let status = new["status"].clone();
            let mut kept = old.clone();
            kept["metadata"]["resourceVersion"] = new["metadata"]["resourceVersion"].clone();
            (kept, status)
        }
        _ => (new.clone(), old["status"].clone()),
    };
    *new = kept;
    if let Value::Object(fields) = new {
        fields.insert("status".to_owned(), from);
        fields.retain(|_, value| !value.is_null());
    }
}

pub(crate) fn managed(_: &Resource, _: &Version, _: &Writer, _: Option<&Value>, _: &mut Value) {}

pub(crate) fn merge_patch(object: &Value, patch: &Value) -> Result<Value, Failure> {
    let mut object = object.clone();
    json_patch::merge(&mut object, patch);
    Ok(object)
}

pub(crate) fn json_patch(object: &Value, patch: &Value) -> Result<Value, Failure> {
    let patch: json_patch::Patch =
        serde_json::from_value(patch.clone()).map_err(|error| Failure::bad_request(error.to_string()))?;
    let mut object = object.clone();
    json_patch::patch(&mut object, &patch).map_err(|error| Failure::new(422, "Invalid", error.to_string()))?;
    Ok(object)
}
