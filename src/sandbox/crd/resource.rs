//! What a definition says, as a kind.

use std::cmp::Reverse;
use std::sync::Arc;

use serde_json::{Value, json};

use super::condition::{TERMINATING, is_true};
use crate::model::schema::Schemas;
use crate::sandbox::kinds::{Origin, Resource, Scale, Version};
use crate::sandbox::object::uid;

const VERBS: [&str; 8] = [
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "create",
    "update",
    "watch",
];

/// Where a published schema names the fields that objects can be selected by.
const SELECTABLE: &str = "x-kubernetes-selectable-fields";

/// While its definition is leaving, a kind takes no more objects.
const VERBS_OF_LEAVING: [&str; 5] = ["delete", "deletecollection", "get", "list", "watch"];

/// The kind that a valid definition describes, by the names that were accepted for it.
pub(super) fn resource(definition: &Value) -> Option<Resource> {
    let names = &definition["status"]["acceptedNames"];
    let text = |value: &Value| -> Option<Arc<str>> { value.as_str().map(Into::into) };
    let texts = |list: &Value| -> Vec<Arc<str>> {
        let list = list.as_array().into_iter().flatten();
        list.filter_map(Value::as_str).map(Into::into).collect()
    };
    let spec = &definition["spec"];
    let group = text(&spec["group"])?;
    let kind = text(&spec["names"]["kind"])?;
    let schemas = Schemas::from_crd(definition).ok()?;
    let verbs: &[&str] = if is_true(definition, TERMINATING) {
        &VERBS_OF_LEAVING
    } else {
        &VERBS
    };
    let all = spec["versions"].as_array()?;
    let mut versions: Vec<Version> = all
        .iter()
        .filter(|version| version["served"] == true)
        .filter_map(|described| version(described, &schemas, &group, &kind, verbs))
        .collect();
    versions.sort_by_key(|version| Reverse(Version::rank(&version.name)));
    let storage = all.iter().find(|version| version["storage"] == true)?;
    Some(Resource {
        plural: text(&names["plural"])?,
        singular: text(&names["singular"])?,
        kind: text(&names["kind"])?,
        list_kind: text(&names["listKind"])?,
        short_names: texts(&names["shortNames"]),
        categories: texts(&names["categories"]),
        namespaced: spec["scope"] == "Namespaced",
        versions,
        storage: text(&storage["name"])?,
        origin: Origin::Custom {
            definition: uid(definition).into(),
        },
        group,
    })
}

fn version(described: &Value, schemas: &Schemas, group: &str, kind: &str, verbs: &[&str]) -> Option<Version> {
    let name = described["name"].as_str()?;
    let subresources = &described["subresources"];
    let columns = described["additionalPrinterColumns"].as_array().cloned();
    let mut openapi = described["schema"]["openAPIV3Schema"].clone();
    let selectable = described["selectableFields"].as_array().into_iter().flatten();
    let selectable: Vec<Value> = selectable
        .filter_map(|field| field["jsonPath"].as_str())
        .map(|path| json!({"fieldPath": path.trim_start_matches('.')}))
        .collect();
    if !selectable.is_empty() {
        openapi[SELECTABLE] = selectable.into();
    }
    Some(Version {
        name: name.into(),
        schema: schemas.kind(group, name, kind),
        verbs: verbs.iter().map(|verb| Arc::from(*verb)).collect(),
        status: subresources["status"].is_object(),
        scale: scale(&subresources["scale"]),
        others: Vec::new(),
        columns: columns.unwrap_or_default(),
        openapi: Some(Arc::new(openapi)),
    })
}

/// Whether objects of a custom kind can be selected by this field.
pub(crate) fn is_selectable(version: Option<&Version>, path: &str) -> bool {
    let schema = version.and_then(|version| version.openapi.as_deref());
    let fields = schema.and_then(|schema| schema[SELECTABLE].as_array());
    fields.is_some_and(|fields| fields.iter().any(|field| field["fieldPath"] == path))
}

fn scale(scale: &Value) -> Option<Scale> {
    let pointer = |field: &str| Some(scale[field].as_str()?.replace('.', "/"));
    Some(Scale {
        replicas: pointer("specReplicasPath")?,
        status_replicas: pointer("statusReplicasPath")?,
        selector: pointer("labelSelectorPath"),
    })
}
