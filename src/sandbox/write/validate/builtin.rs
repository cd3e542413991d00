//! Built-in kinds other than those that make pods.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Change, IMMUTABLE, workload};
use crate::model::schema::{ProblemKind, check as judge};
use crate::sandbox::crd::path;
use crate::sandbox::failure::Cause;

pub(super) fn check(change: &Change<'_>, causes: &mut Vec<Cause>) {
    let kind = &*change.resource.qualified();
    match (kind, change.subresource) {
        ("services", "status") => return balancer(change, causes),
        ("jobs.batch", "status") => return workload::job_status(change, causes),
        (_, "") => {}
        _ => return,
    }
    match kind {
        "deployments.apps" | "replicasets.apps" | "statefulsets.apps" | "daemonsets.apps" => {
            workload::controller(change, causes);
        }
        "jobs.batch" => workload::job(change, causes),
        "pods" => workload::pod(change, causes),
        "services" => service(change, causes),
        "configmaps" | "secrets" => data(change, causes),
        "events" => event(change.new, causes),
        "rolebindings.rbac.authorization.k8s.io" | "clusterrolebindings.rbac.authorization.k8s.io" => {
            binding(change, causes);
        }
        "persistentvolumeclaims" => claim(change, causes),
        _ => {}
    }
    // What no check in code has named: fields the schema requires, and words it does not know.
    if causes.is_empty() {
        schema(change, causes);
    }
}

fn schema(change: &Change<'_>, causes: &mut Vec<Cause>) {
    let Some(schema) = &change.version.schema else {
        return;
    };
    for problem in judge(schema, change.new) {
        let value = change.new.pointer(&problem.pointer).unwrap_or(&Value::Null);
        let place = path(&problem.pointer, change.new);
        match &problem.kind {
            ProblemKind::Missing { field } if !place.starts_with("status") => {
                let point = if place.is_empty() { "" } else { "." };
                causes.push(Cause::required(format!("{place}{point}{field}"), ""));
            }
            ProblemKind::NotInEnum { allowed } => causes.push(Cause::unsupported(place, value, allowed)),
            _ => {}
        }
    }
}

/// An event lies where the object is that it tells of.
fn event(event: &Value, causes: &mut Vec<Cause>) {
    let about = event["involvedObject"]["namespace"].as_str().unwrap_or_default();
    let own = event["metadata"]["namespace"].as_str().unwrap_or_default();
    // What is in no namespace is told of in this one.
    if !own.is_empty() && about != own && !(about.is_empty() && own == "default") {
        let why = "does not match event.namespace";
        causes.push(Cause::invalid(
            "involvedObject.namespace",
            Value::from(about),
            why,
        ));
    }
}

fn service(change: &Change<'_>, causes: &mut Vec<Cause>) {
    let spec = &change.new["spec"];
    let kind = spec["type"].as_str().unwrap_or("ClusterIP");
    let kinds = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"].map(str::to_owned);
    let ports = spec["ports"].as_array().map_or(&[][..], Vec::as_slice);
    let is_headless = spec["clusterIP"] == "None";
    if kind == "ExternalName" {
        if spec["externalName"].as_str().unwrap_or_default().is_empty() {
            causes.push(Cause::required("spec.externalName", ""));
        }
        if spec.get("clusterIP").is_some_and(|address| address != "") {
            causes.push(Cause::forbidden(
                "spec.clusterIPs",
                "may not be set for ExternalName services",
            ));
        }
    } else if ports.is_empty() && !is_headless {
        causes.push(Cause::required("spec.ports", ""));
    }
    if is_headless && matches!(kind, "NodePort" | "LoadBalancer") {
        let why = format!("may not be set to 'None' for {kind} services");
        causes.push(Cause::invalid("spec.clusterIPs[0]", &spec["clusterIP"], &why));
    }
    let (mut names, mut numbers) = (BTreeSet::new(), BTreeSet::new());
    for (index, port) in ports.iter().enumerate() {
        let place = format!("spec.ports[{index}]");
        let name = port["name"].as_str().unwrap_or_default();
        if name.is_empty() && ports.len() > 1 {
            causes.push(Cause::required(format!("{place}.name"), ""));
        } else if !name.is_empty() && !names.insert(name) {
            causes.push(Cause::duplicate(format!("{place}.name"), &port["name"]));
        }
        if !port["port"]
            .as_i64()
            .is_some_and(|number| (1..=65535).contains(&number))
        {
            let value = if port["port"].is_null() {
                &Value::from(0)
            } else {
                &port["port"]
            };
            let why = "must be between 1 and 65535, inclusive";
            causes.push(Cause::invalid(format!("{place}.port"), value, why));
            // By default the same.
            let to = &port["targetPort"];
            if to.is_null() || to == value {
                causes.push(Cause::invalid(format!("{place}.targetPort"), value, why));
            }
        }
        if !numbers.insert((port["protocol"].to_string(), port["port"].to_string())) {
            let both = json!({"port": port["port"], "protocol": port["protocol"]});
            causes.push(Cause::duplicate(place, &both));
        }
    }
    if !kinds.iter().any(|known| known == kind) {
        causes.push(Cause::unsupported("spec.type", &spec["type"], &kinds));
    }
    let Some(old) = change.old else { return };
    let was = &old["spec"]["clusterIP"];
    let was_external = old["spec"]["type"] == "ExternalName";
    if kind != "ExternalName" && !was_external && was.is_string() && *was != spec["clusterIP"] {
        causes.push(Cause::invalid(
            "spec.clusterIPs[0]",
            &spec["clusterIPs"],
            "may not change once set",
        ));
    }
}

fn balancer(change: &Change<'_>, causes: &mut Vec<Cause>) {
    let ingress = change.new["status"]["loadBalancer"]["ingress"].as_array();
    if ingress.is_some_and(|ingress| !ingress.is_empty()) && change.new["spec"]["type"] != "LoadBalancer" {
        causes.push(Cause::forbidden(
            "status.loadBalancer.ingress",
            "may only be used when `spec.type` is 'LoadBalancer'",
        ));
    }
}

fn data(change: &Change<'_>, causes: &mut Vec<Cause>) {
    let is_secret = &*change.resource.kind == "Secret";
    let mut size = 0;
    for field in ["data", "binaryData"] {
        for (key, value) in change.new[field].as_object().into_iter().flatten() {
            size += value.as_str().map_or(0, str::len);
            let is_key = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            if key.is_empty() || !key.chars().all(is_key) {
                let why = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. \
                    'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
                causes.push(Cause::invalid(
                    format!("{field}[{key}]"),
                    Value::from(key.as_str()),
                    why,
                ));
            }
        }
    }
    if size > 1 << 20 {
        causes.push(Cause::too_long(if is_secret { "data" } else { "" }, 1 << 20));
    }
    let Some(old) = change.old else { return };
    if is_secret && old["type"] != change.new["type"] {
        causes.push(Cause::invalid("type", &change.new["type"], IMMUTABLE));
    }
    if old["immutable"] == true {
        let why = "field is immutable when `immutable` is set";
        for field in ["immutable", "data", "binaryData"] {
            if old.get(field) != change.new.get(field) {
                causes.push(Cause::forbidden(field, why));
            }
        }
    }
}

fn binding(change: &Change<'_>, causes: &mut Vec<Cause>) {
    let role = &change.new["roleRef"];
    if role["name"].as_str().unwrap_or_default().is_empty() {
        causes.push(Cause::required("roleRef.name", ""));
    }
    let kinds: &[&str] = if change.resource.namespaced {
        &["Role", "ClusterRole"]
    } else {
        &["ClusterRole"]
    };
    if !kinds.iter().any(|kind| role["kind"] == *kind) {
        let kinds: Vec<String> = kinds.iter().map(|kind| (*kind).to_owned()).collect();
        causes.push(Cause::unsupported("roleRef.kind", &role["kind"], &kinds));
    }
    for (index, subject) in change.new["subjects"]
        .as_array()
        .into_iter()
        .flatten()
        .enumerate()
    {
        if subject["name"].as_str().unwrap_or_default().is_empty() {
            causes.push(Cause::required(format!("subjects[{index}].name"), ""));
        }
        if subject["kind"] == "ServiceAccount" && subject["namespace"].as_str().unwrap_or_default().is_empty()
        {
            causes.push(Cause::required(format!("subjects[{index}].namespace"), ""));
        }
    }
    if change.old.is_some_and(|old| old["roleRef"] != *role) {
        // Shown as Go has it.
        let shown = json!({"APIGroup": role["apiGroup"], "Kind": role["kind"], "Name": role["name"]});
        causes.push(Cause::invalid("roleRef", &shown, IMMUTABLE));
    }
}

fn claim(change: &Change<'_>, causes: &mut Vec<Cause>) {
    let spec = &change.new["spec"];
    if spec["accessModes"].as_array().is_none_or(Vec::is_empty) {
        causes.push(Cause::required(
            "spec.accessModes",
            "at least 1 access mode is required",
        ));
    }
    if spec["resources"]["requests"]["storage"].is_null() {
        causes.push(Cause::required("spec.resources[storage]", ""));
    }
    let fixed = |object: &Value| {
        let mut spec = object["spec"].clone();
        if let Some(fields) = spec.as_object_mut() {
            fields.remove("resources");
            fields.remove("volumeAttributesClassName");
            fields.remove("volumeName");
        }
        spec
    };
    if change.old.is_some_and(|old| fixed(old) != fixed(change.new)) {
        causes.push(Cause::forbidden(
            "spec",
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n",
        ));
    }
}
