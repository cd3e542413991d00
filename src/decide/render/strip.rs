//! Removing what a server allocated, and would refuse or misread elsewhere (PROTOCOL §3.5).

use serde_json::{Map, Value};

use crate::model::kind::pod_template_pointer;
use crate::model::name::GroupKind;

/// Annotations by which a claim is bound in the cluster it is in.
const CLAIM_ANNOTATIONS: [&str; 6] = [
    "pv.kubernetes.io/bind-completed",
    "pv.kubernetes.io/bound-by-controller",
    "volume.beta.kubernetes.io/storage-provisioner",
    "volume.kubernetes.io/selected-node",
    "volume.kubernetes.io/storage-provisioner",
    "volume.kubernetes.io/storage-resizer",
];

/// Labels by which a Job knows its pods; they hold its uid.
const JOB_LABELS: [&str; 4] = [
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-name",
    "controller-uid",
    "job-name",
];

/// Removes from the object what belongs to the cluster it was read from.
pub fn strip(kind: &GroupKind, object: &mut Value) {
    let Value::Object(fields) = object else { return };
    fields.remove("status");
    match (&*kind.group, &*kind.kind) {
        ("", "Service") => service(fields),
        ("", "ServiceAccount") => {
            fields.remove("secrets");
        }
        ("", "PersistentVolumeClaim") => claim(fields),
        ("", "Pod") => pod(fields),
        ("batch", "Job") => job(fields),
        _ => {}
    }
    if let Some(template) = pod_template_pointer(kind).filter(|pointer| !pointer.is_empty()) {
        // A template copied from an object that a server wrote has it as null.
        if let Some(Value::Object(metadata)) = object.pointer_mut(&format!("{template}/metadata")) {
            metadata.remove("creationTimestamp");
        }
    }
}

fn spec(object: &mut Map<String, Value>) -> Option<&mut Map<String, Value>> {
    object.get_mut("spec").and_then(Value::as_object_mut)
}

/// Removes keys from the labels or annotations; no empty map stays.
fn remove_marks(object: &mut Map<String, Value>, field: &str, keys: &[&str]) {
    let Some(Value::Object(metadata)) = object.get_mut("metadata") else {
        return;
    };
    if let Some(Value::Object(marks)) = metadata.get_mut(field) {
        marks.retain(|key, _| !keys.contains(&key.as_str()));
        if marks.is_empty() {
            metadata.remove(field);
        }
    }
}

fn service(object: &mut Map<String, Value>) {
    let Some(spec) = spec(object) else { return };
    if spec.get("clusterIP").is_some_and(|address| address != "None") {
        spec.remove("clusterIP");
    }
    if spec
        .get("clusterIPs")
        .and_then(|list| list.get(0))
        .is_some_and(|address| address != "None")
    {
        spec.remove("clusterIPs");
    }
    spec.remove("healthCheckNodePort");
    let ports = spec.get_mut("ports").and_then(Value::as_array_mut);
    for port in ports.into_iter().flatten().filter_map(Value::as_object_mut) {
        port.remove("nodePort");
    }
}

fn claim(object: &mut Map<String, Value>) {
    remove_marks(object, "annotations", &CLAIM_ANNOTATIONS);
    if let Some(spec) = spec(object) {
        spec.remove("volumeName");
    }
}

/// A selector that somebody wrote himself (`manualSelector`) is his, with the labels it selects.
fn job(object: &mut Map<String, Value>) {
    let manual = object.get("spec").and_then(|spec| spec.get("manualSelector"));
    if manual == Some(&Value::Bool(true)) {
        return;
    }
    remove_marks(object, "labels", &JOB_LABELS);
    remove_marks(object, "annotations", &["batch.kubernetes.io/job-tracking"]);
    if let Some(spec) = spec(object) {
        spec.remove("selector");
        if let Some(Value::Object(template)) = spec.get_mut("template") {
            remove_marks(template, "labels", &JOB_LABELS);
        }
    }
}

/// What admission adds to a bare Pod: its node, its priority, a token volume and two tolerations.
fn pod(object: &mut Map<String, Value>) {
    let Some(spec) = spec(object) else { return };
    for field in ["nodeName", "priority", "preemptionPolicy", "ephemeralContainers"] {
        spec.remove(field);
    }
    if spec.contains_key("serviceAccountName") {
        spec.remove("serviceAccount");
    }
    let is_token = |item: &Value| {
        let name = item.get("name").and_then(Value::as_str);
        name.is_some_and(|name| name.starts_with("kube-api-access-"))
    };
    retain(spec, "volumes", |volume| !is_token(volume));
    for list in ["containers", "initContainers"] {
        let containers = spec.get_mut(list).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten().filter_map(Value::as_object_mut) {
            retain(container, "volumeMounts", |mount| !is_token(mount));
        }
    }
    retain(spec, "tolerations", |toleration| {
        !is_default_toleration(toleration)
    });
}

fn retain(fields: &mut Map<String, Value>, list: &str, keep: impl Fn(&Value) -> bool) {
    if let Some(Value::Array(items)) = fields.get_mut(list) {
        let before = items.len();
        items.retain(keep);
        if items.is_empty() && before > 0 {
            fields.remove(list);
        }
    }
}

/// As the admission plugin `DefaultTolerationSeconds` writes them.
fn is_default_toleration(toleration: &Value) -> bool {
    let is = |field: &str, value: &str| toleration.get(field).is_some_and(|found| found == value);
    (is("key", "node.kubernetes.io/not-ready") || is("key", "node.kubernetes.io/unreachable"))
        && is("operator", "Exists")
        && is("effect", "NoExecute")
        && toleration.get("tolerationSeconds").and_then(Value::as_i64) == Some(300)
}
