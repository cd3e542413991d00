//! Pods and everything that makes them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Change, IMMUTABLE, meta};
use crate::sandbox::failure::Cause;
use crate::sandbox::selector;

/// What an update of a Pod may change.
const POD_FIELDS: &str = "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,\
    `spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be \
    set to 1 if it was previously negative)";

const STATEFUL_FIELDS: &[&str] = &[
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
];

/// Deployments, ReplicaSets, StatefulSets, DaemonSets.
pub(super) fn controller(change: &Change<'_>, causes: &mut Vec<Cause>) {
    let spec = &change.new["spec"];
    non_negative(
        spec,
        "spec",
        &["replicas", "minReadySeconds", "revisionHistoryLimit"],
        causes,
    );
    if is_empty(&spec["selector"]) {
        if spec["selector"].is_object() && change.resource.kind.as_ref() == "Deployment" {
            causes.push(Cause::invalid(
                "spec.selector",
                &spec["selector"],
                "empty selector is invalid for deployment",
            ));
        } else if change.resource.kind.as_ref() == "StatefulSet" || !spec["selector"].is_object() {
            causes.push(Cause::required("spec.selector", ""));
        }
    }
    let labels = &spec["template"]["metadata"]["labels"];
    if !selector::fits(&spec["selector"], labels) {
        causes.push(Cause::invalid(
            "spec.template.metadata.labels",
            labels,
            "`selector` does not match template `labels`",
        ));
    }
    template(&spec["template"], "spec.template", causes);
    let restart = &spec["template"]["spec"]["restartPolicy"];
    if restart.is_string() && restart != "Always" {
        causes.push(Cause::unsupported(
            "spec.template.spec.restartPolicy",
            restart,
            &["Always".to_owned()],
        ));
    }
    let strategy = &spec["strategy"];
    if strategy["type"] == "Recreate" && strategy["rollingUpdate"].is_object() {
        causes.push(Cause::forbidden(
            "spec.strategy.rollingUpdate",
            "may not be specified when strategy `type` is 'Recreate'",
        ));
    }
    let Some(old) = change.old else { return };
    if &*change.resource.kind == "StatefulSet" {
        let fixed = |spec: &Value| {
            let mut fields = spec.as_object().cloned().unwrap_or_default();
            fields.retain(|name, _| !STATEFUL_FIELDS.contains(&name.as_str()));
            fields
        };
        if fixed(&old["spec"]) != fixed(spec) {
            let names: Vec<String> = STATEFUL_FIELDS.iter().map(|name| format!("'{name}'")).collect();
            let (last, first) = names
                .split_last()
                .map_or(("", &[][..]), |(last, first)| (last.as_str(), first));
            let why = format!(
                "updates to statefulset spec for fields other than {} and {last} are forbidden",
                first.join(", ")
            );
            causes.push(Cause::forbidden("spec", &why));
        }
    } else if old["spec"]["selector"] != spec["selector"] {
        causes.push(Cause::invalid("spec.selector", &spec["selector"], IMMUTABLE));
    }
}

pub(super) fn job(change: &Change<'_>, causes: &mut Vec<Cause>) {
    let spec = &change.new["spec"];
    non_negative(
        spec,
        "spec",
        &[
            "parallelism",
            "completions",
            "backoffLimit",
            "activeDeadlineSeconds",
        ],
        causes,
    );
    template(&spec["template"], "spec.template", causes);
    let restart = &spec["template"]["spec"]["restartPolicy"];
    if restart != "Never" && restart != "OnFailure" {
        let shown = if restart == "Always" {
            "Required value: valid values: \"OnFailure\", \"Never\""
        } else {
            "Unsupported value"
        };
        let supported = ["Never".to_owned(), "OnFailure".to_owned()];
        let mut cause = Cause::unsupported("spec.template.spec.restartPolicy", restart, &supported);
        if restart == "Always" {
            shown.clone_into(&mut cause.message);
            cause.reason = "FieldValueRequired";
        }
        causes.push(cause);
    }
    let Some(old) = change.old else { return };
    let is_suspended = old["spec"]["suspend"] == true && old["status"].get("startTime").is_none();
    for field in ["selector", "completionMode", "podFailurePolicy", "template"] {
        if old["spec"].get(field) != spec.get(field) && !(field == "template" && is_suspended) {
            let value = spec.get(field).unwrap_or(&Value::Null);
            causes.push(Cause::invalid(format!("spec.{field}"), value, IMMUTABLE));
        }
    }
    if old["spec"]["completions"] != spec["completions"] && spec["completionMode"] != "Indexed" {
        causes.push(Cause::invalid(
            "spec.completions",
            &spec["completions"],
            IMMUTABLE,
        ));
    }
}

/// A Job is complete only after its success was seen.
pub(super) fn job_status(change: &Change<'_>, causes: &mut Vec<Cause>) {
    let has = |object: &Value, kind: &str| {
        let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
        conditions
            .into_iter()
            .any(|one| one["type"] == kind && one["status"] == "True")
    };
    let was_complete = change.old.is_some_and(|old| has(old, "Complete"));
    if has(change.new, "Complete") && !was_complete && !has(change.new, "SuccessCriteriaMet") {
        causes.push(Cause {
            reason: "FieldValueInvalid",
            message: "Invalid value: cannot set Complete=True condition without the SuccessCriteriaMet=true condition"
                .to_owned(),
            field: "status.conditions".to_owned(),
        });
    }
}

pub(super) fn pod(change: &Change<'_>, causes: &mut Vec<Cause>) {
    let spec = &change.new["spec"];
    pod_spec(spec, "spec", causes);
    let Some(old) = change.old else { return };
    let count = |spec: &Value, list: &str| spec[list].as_array().map_or(0, Vec::len);
    for list in ["containers", "initContainers"] {
        if count(&old["spec"], list) != count(spec, list) {
            causes.push(Cause::forbidden(
                format!("spec.{list}"),
                "pod updates may not add or remove containers",
            ));
            return;
        }
    }
    if fixed_pod(&old["spec"]) != fixed_pod(spec) || !adds_tolerations(&old["spec"], spec) {
        let why = format!("pod updates may not change fields other than {POD_FIELDS}\n");
        causes.push(Cause::forbidden("spec", &why));
    }
}

/// A pod's spec without what may change: by its own endpoint, or through bind, resize and ephemeral containers.
fn fixed_pod(spec: &Value) -> Value {
    let mut spec = spec.clone();
    if let Some(fields) = spec.as_object_mut() {
        for field in [
            "activeDeadlineSeconds",
            "tolerations",
            "terminationGracePeriodSeconds",
            "ephemeralContainers",
        ] {
            fields.remove(field);
        }
        // Gates are only taken away; a node selector may become narrower meanwhile.
        fields.remove("schedulingGates");
        for list in ["containers", "initContainers"] {
            let containers = fields.get_mut(list).and_then(Value::as_array_mut);
            for container in containers.into_iter().flatten() {
                container
                    .as_object_mut()
                    .map(|container| container.remove("image"));
            }
        }
    }
    spec
}

fn adds_tolerations(old: &Value, new: &Value) -> bool {
    let list = |spec: &Value| spec["tolerations"].as_array().cloned().unwrap_or_default();
    // Seconds of a toleration may change.
    let bare = |mut one: Value| {
        one.as_object_mut().map(|one| one.remove("tolerationSeconds"));
        one
    };
    let new: Vec<Value> = list(new).into_iter().map(bare).collect();
    list(old).into_iter().map(bare).all(|one| new.contains(&one))
}

fn template(template: &Value, field: &str, causes: &mut Vec<Cause>) {
    meta::labels(
        template["metadata"].get("labels"),
        &format!("{field}.labels"),
        causes,
    );
    pod_spec(&template["spec"], &format!("{field}.spec"), causes);
}

pub(super) fn pod_spec(spec: &Value, field: &str, causes: &mut Vec<Cause>) {
    let mut volumes = BTreeSet::new();
    for (index, volume) in spec["volumes"].as_array().into_iter().flatten().enumerate() {
        let place = format!("{field}.volumes[{index}].name");
        match volume["name"].as_str() {
            None | Some("") => causes.push(Cause::required(place, "")),
            Some(name) if !volumes.insert(name) => causes.push(Cause::duplicate(place, &volume["name"])),
            Some(_) => {}
        }
    }
    if is_empty(&spec["containers"]) {
        causes.push(Cause::required(format!("{field}.containers"), ""));
    }
    let mut names = BTreeSet::new();
    for list in ["initContainers", "containers"] {
        for (index, container) in spec[list].as_array().into_iter().flatten().enumerate() {
            let place = format!("{field}.{list}[{index}]");
            match container["name"].as_str() {
                None | Some("") => causes.push(Cause::required(format!("{place}.name"), "")),
                Some(name) if !names.insert(name) => {
                    causes.push(Cause::duplicate(format!("{place}.name"), &container["name"]));
                }
                Some(_) => {}
            }
            if container["image"].as_str().unwrap_or_default().is_empty() {
                causes.push(Cause::required(format!("{place}.image"), ""));
            }
            ports(container, &place, causes);
            for (index, variable) in container["env"].as_array().into_iter().flatten().enumerate() {
                if variable["name"].as_str().unwrap_or_default().is_empty() {
                    causes.push(Cause::required(format!("{place}.env[{index}].name"), ""));
                }
            }
            mounts(container, &place, causes);
            resources(container, &place, causes);
        }
    }
}

fn mounts(container: &Value, place: &str, causes: &mut Vec<Cause>) {
    for (index, mount) in container["volumeMounts"]
        .as_array()
        .into_iter()
        .flatten()
        .enumerate()
    {
        if mount["mountPath"].as_str().unwrap_or_default().is_empty() {
            causes.push(Cause::required(
                format!("{place}.volumeMounts[{index}].mountPath"),
                "",
            ));
        }
    }
}

fn resources(container: &Value, place: &str, causes: &mut Vec<Cause>) {
    use crate::model::quantity::Amount;
    let amount = |value: &Value| value.as_str().and_then(|text| text.parse::<Amount>().ok());
    let limits = &container["resources"]["limits"];
    for (name, value) in container["resources"]["requests"]
        .as_object()
        .into_iter()
        .flatten()
    {
        if let (Some(request), Some(limit)) = (amount(value), amount(&limits[name]))
            && request > limit
        {
            let why = format!(
                "must be less than or equal to {name} limit of {}",
                limits[name].as_str().unwrap_or_default()
            );
            causes.push(Cause::invalid(format!("{place}.resources.requests"), value, &why));
        }
    }
}

fn ports(container: &Value, place: &str, causes: &mut Vec<Cause>) {
    for (index, port) in container["ports"].as_array().into_iter().flatten().enumerate() {
        let field = format!("{place}.ports[{index}].containerPort");
        match port["containerPort"].as_i64() {
            None | Some(0) => causes.push(Cause::required(field, "")),
            Some(1..=65535) => {}
            Some(_) => causes.push(Cause::invalid(
                field,
                &port["containerPort"],
                "must be between 1 and 65535, inclusive",
            )),
        }
    }
}

pub(super) fn non_negative(object: &Value, place: &str, fields: &[&str], causes: &mut Vec<Cause>) {
    for field in fields {
        if object[*field].as_i64().is_some_and(|number| number < 0) {
            causes.push(Cause::invalid(
                format!("{place}.{field}"),
                &object[*field],
                "must be greater than or equal to 0",
            ));
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.values().all(is_empty),
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Null => true,
        _ => false,
    }
}
