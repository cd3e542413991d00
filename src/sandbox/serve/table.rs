//! Objects as `kubectl get` prints them: `Table`, rows of cells under columns.

use serde_json::{Value, json};

use crate::model::clock::Timestamp;
use crate::sandbox::api::Target;
use crate::sandbox::kinds::columns;
use crate::sandbox::object::Object;

/// `includeObject`: what of the object comes with its row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Include {
    None,
    #[default]
    Metadata,
    Object,
}

impl Include {
    /// None: not a value that the parameter may have.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "" | "Metadata" => Some(Self::Metadata),
            "None" => Some(Self::None),
            "Object" => Some(Self::Object),
            _ => None,
        }
    }
}

/// A Table of objects in the version that was asked for. Its `metadata` (resourceVersion, continue) is the caller's to
/// fill, and so is leaving out `columnDefinitions` after a watch's first event.
pub(crate) fn table(target: &Target, objects: &[Object], now: Timestamp, include: Include) -> Value {
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
            row["object"] = match include {
                Include::None => Value::Null,
                Include::Metadata => metadata(object),
                Include::Object => (**object).clone(),
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
