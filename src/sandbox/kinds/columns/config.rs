//! Nodes, namespaces, configuration, storage, access.

use std::collections::BTreeSet;

use serde_json::Value;

use super::cell::{
    at, condition, count, is_true, items, name, none_if_empty, or, plain, selector, since, size,
};
use super::{AGE, Computed, NAME, integer, text, typed, wide};
use crate::model::clock::Timestamp;
use crate::sandbox::object;

pub(super) const NODES: &[Computed] = &[
    NAME,
    text("Status", |node, _| {
        let mut status = match condition(node, "Ready") {
            None => "Unknown",
            Some(ready) if ready["status"] == "True" => "Ready",
            Some(_) => "NotReady",
        }
        .to_owned();
        if node["spec"]["unschedulable"] == true {
            status.push_str(",SchedulingDisabled");
        }
        status.into()
    }),
    text("Roles", |node, _| {
        let labels = node["metadata"]["labels"].as_object();
        let roles: BTreeSet<&str> = labels
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| match key.as_str() {
                "kubernetes.io/role" => value.as_str(),
                key => key.strip_prefix("node-role.kubernetes.io/"),
            })
            .filter(|role| !role.is_empty())
            .collect();
        none_if_empty(roles.into_iter().collect::<Vec<_>>().join(",")).into()
    }),
    AGE,
    text("Version", |node, _| {
        at(node, "/status/nodeInfo/kubeletVersion").into()
    }),
    wide("Internal-IP", |node, _| address(node, "InternalIP")),
    wide("External-IP", |node, _| address(node, "ExternalIP")),
    wide("OS-Image", |node, _| {
        or(node, "/status/nodeInfo/osImage", "<unknown>")
    }),
    wide("Kernel-Version", |node, _| {
        let version = plain(&or(node, "/status/nodeInfo/kernelVersion", "<unknown>"));
        match at(node, "/status/nodeInfo/architecture") {
            "" => version.into(),
            architecture => format!("{version} ({architecture})").into(),
        }
    }),
    wide("Container-Runtime", |node, _| {
        or(node, "/status/nodeInfo/containerRuntimeVersion", "<unknown>")
    }),
];

fn address(node: &Value, kind: &str) -> Value {
    let found = items(node, "/status/addresses").find(|address| address["type"] == *kind);
    found.map_or_else(|| "<none>".into(), |address| address["address"].clone())
}

pub(super) const NAMESPACES: &[Computed] = &[
    NAME,
    text("Status", |object, _| at(object, "/status/phase").into()),
    AGE,
];

pub(super) const CONFIG_MAPS: &[Computed] = &[
    NAME,
    text("Data", |object, _| {
        (size(object, "/data") + size(object, "/binaryData")).into()
    }),
    AGE,
];

pub(super) const SECRETS: &[Computed] = &[
    NAME,
    text("Type", |object, _| at(object, "/type").into()),
    text("Data", |object, _| size(object, "/data").into()),
    AGE,
];

pub(super) const EVENTS: &[Computed] = &[
    text("Last Seen", |event, now| match &event["series"] {
        Value::Null => match first_of(event, &["lastTimestamp", "deprecatedLastTimestamp"]) {
            Value::Null => first_seen(event, now),
            time => since(time, now).into(),
        },
        series => since(&series["lastObservedTime"], now).into(),
    }),
    text("Type", |event, _| at(event, "/type").into()),
    text("Reason", |event, _| at(event, "/reason").into()),
    text("Object", |event, _| {
        let about = first_of(event, &["involvedObject", "regarding"]);
        let kind = at(about, "/kind").to_lowercase();
        match at(about, "/name") {
            "" => kind.into(),
            name => format!("{kind}/{name}").into(),
        }
    }),
    wide("Subobject", |event, _| {
        at(first_of(event, &["involvedObject", "regarding"]), "/fieldPath").into()
    }),
    wide("Source", |event, _| {
        let source = first_of(event, &["source", "deprecatedSource"]);
        let part = |own: &str, others: [&str; 2]| match at(source, own) {
            "" => plain(first_of(event, &others)),
            text => text.to_owned(),
        };
        let component = part("/component", ["reportingComponent", "reportingController"]);
        match part("/host", ["reportingInstance", "reportingInstance"]).as_str() {
            "" => component.into(),
            host => format!("{component}, {host}").into(),
        }
    }),
    text("Message", |event, _| {
        plain(first_of(event, &["message", "note"])).trim().into()
    }),
    wide("First Seen", first_seen),
    wide("Count", |event, _| {
        let counts = [
            &event["series"]["count"],
            first_of(event, &["count", "deprecatedCount"]),
        ];
        let mut counts = counts.into_iter().filter_map(Value::as_i64);
        counts.find(|count| *count > 0).unwrap_or(1).into()
    }),
    wide("Name", name),
];

fn first_seen(event: &Value, now: Timestamp) -> Value {
    since(
        first_of(
            event,
            &["firstTimestamp", "deprecatedFirstTimestamp", "eventTime"],
        ),
        now,
    )
    .into()
}

/// Events have two shapes, by their group: the first of the fields that is there.
fn first_of<'a>(object: &'a Value, fields: &[&str]) -> &'a Value {
    let mut found = fields.iter().map(|field| &object[*field]);
    found
        .find(|value| !value.is_null() && **value != *"")
        .unwrap_or(&Value::Null)
}

pub(super) const QUOTAS: &[Computed] = &[
    NAME,
    text("Request", |object, _| quota(object, false)),
    text("Limit", |object, _| quota(object, true)),
    AGE,
];

/// `requests.cpu: 1/4, pods: 3/10`, of limits or of all else.
fn quota(object: &Value, limits: bool) -> Value {
    let hard = object.pointer("/status/hard").and_then(Value::as_object);
    let mut parts: Vec<String> = hard
        .into_iter()
        .flatten()
        .filter(|(name, _)| name.starts_with("limits.") == limits)
        .map(|(name, hard)| {
            let used = object["status"]["used"][name].as_str().unwrap_or("0");
            format!("{name}: {used}/{}", plain(hard))
        })
        .collect();
    parts.sort();
    parts.join(", ").into()
}

pub(super) const VOLUMES: &[Computed] = &[
    NAME,
    text("Capacity", |object, _| or(object, "/spec/capacity/storage", "0")),
    text("Access Modes", |object, _| modes(object, "/spec/accessModes")),
    text("Reclaim Policy", |object, _| {
        at(object, "/spec/persistentVolumeReclaimPolicy").into()
    }),
    text("Status", phase),
    text("Claim", |object, _| match &object["spec"]["claimRef"] {
        Value::Null => "".into(),
        claim => format!("{}/{}", at(claim, "/namespace"), at(claim, "/name")).into(),
    }),
    text("StorageClass", storage_class),
    text("VolumeAttributesClass", |object, _| {
        or(object, "/spec/volumeAttributesClassName", "<unset>")
    }),
    text("Reason", |object, _| at(object, "/status/reason").into()),
    AGE,
    wide("VolumeMode", |object, _| {
        or(object, "/spec/volumeMode", "<unset>")
    }),
];

pub(super) const CLAIMS: &[Computed] = &[
    NAME,
    text("Status", phase),
    text("Volume", |object, _| at(object, "/spec/volumeName").into()),
    text("Capacity", |object, _| match at(object, "/spec/volumeName") {
        "" => "".into(),
        _ => or(object, "/status/capacity/storage", "0"),
    }),
    text("Access Modes", |object, _| match at(object, "/spec/volumeName") {
        "" => "".into(),
        _ => modes(object, "/status/accessModes"),
    }),
    text("StorageClass", storage_class),
    text("VolumeAttributesClass", |object, _| {
        or(object, "/spec/volumeAttributesClassName", "<unset>")
    }),
    AGE,
    wide("VolumeMode", |object, _| {
        or(object, "/spec/volumeMode", "<unset>")
    }),
];

fn phase(object: &Value, _: Timestamp) -> Value {
    if object::is_deleting(object) {
        return "Terminating".into();
    }
    at(object, "/status/phase").into()
}

/// The annotation is older than the field, and wins.
fn storage_class(object: &Value, _: Timestamp) -> Value {
    match object["metadata"]["annotations"]["volume.beta.kubernetes.io/storage-class"].as_str() {
        Some(class) => class.into(),
        None => at(object, "/spec/storageClassName").into(),
    }
}

fn modes(object: &Value, pointer: &str) -> Value {
    const MODES: [(&str, &str); 4] = [
        ("ReadWriteOnce", "RWO"),
        ("ReadOnlyMany", "ROX"),
        ("ReadWriteMany", "RWX"),
        ("ReadWriteOncePod", "RWOP"),
    ];
    let has = |mode: &str| items(object, pointer).any(|found| *found == *mode);
    let found: Vec<&str> = MODES
        .into_iter()
        .filter(|(mode, _)| has(mode))
        .map(|(_, short)| short)
        .collect();
    found.join(",").into()
}

pub(super) const STORAGE_CLASSES: &[Computed] = &[
    text("Name", |object, now| {
        let default =
            object["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"] == "true";
        if default {
            format!("{} (default)", plain(&name(object, now))).into()
        } else {
            name(object, now)
        }
    }),
    text("Provisioner", |object, _| at(object, "/provisioner").into()),
    text("ReclaimPolicy", |object, _| {
        or(object, "/reclaimPolicy", "Delete")
    }),
    text("VolumeBindingMode", |object, _| {
        or(object, "/volumeBindingMode", "Immediate")
    }),
    text("AllowVolumeExpansion", |object, _| {
        (object["allowVolumeExpansion"] == true).into()
    }),
    AGE,
];

pub(super) const BINDINGS: &[Computed] = &[
    NAME,
    text("Role", |object, _| {
        format!("{}/{}", at(object, "/roleRef/kind"), at(object, "/roleRef/name")).into()
    }),
    AGE,
    wide("Users", |object, _| subjects(object, "User")),
    wide("Groups", |object, _| subjects(object, "Group")),
    wide("ServiceAccounts", |object, _| subjects(object, "ServiceAccount")),
];

fn subjects(binding: &Value, kind: &str) -> Value {
    let names: Vec<String> = items(binding, "/subjects")
        .filter(|subject| subject["kind"] == *kind)
        .map(|subject| match kind {
            "ServiceAccount" => format!("{}/{}", at(subject, "/namespace"), at(subject, "/name")),
            _ => at(subject, "/name").to_owned(),
        })
        .collect();
    names.join(", ").into()
}

pub(super) const LEASES: &[Computed] = &[
    NAME,
    text("Holder", |object, _| at(object, "/spec/holderIdentity").into()),
    AGE,
];

pub(super) const PRIORITY_CLASSES: &[Computed] = &[
    NAME,
    integer("Value", |object, _| count(object, "/value").into()),
    typed("Global-Default", "boolean", |object, _| {
        (object["globalDefault"] == true).into()
    }),
    AGE,
    text("PreemptionPolicy", |object, _| {
        at(object, "/preemptionPolicy").into()
    }),
];

pub(super) const SIGNING_REQUESTS: &[Computed] = &[
    NAME,
    AGE,
    text("SignerName", |object, _| or(object, "/spec/signerName", "<none>")),
    text("Requestor", |object, _| at(object, "/spec/username").into()),
    text(
        "RequestedDuration",
        |object, _| match object["spec"]["expirationSeconds"].as_i64() {
            None => "<none>".into(),
            Some(seconds) => super::cell::duration(seconds).into(),
        },
    ),
    text("Condition", |object, _| {
        let has = |kind| condition(object, kind).is_some();
        let mut words = vec![match (has("Denied"), has("Approved")) {
            (true, _) => "Denied",
            (false, true) => "Approved",
            (false, false) => "Pending",
        }];
        words.extend(has("Failed").then_some("Failed"));
        words.extend((!at(object, "/status/certificate").is_empty()).then_some("Issued"));
        words.join(",").into()
    }),
];

pub(super) const API_SERVICES: &[Computed] = &[
    NAME,
    text("Service", |object, _| match &object["spec"]["service"] {
        Value::Null => "Local".into(),
        service => format!("{}/{}", at(service, "/namespace"), at(service, "/name")).into(),
    }),
    text("Available", |object, _| match condition(object, "Available") {
        None => "Unknown".into(),
        Some(_) if is_true(object, "Available") => "True".into(),
        Some(condition) => format!("{} ({})", at(condition, "/status"), at(condition, "/reason")).into(),
    }),
    AGE,
];

pub(super) const WEBHOOKS: &[Computed] = &[
    NAME,
    integer("Webhooks", |object, _| size(object, "/webhooks").into()),
    AGE,
];

pub(super) const ADMISSION_POLICIES: &[Computed] = &[
    NAME,
    integer("Validations", |object, _| {
        size(object, "/spec/validations").into()
    }),
    text("ParamKind", |object, _| match &object["spec"]["paramKind"] {
        Value::Null => "<unset>".into(),
        kind => format!("{}/{}", at(kind, "/apiVersion"), at(kind, "/kind")).into(),
    }),
    AGE,
];

pub(super) const ADMISSION_BINDINGS: &[Computed] = &[
    NAME,
    text("PolicyName", |object, _| at(object, "/spec/policyName").into()),
    text("ParamRef", |object, _| {
        let reference = &object["spec"]["paramRef"];
        match (at(reference, "/name"), at(reference, "/namespace")) {
            ("", _) => match reference.get("selector") {
                None => "<unset>".into(),
                some => selector(some).into(),
            },
            (name, "") => format!("*/{name}").into(),
            (name, namespace) => format!("{namespace}/{name}").into(),
        }
    }),
    AGE,
];
