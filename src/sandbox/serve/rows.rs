//! Objects as rows of a `Table`.

use serde_json::{Value, json};

use crate::sandbox::api::{Server, Target};
use crate::sandbox::object::{self, Object};

/// A collection's table.
pub(super) fn table(_: &Server, _: &Target, objects: &[Object], metadata: &Value, whole: bool) -> Value {
    let rows = objects.iter().map(|object| row(object, whole));
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
        "columnDefinitions": [
            {"name": "Name", "type": "string", "format": "name", "description": "", "priority": 0},
            {"name": "Created At", "type": "date", "format": "", "description": "", "priority": 0},
        ],
        "rows": rows.collect::<Vec<_>>(),
    })
}

fn row(object: &Value, whole: bool) -> Value {
    let metadata = json!({
        "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"],
    });
    json!({
        "cells": [object::name(object), object["metadata"]["creationTimestamp"]],
        "object": if whole { object } else { &metadata },
    })
}
