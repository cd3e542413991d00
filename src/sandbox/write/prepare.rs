//! What each endpoint ignores of a request, and what it counts.

use serde_json::{Map, Value, json};

use super::Endpoint;
use super::default::{TEMPLATE_GENERATION, default_status};
use crate::model::schema::{FieldSet, Step};
use crate::sandbox::kinds::Origin;
use crate::sandbox::object::metadata_mut;

/// Built-in kinds that count generations; custom ones all do.
const COUNTED: &[&str] = &[
    "pods",
    "podtemplates",
    "replicationcontrollers",
    "daemonsets.apps",
    "deployments.apps",
    "replicasets.apps",
    "statefulsets.apps",
    "horizontalpodautoscalers.autoscaling",
    "cronjobs.batch",
    "jobs.batch",
    "endpointslices.discovery.k8s.io",
    "ingressclasses.networking.k8s.io",
    "ingresses.networking.k8s.io",
    "networkpolicies.networking.k8s.io",
    "poddisruptionbudgets.policy",
    "priorityclasses.scheduling.k8s.io",
    "customresourcedefinitions.apiextensions.k8s.io",
    "mutatingwebhookconfigurations.admissionregistration.k8s.io",
    "validatingadmissionpolicies.admissionregistration.k8s.io",
    "validatingadmissionpolicybindings.admissionregistration.k8s.io",
    "validatingwebhookconfigurations.admissionregistration.k8s.io",
];

/// What the server alone writes in `metadata`.
const SERVERS_OWN: &[&str] = &[
    "uid",
    "creationTimestamp",
    "generation",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
];

/// What an endpoint does not write: nobody comes to own it through it.
pub(super) fn reset_fields(endpoint: Endpoint<'_>) -> FieldSet {
    let is_custom = matches!(endpoint.resource.origin, Origin::Custom { .. });
    let mut places: Vec<&[&str]> = Vec::new();
    match endpoint.subresource {
        "" if endpoint.version.status => places.push(&["status"]),
        "status" => {
            places.push(&["spec"]);
            match &*endpoint.resource.qualified() {
                _ if is_custom => places.push(&["metadata"]),
                "deployments.apps" => places.push(&["metadata", "labels"]),
                "pods" => {
                    places.push(&["metadata", "deletionTimestamp"]);
                    places.push(&["metadata", "ownerReferences"]);
                }
                "validatingadmissionpolicies.admissionregistration.k8s.io"
                | "apiservices.apiregistration.k8s.io" => places.push(&["metadata"]),
                _ => {}
            }
        }
        _ => {}
    }
    let mut set = FieldSet::default();
    for place in places {
        let steps: Vec<Step> = place.iter().map(|name| Step::Field((*name).to_owned())).collect();
        set.insert(&steps);
    }
    set
}

fn counts(endpoint: Endpoint<'_>) -> bool {
    match endpoint.resource.origin {
        Origin::Custom { .. } => true,
        Origin::BuiltIn => COUNTED.contains(&&*endpoint.resource.qualified()),
        Origin::Virtual => false,
    }
}

/// Whoever sends it is not heard.
pub(crate) fn drop_servers_own(metadata: &mut Map<String, Value>) {
    for field in SERVERS_OWN {
        metadata.remove(*field);
    }
}

/// Drops what a create may not set (`status` where that is an endpoint of its own) and counts generation 1 for kinds
/// that have one.
pub(crate) fn prepare_create(endpoint: Endpoint<'_>, object: &mut Value) {
    let metadata = metadata_mut(object);
    drop_servers_own(metadata);
    if counts(endpoint) {
        metadata.insert("generation".to_owned(), 1.into());
    }
    let Some(fields) = object.as_object_mut() else {
        return;
    };
    // Nodes bring their status with them: a kubelet registers with what it has.
    let brings_status = *endpoint.resource.qualified() == *"nodes";
    if endpoint.version.status && !brings_status {
        fields.remove("status");
    }
    if endpoint.resource.origin != Origin::BuiltIn {
        return;
    }
    if endpoint.version.status && !brings_status {
        let status = match &*endpoint.resource.qualified() {
            "namespaces" => json!({"phase": "Active"}),
            "pods" => json!({"phase": "Pending", "qosClass": quality(&fields["spec"])}),
            "persistentvolumes" | "persistentvolumeclaims" => json!({"phase": "Pending"}),
            _ => json!({}),
        };
        fields.insert("status".to_owned(), status);
    }
    if *endpoint.resource.qualified() == *"namespaces" {
        fields.insert("spec".to_owned(), json!({"finalizers": ["kubernetes"]}));
    }
    default_status(endpoint.resource, endpoint.version, object);
}

/// `Guaranteed` when all containers have equal requests and limits of both, `BestEffort` when none has any.
fn quality(spec: &Value) -> &'static str {
    let lists = [&spec["containers"], &spec["initContainers"]];
    let containers = || lists.iter().filter_map(|list| list.as_array()).flatten();
    let amounts = |container: &Value, of: &str| -> Map<String, Value> {
        let all = container["resources"][of]
            .as_object()
            .cloned()
            .unwrap_or_default();
        all.into_iter()
            .filter(|(name, _)| name == "cpu" || name == "memory")
            .collect()
    };
    if containers().all(|one| amounts(one, "requests").is_empty() && amounts(one, "limits").is_empty()) {
        return "BestEffort";
    }
    let is_guaranteed = containers().all(|one| {
        let limits = amounts(one, "limits");
        limits.len() == 2 && limits == amounts(one, "requests")
    });
    if is_guaranteed { "Guaranteed" } else { "Burstable" }
}

/// Puts back what the endpoint does not write (`status`, or everything else for `/status`; server metadata) and
/// counts the generation.
pub(crate) fn prepare_update(endpoint: Endpoint<'_>, old: &Value, new: &mut Value) {
    let is_custom = matches!(endpoint.resource.origin, Origin::Custom { .. });
    match endpoint.subresource {
        "status" if is_custom => {
            let status = new.get("status").cloned();
            let entries = new.pointer("/metadata/managedFields").cloned();
            let revision = new.pointer("/metadata/resourceVersion").cloned();
            *new = old.clone();
            put(new, "status", status);
            let metadata = metadata_mut(new);
            put_field(metadata, "managedFields", entries);
            put_field(metadata, "resourceVersion", revision);
        }
        "status" => {
            let others: Vec<String> = keys(old).chain(keys(new)).cloned().collect();
            for field in others {
                if !matches!(field.as_str(), "apiVersion" | "kind" | "metadata" | "status") {
                    put(new, &field, old.get(&field).cloned());
                }
            }
            keep_metadata(endpoint, old, new);
        }
        "" if endpoint.version.status => put(new, "status", old.get("status").cloned()),
        _ => {}
    }
    let metadata = metadata_mut(new);
    for field in SERVERS_OWN {
        put_field(metadata, field, old["metadata"].get(*field).cloned());
    }
    if endpoint.subresource.is_empty() && endpoint.resource.origin == Origin::BuiltIn {
        match &*endpoint.resource.qualified() {
            "namespaces" => put(new, "spec", old.get("spec").cloned()),
            "services" => keep_allocated(old, new),
            "daemonsets.apps" => count_templates(old, new),
            _ => {}
        }
    }
    if counts(endpoint) && endpoint.subresource != "status" && is_changed(endpoint, old, new) {
        let generation = old["metadata"]["generation"].as_i64().unwrap_or(0) + 1;
        metadata_mut(new).insert("generation".to_owned(), generation.into());
    }
}

fn keys(object: &Value) -> impl Iterator<Item = &String> {
    object.as_object().into_iter().flat_map(Map::keys)
}

fn put(object: &mut Value, field: &str, value: Option<Value>) {
    if let Some(fields) = object.as_object_mut() {
        put_field(fields, field, value);
    }
}

fn put_field(fields: &mut Map<String, Value>, field: &str, value: Option<Value>) {
    match value {
        Some(value) => fields.insert(field.to_owned(), value),
        None => fields.remove(field),
    };
}

/// What `/status` leaves of the metadata, which it may write for most built-in kinds.
fn keep_metadata(endpoint: Endpoint<'_>, old: &Value, new: &mut Value) {
    let kept: &[&str] = match &*endpoint.resource.qualified() {
        "deployments.apps" => &["labels"],
        "pods" => &["ownerReferences"],
        "validatingadmissionpolicies.admissionregistration.k8s.io" | "apiservices.apiregistration.k8s.io" => {
            &["labels", "annotations", "finalizers", "ownerReferences"]
        }
        _ => &[],
    };
    let metadata = metadata_mut(new);
    for field in kept {
        put_field(metadata, field, old["metadata"].get(*field).cloned());
    }
}

fn count_templates(old: &Value, new: &mut Value) {
    let before = old["metadata"]["annotations"][TEMPLATE_GENERATION].as_str();
    let before: i64 = before.and_then(|text| text.parse().ok()).unwrap_or(1);
    let is_same = old["spec"]["template"] == new["spec"]["template"];
    let count = if is_same { before } else { before + 1 };
    let annotations = metadata_mut(new)
        .entry("annotations")
        .or_insert_with(|| json!({}));
    if annotations.is_object() {
        annotations[TEMPLATE_GENERATION] = count.to_string().into();
    }
}

/// Addresses and ports of a Service that a request leaves out stay.
fn keep_allocated(old: &Value, new: &mut Value) {
    let kind = |object: &Value| object["spec"]["type"].as_str().unwrap_or("ClusterIP").to_owned();
    if kind(old) == "ExternalName" || kind(new) == "ExternalName" || !new["spec"].is_object() {
        return;
    }
    let is_unsaid = |value: &Value| value == "" || value.is_null() || *value == json!([]);
    for field in [
        "clusterIP",
        "clusterIPs",
        "ipFamilies",
        "ipFamilyPolicy",
        "healthCheckNodePort",
    ] {
        if new["spec"].get(field).is_none_or(is_unsaid)
            && let Some(value) = old["spec"].get(field)
        {
            new["spec"][field] = value.clone();
        }
    }
    let has_ports = |kind: &str| matches!(kind, "NodePort" | "LoadBalancer");
    if !has_ports(&kind(old)) || !has_ports(&kind(new)) {
        return;
    }
    let ports = new["spec"]["ports"].as_array_mut();
    for port in ports.into_iter().flatten().filter(|port| port.is_object()) {
        let before = old["spec"]["ports"].as_array().into_iter().flatten();
        let before = before
            .into_iter()
            .find(|before| before["port"] == port["port"] && before["protocol"] == port["protocol"]);
        if let Some(number) = before.and_then(|before| before.get("nodePort"))
            && port.get("nodePort").is_none_or(|number| number == 0)
        {
            port["nodePort"] = number.clone();
        }
    }
}

/// Whether anything changed that a controller acts on.
fn is_changed(endpoint: Endpoint<'_>, old: &Value, new: &Value) -> bool {
    let has_status = endpoint.version.status;
    let is_relevant = |field: &str| match field {
        "metadata" | "apiVersion" => false,
        "status" => !has_status,
        _ => true,
    };
    let is_deployment = *endpoint.resource.qualified() == *"deployments.apps";
    keys(old)
        .chain(keys(new))
        .any(|field| is_relevant(field) && old.get(field) != new.get(field))
        || (is_deployment && old["metadata"]["annotations"] != new["metadata"]["annotations"])
}
