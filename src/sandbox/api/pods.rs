//! What is done to pods by creating something below them: binding and eviction.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{DeleteOptions, Server, Target, Written, admit};
use crate::sandbox::failure::Failure;
use crate::sandbox::object;
use crate::sandbox::write::Writer;

/// What pods learn of the place of their node.
const PLACES: &[&str] = &["topology.kubernetes.io/region", "topology.kubernetes.io/zone"];

fn place(server: &Server, node: &str, pod: &mut Value) {
    let node = server
        .target("", "nodes", "", node)
        .and_then(|node| server.kept(&node));
    let places = PLACES
        .iter()
        .filter_map(|key| Some((*key, node.as_ref()?["metadata"]["labels"].get(key)?)));
    let places: Vec<(&str, &Value)> = places.collect();
    if places.is_empty() {
        return;
    }
    let labels = object::metadata_mut(pod)
        .entry("labels")
        .or_insert_with(|| json!({}));
    for (key, value) in places {
        labels[key] = value.clone();
    }
}

/// Puts a pod on a node. Only one binding of a pod succeeds.
pub(super) fn bind(
    server: &Server,
    writer: &Writer,
    target: &Target,
    binding: &Value,
) -> Result<Written, Failure> {
    if object::name(binding) != &*target.name {
        return Err(Failure::bad_request(
            "name in URL does not match name in Binding object",
        ));
    }
    let node = binding["target"]["name"].as_str().unwrap_or_default();
    if node.is_empty() {
        return Err(Failure::new(500, "", "target.name: Required value"));
    }
    admit::judge_action(server, writer, target, binding)?;
    let pod = target.at("");
    let old = server.kept(&pod).ok_or_else(|| pod.not_found())?;
    let refused = |why: String| Failure::conflict("", "pods/binding", &target.name, &why);
    let wanted = [
        ("UID", object::uid(binding), object::uid(&old)),
        (
            "ResourceVersion",
            object::meta(binding, "resourceVersion"),
            object::meta(&old, "resourceVersion"),
        ),
    ];
    for (what, wanted, found) in wanted {
        if !wanted.is_empty() && wanted != found {
            let namespace = target.namespace.as_deref().unwrap_or_default();
            return Err(pod.conflict(&format!(
                "StorageError: invalid object, Code: 4, Key: /registry/pods/{namespace}/{}, ResourceVersion: 0, \
                 AdditionalErrorMsg: Precondition failed: {what} in precondition: {wanted}, {what} in object meta: \
                 {found}",
                target.name
            )));
        }
    }
    if object::is_deleting(&old) {
        return Err(refused(format!(
            "pod {} is being deleted, cannot be assigned to a host",
            target.name
        )));
    }
    if let Some(node) = old["spec"]["nodeName"].as_str().filter(|node| !node.is_empty()) {
        return Err(refused(format!(
            "pod {} is already assigned to node \"{node}\"",
            target.name
        )));
    }
    if old["spec"]["schedulingGates"]
        .as_array()
        .is_some_and(|gates| !gates.is_empty())
    {
        return Err(refused(format!(
            "pod {} has non-empty .spec.schedulingGates",
            target.name
        )));
    }
    let mut new = (*old).clone();
    new["spec"]["nodeName"] = node.into();
    place(server, node, &mut new);
    for field in ["annotations", "labels"] {
        let Some(added) = binding["metadata"][field]
            .as_object()
            .filter(|added| !added.is_empty())
        else {
            continue;
        };
        let present = object::metadata_mut(&mut new)
            .entry(field)
            .or_insert_with(|| json!({}));
        if let Value::Object(present) = present {
            present.extend(added.clone());
        }
    }
    set_scheduled(&mut new, &server.now());
    server.finish(writer, &pod, &old, new)?;
    Ok(done())
}

/// The condition `PodScheduled` becomes true.
fn set_scheduled(pod: &mut Value, now: &str) {
    let status = object::field_mut(pod, "status");
    let conditions = status.entry("conditions").or_insert_with(|| json!([]));
    let Value::Array(conditions) = conditions else {
        return;
    };
    let scheduled = json!({
        "type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": now,
    });
    match conditions.iter_mut().find(|one| one["type"] == "PodScheduled") {
        Some(one) => *one = scheduled,
        None => conditions.push(scheduled),
    }
}

/// Deletes a pod as a drain does. Disruption budgets are not asked.
pub(super) fn evict(
    server: &Server,
    writer: &Writer,
    target: &Target,
    eviction: &Value,
) -> Result<Written, Failure> {
    if object::name(eviction) != &*target.name {
        return Err(Failure::bad_request(
            "name in URL does not match name in Eviction object",
        ));
    }
    admit::judge_action(server, writer, target, eviction)?;
    let options = DeleteOptions::read(&eviction["deleteOptions"])?;
    server.delete_alone(writer, &target.at(""), &options)?;
    Ok(done())
}

fn done() -> Written {
    Written {
        object: Arc::new(
            json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}),
        ),
        created: true,
        warnings: Vec::new(),
    }
}
