//! `/openapi/v3`: one document per group and version, with what kubectl reads before it applies, explains or diffs.
//!
//! Schemas of built-in kinds are the generated ones (no descriptions); those of custom kinds come from their
//! definitions. Paths name only what clients look for: verbs, kinds, and which patches are understood.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::sandbox::kinds::{self, Origin, Registry, Resource, Version};

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";
const KIND: &str = "x-kubernetes-group-version-kind";

/// `GET /openapi/v3`: the documents, with a hash that moves when a document does.
pub(crate) fn index(registry: &Registry) -> Value {
    let mut paths = Map::new();
    for (path, kinds) in documents(registry) {
        let mut hash = Sha256::new();
        for (resource, version) in kinds {
            hash.update(format!("{}/{}:", resource.qualified(), version.name));
            // Of built-in kinds nothing can change while the server runs.
            if let Some(schema) = &version.openapi {
                hash.update(format!(
                    "{schema}{}{}{}",
                    resource.kind,
                    version.status,
                    version.scale.is_some()
                ));
            }
        }
        let hash = URL_SAFE_NO_PAD.encode(hash.finalize());
        let url = format!("/openapi/v3/{path}?hash={hash}");
        paths.insert(path, json!({"serverRelativeURL": url}));
    }
    json!({"paths": paths})
}

/// `GET /openapi/v3/PATH`, where the path is `api/v1` or `apis/GROUP/VERSION`. None: there is no such document.
pub(crate) fn document(registry: &Registry, path: &str) -> Option<Value> {
    let kinds = documents(registry).remove(path)?;
    let mut paths = Map::new();
    let mut schemas = Map::new();
    let mut wanted = BTreeSet::new();
    for (resource, version) in &kinds {
        put_paths(&mut paths, path, resource, version);
        if resource.origin == Origin::BuiltIn || resource.origin == Origin::Virtual {
            wanted.extend(built_in_definitions(resource, version));
        } else {
            put_custom(&mut schemas, resource, version);
        }
    }
    for schema in schemas.values() {
        references(schema, &mut wanted);
    }
    put_definitions(&mut schemas, wanted);
    Some(json!({
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "v1.37.2"},
        "paths": paths,
        "components": {"schemas": schemas},
    }))
}

type Kinds<'a> = Vec<(&'a Arc<Resource>, &'a Version)>;

fn documents(registry: &Registry) -> BTreeMap<String, Kinds<'_>> {
    let mut documents: BTreeMap<String, Kinds<'_>> = BTreeMap::new();
    for resource in registry.all() {
        for version in &resource.versions {
            let path = match &*resource.group {
                "" => format!("api/{}", version.name),
                group => format!("apis/{group}/{}", version.name),
            };
            documents.entry(path).or_default().push((resource, version));
        }
    }
    documents
}

/// The definitions of a built-in kind and of its list.
fn built_in_definitions(resource: &Resource, version: &Version) -> impl Iterator<Item = String> {
    let (group, version) = (&*resource.group, &*version.name);
    let kinds = [&*resource.kind, &*resource.list_kind];
    let names = kinds.map(|kind| kinds::definition_of(group, version, kind).map(str::to_owned));
    names.into_iter().flatten()
}

/// Adds definitions of the built-in kinds with all that they refer to.
fn put_definitions(schemas: &mut Map<String, Value>, mut wanted: BTreeSet<String>) {
    while let Some(name) = wanted.pop_first() {
        if schemas.contains_key(&name) {
            continue;
        }
        let Some(schema) = kinds::definitions().get(&name) else {
            continue;
        };
        references(schema, &mut wanted);
        schemas.insert(name, schema.clone());
    }
}

/// The names of the definitions that a schema refers to.
fn references(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(fields) => {
            for (field, value) in fields {
                match value.as_str() {
                    Some(reference) if field == "$ref" => {
                        let name = reference.rsplit('/').next().unwrap_or(reference);
                        found.insert(name.to_owned());
                    }
                    _ => references(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

/// The schema of a custom kind and of its list, with the fields that every object has.
fn put_custom(schemas: &mut Map<String, Value>, resource: &Resource, version: &Version) {
    let mut schema = version.openapi.as_deref().cloned().unwrap_or_else(|| json!({}));
    if !schema.is_object() {
        schema = json!({});
    }
    schema["type"] = "object".into();
    let meta = |name: &str| json!({"allOf": [{"$ref": format!("#/components/schemas/{META}.{name}")}]});
    for (field, of) in [
        ("apiVersion", json!({"type": "string"})),
        ("kind", json!({"type": "string"})),
        ("metadata", meta("ObjectMeta")),
    ] {
        schema["properties"][field] = of;
    }
    schema[KIND] = json!([kind(resource, version, &resource.kind)]);
    let name = definition(resource, version, &resource.kind);
    let list = json!({
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": meta("ListMeta"),
            "items": {"type": "array", "items": {"$ref": format!("#/components/schemas/{name}")}},
        },
        KIND: [kind(resource, version, &resource.list_kind)],
    });
    schemas.insert(name, schema);
    schemas.insert(definition(resource, version, &resource.list_kind), list);
}

/// `dev.hanse.v1alpha1.Cluster`
fn definition(resource: &Resource, version: &Version, kind: &str) -> String {
    let mut parts: Vec<&str> = resource.group.split('.').rev().collect();
    parts.extend([&*version.name, kind]);
    parts.join(".")
}

fn kind(resource: &Resource, version: &Version, kind: &str) -> Value {
    json!({"group": &*resource.group, "version": &*version.name, "kind": kind})
}

/// kubectl finds kinds by their paths, and reads from the parameters of a patch what a server understands.
fn put_paths(paths: &mut Map<String, Value>, document: &str, resource: &Resource, version: &Version) {
    if !version.verbs.iter().any(|known| **known == *"patch") {
        return;
    }
    let parameters = ["dryRun", "fieldManager", "fieldValidation", "force"];
    let parameters =
        parameters.map(|name| json!({"name": name, "in": "query", "schema": {"type": "string"}}));
    let strategic = (resource.origin == Origin::BuiltIn).then_some("application/strategic-merge-patch+json");
    let understood = [
        "application/apply-patch+yaml",
        "application/json-patch+json",
        "application/merge-patch+json",
    ];
    let content: Map<String, Value> = understood
        .into_iter()
        .chain(strategic)
        .map(|content| (content.to_owned(), json!({"schema": {"type": "object"}})))
        .collect();
    let patch = json!({
        "parameters": parameters,
        "requestBody": {"content": content, "required": true},
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": "patch",
        KIND: kind(resource, version, &resource.kind),
    });
    let place = if resource.namespaced {
        "/namespaces/{namespace}"
    } else {
        ""
    };
    let object = format!("/{document}{place}/{}/{{name}}", resource.plural);
    paths.insert(object, json!({"patch": patch}));
}
