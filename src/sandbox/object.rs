//! Reading objects: they are plain JSON, shared and never changed in place.

use std::sync::Arc;

use serde_json::{Map, Value};

/// One object at one revision.
pub(crate) type Object = Arc<Value>;

/// `/metadata/…` as text; empty when absent.
pub(crate) fn meta<'a>(object: &'a Value, field: &str) -> &'a str {
    object["metadata"][field].as_str().unwrap_or_default()
}

pub(crate) fn name(object: &Value) -> &str {
    meta(object, "name")
}

/// None for cluster-scoped objects.
pub(crate) fn namespace(object: &Value) -> Option<&str> {
    Some(meta(object, "namespace")).filter(|namespace| !namespace.is_empty())
}

pub(crate) fn uid(object: &Value) -> &str {
    meta(object, "uid")
}

/// 0 when there is none.
pub(crate) fn revision(object: &Value) -> u64 {
    meta(object, "resourceVersion").parse().unwrap_or(0)
}

pub(crate) fn is_deleting(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

/// The value of a label.
pub(crate) fn label<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object["metadata"]["labels"][key].as_str()
}

/// `metadata`, made if it isn't there. A value that isn't an object becomes one.
pub(crate) fn metadata_mut(object: &mut Value) -> &mut Map<String, Value> {
    field_mut(object, "metadata")
}

/// A field that is an object, made if it isn't one.
pub(crate) fn field_mut<'a>(object: &'a mut Value, field: &str) -> &'a mut Map<String, Value> {
    if !object.is_object() {
        *object = Value::Object(Map::new());
    }
    let Value::Object(fields) = object else {
        unreachable!("made an object above")
    };
    let inner = fields.entry(field).or_insert_with(|| Value::Object(Map::new()));
    if !inner.is_object() {
        *inner = Value::Object(Map::new());
    }
    match inner {
        Value::Object(inner) => inner,
        _ => unreachable!("made an object above"),
    }
}
