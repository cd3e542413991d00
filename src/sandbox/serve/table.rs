//! Objects as `kubectl get` prints them: `Table`, rows of cells under columns.

use serde_json::{Value, json};

use crate::model::clock::Timestamp;
use crate::sandbox::api::Target;
use crate::sandbox::kinds::columns;
use crate::sandbox::object::Object;

/// A Table of objects in the version that was asked for, each whole or as its metadata. The Table's own metadata is the
/// caller's to fill, and so is leaving out `columnDefinitions` after a watch's first event.
pub(crate) fn table(target: &Target, objects: &[Object], now: Timestamp, whole: bool) -> Value {
    let columns = columns::of(&target.resource, &target.version);
    let rows = objects.iter().map(|object| {
        let shown = if whole {
            (**object).clone()
        } else {
            json!({
                "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"],
            })
        };
        json!({"cells": columns.cells(object, now), "object": shown})
    });
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {},
        "columnDefinitions": columns.definitions(), "rows": rows.collect::<Vec<Value>>(),
    })
}
