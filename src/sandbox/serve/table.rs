//! Objects as `kubectl get` prints them: `Table`, rows of cells under columns.

use serde_json::{Value, json};

use crate::model::clock::Timestamp;
use crate::sandbox::api::Target;
use crate::sandbox::kinds::columns;
use crate::sandbox::object::Object;

/// A Table of objects in the version that was asked for, each whole or as its metadata. Its `metadata` (resourceVersion, continue) is the caller's to
/// fill, and so is leaving out `columnDefinitions` after a watch's first event.
pub(crate) fn table(target: &Target, objects: &[Object], now: Timestamp, whole: bool) -> Value {
    let version = target.resource.version(&target.version);
    let columns = match (&*target.subresource, version) {
        ("scale", _) | (_, None) => columns::of_scale(),
        (_, Some(version)) => columns::of(&target.resource, version),
    };
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| {
            let mut row = json!({"cells": columns.cells(object, now)});
            if let Some(conditions) = conditions(target, object) {
                row["conditions"] = conditions;
            }
            row["object"] = if whole {
                (**object).clone()
            } else {
                metadata(object)
            };
            row
        })
        .collect();
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {},
        "columnDefinitions": columns.definitions(), "rows": rows,
    })
}

/// As `PartialObjectMetadata`.
fn metadata(object: &Value) -> Value {
    json!({
        "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
        "metadata": object.get("metadata").cloned().unwrap_or_else(|| json!({})),
    })
}

/// Pods that have ended say so, and kubectl may fade them.
fn conditions(target: &Target, object: &Value) -> Option<Value> {
    if (&*target.resource.group, &*target.resource.plural) != ("", "pods") {
        return None;
    }
    let phase = object["status"]["phase"].as_str()?;
    let message = match phase {
        "Succeeded" => "The pod has completed successfully.",
        "Failed" => "The pod failed.",
        _ => return None,
    };
    Some(json!([{"type": "Completed", "status": "True", "reason": phase, "message": message}]))
}
