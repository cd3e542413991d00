//! `/scale`: the replicas of anything that has them, as `autoscaling/v1` shows them.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Server, Target, Written};
use crate::sandbox::failure::{Cause, Failure};
use crate::sandbox::kinds::Scale;
use crate::sandbox::object::{self, Object};
use crate::sandbox::write::{Patch, Writer, managed_fields, patch as patched};

/// The scale of an object.
pub(super) fn of(target: &Target, object: &Value) -> Result<Value, Failure> {
    let places = places(target)?;
    let mut metadata = Map::new();
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if !object["metadata"][field].is_null() {
            metadata.insert(field.to_owned(), object["metadata"][field].clone());
        }
    }
    let count = |pointer: &str| object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0);
    let mut spec = json!({});
    // Upstream leaves zeros out.
    if count(&places.replicas) != 0 {
        spec["replicas"] = count(&places.replicas).into();
    }
    let mut status = json!({"replicas": count(&places.status_replicas)});
    let selector = places
        .selector
        .as_deref()
        .and_then(|pointer| object.pointer(pointer));
    if let Some(selector) = selector.and_then(selector_text) {
        status["selector"] = selector.into();
    }
    Ok(json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status,
    }))
}

/// Puts another scale in its place.
pub(super) fn replace(
    server: &Server,
    writer: &Writer,
    target: &Target,
    scale: &Value,
) -> Result<Written, Failure> {
    let old = server.kept(target).ok_or_else(|| target.not_found())?;
    if object::name(scale) != &*target.name {
        return Err(Failure::bad_request(format!(
            "the name of the object ({}) does not match the name on the URL ({})",
            object::name(scale),
            target.name
        )));
    }
    write(server, writer, target, &old, scale)
}

/// Changes some of the scale.
pub(super) fn patch(
    server: &Server,
    writer: &Writer,
    target: &Target,
    patch: &Patch,
) -> Result<Written, Failure> {
    let old = server.kept(target).ok_or_else(|| target.not_found())?;
    let before = of(target, &old)?;
    let scale = match patch {
        // The kind has one field that can be owned: an apply is a merge of it.
        Patch::Apply { intent, .. } | Patch::Strategic(intent) => {
            merged(target, &before, &Patch::Merge(intent.clone()))?
        }
        other => merged(target, &before, other)?,
    };
    write(server, writer, target, &old, &scale)
}

fn merged(target: &Target, before: &Value, patch: &Patch) -> Result<Value, Failure> {
    patched(&target.resource, target.version_served()?, before, patch)
}

fn write(
    server: &Server,
    writer: &Writer,
    target: &Target,
    old: &Object,
    scale: &Value,
) -> Result<Written, Failure> {
    let version = target.version_served()?;
    let places = places(target)?;
    let old = target.shown(old.clone());
    let replicas = scale["spec"]["replicas"].as_i64().unwrap_or(0);
    if replicas < 0 {
        let why = "must be greater than or equal to 0";
        let cause = Cause::invalid("spec.replicas", replicas, why);
        return Err(Failure::invalid(
            "autoscaling",
            "Scale",
            &target.name,
            vec![cause],
        ));
    }
    let mut new = (*old).clone();
    set(&mut new, &places.replicas, replicas.into());
    let revision = &scale["metadata"]["resourceVersion"];
    if revision.is_string() {
        object::metadata_mut(&mut new).insert("resourceVersion".to_owned(), revision.clone());
    }
    let now = server.clock().now();
    managed_fields::update(
        target.endpoint(version),
        Some(&old),
        &mut new,
        &writer.manager,
        now,
    );
    let written = server.change(writer, &target.at(""), version, &old, new)?;
    Ok(Written {
        object: Arc::new(of(target, &written)?),
        created: false,
        warnings: Vec::new(),
    })
}

fn places(target: &Target) -> Result<&Scale, Failure> {
    let version = target.version_served()?;
    version.scale.as_ref().ok_or_else(|| target.not_found())
}

/// Sets a value at a pointer, making the objects on the way.
fn set(object: &mut Value, pointer: &str, value: Value) {
    let mut place = object;
    for step in pointer.split('/').skip(1) {
        if !place.is_object() {
            *place = json!({});
        }
        place = &mut place[step];
    }
    *place = value;
}

/// `a=b,c in (d,e)`
fn selector_text(selector: &Value) -> Option<String> {
    if let Some(text) = selector.as_str() {
        return Some(text.to_owned());
    }
    let equal = selector["matchLabels"].as_object().into_iter().flatten();
    let mut terms: Vec<String> = equal
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    for expression in selector["matchExpressions"].as_array().into_iter().flatten() {
        let key = expression["key"].as_str()?;
        let values = expression["values"].as_array().into_iter().flatten();
        let mut values: Vec<&str> = values.filter_map(Value::as_str).collect();
        values.sort_unstable();
        terms.push(match expression["operator"].as_str()? {
            "In" => format!("{key} in ({})", values.join(",")),
            "NotIn" => format!("{key} notin ({})", values.join(",")),
            "Exists" => key.to_owned(),
            _ => format!("!{key}"),
        });
    }
    terms.sort_unstable();
    Some(terms.join(","))
}
