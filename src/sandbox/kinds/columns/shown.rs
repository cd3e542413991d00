//! Cells of built-in kinds that take more than a pointer.

use std::collections::BTreeSet;

use serde_json::Value;

use super::cell::{
    at, condition, count, duration, is_true, items, joined, labels, none_if_empty, plain, selector, since,
    size,
};
use crate::model::clock::{Timestamp, parse_timestamp};
use crate::sandbox::object;

pub(super) const NONE: &str = "<none>";

pub(super) fn age(object: &Value, now: Timestamp) -> Value {
    since(&object["metadata"]["creationTimestamp"], now).into()
}

pub(super) fn ready_of_desired(object: &Value, _: Timestamp) -> Value {
    let ready = count(object, "/status/readyReplicas");
    format!("{ready}/{}", count(object, "/spec/replicas")).into()
}

pub(super) fn selected(object: &Value, _: Timestamp) -> Value {
    none_if_empty(selector(&object["spec"]["selector"])).into()
}

pub(super) fn label_selected(object: &Value, _: Timestamp) -> Value {
    labels(object.pointer("/spec/selector")).into()
}

pub(super) fn data(object: &Value, _: Timestamp) -> Value {
    (size(object, "/data") + size(object, "/binaryData")).into()
}

pub(super) fn last_seen(event: &Value, now: Timestamp) -> Value {
    const TIMES: [&str; 5] = [
        "/series/lastObservedTime",
        "/lastTimestamp",
        "/deprecatedLastTimestamp",
        "/firstTimestamp",
        "/eventTime",
    ];
    since(&first_of(event, &TIMES).into(), now).into()
}

pub(super) fn event_about(event: &Value, _: Timestamp) -> Value {
    let kind = first_of(event, &["/involvedObject/kind", "/regarding/kind"]).to_lowercase();
    match first_of(event, &["/involvedObject/name", "/regarding/name"]) {
        "" => kind.into(),
        name => format!("{kind}/{name}").into(),
    }
}

pub(super) fn message(event: &Value, _: Timestamp) -> Value {
    first_of(event, &["/message", "/note"]).trim().into()
}

pub(super) fn last_schedule(cron_job: &Value, now: Timestamp) -> Value {
    match &cron_job["status"]["lastScheduleTime"] {
        Value::Null => NONE.into(),
        time => since(time, now).into(),
    }
}

pub(super) fn kernel(node: &Value, _: Timestamp) -> Value {
    let version = or_else(&node["status"]["nodeInfo"]["kernelVersion"], "<unknown>");
    match at(node, "/status/nodeInfo/architecture") {
        "" => version.into(),
        architecture => format!("{version} ({architecture})").into(),
    }
}

/// A field of all containers of a template.
pub(super) fn containers(object: &Value, field: &str) -> Value {
    let templates = [
        "/spec/template/spec/containers",
        "/spec/jobTemplate/spec/template/spec/containers",
    ];
    let all = templates.into_iter().flat_map(|template| items(object, template));
    joined(
        all.map(|container| container[field].as_str().unwrap_or_default()),
        ",",
    )
    .into()
}

/// `Deployment/web`
pub(super) fn reference(to: &Value) -> String {
    format!("{}/{}", at(to, "/kind"), at(to, "/name"))
}

pub(super) fn or_else(value: &Value, instead: &str) -> String {
    if value.is_null() {
        instead.to_owned()
    } else {
        plain(value)
    }
}

/// The first text that is there: events have two shapes, by their group.
fn first_of<'a>(object: &'a Value, pointers: &[&str]) -> &'a str {
    let mut texts = pointers.iter().map(|pointer| at(object, pointer));
    texts.find(|text| !text.is_empty()).unwrap_or_default()
}

pub(super) fn job_status(job: &Value, _: Timestamp) -> Value {
    const CONDITIONS: [&str; 5] = [
        "Complete",
        "Failed",
        "Suspended",
        "FailureTarget",
        "SuccessCriteriaMet",
    ];
    let found = CONDITIONS.into_iter().find(|kind| is_true(job, kind));
    match found {
        Some(ended @ ("Complete" | "Failed")) => ended,
        _ if object::is_deleting(job) => "Terminating",
        other => other.unwrap_or("Running"),
    }
    .into()
}

pub(super) fn completions(job: &Value, _: Timestamp) -> Value {
    let done = count(job, "/status/succeeded");
    match (&job["spec"]["completions"], count(job, "/spec/parallelism")) {
        (Value::Null, parallelism @ 2..) => format!("{done}/1 of {parallelism}"),
        (Value::Null, _) => format!("{done}/1"),
        (completions, _) => format!("{done}/{completions}"),
    }
    .into()
}

pub(super) fn job_duration(job: &Value, now: Timestamp) -> Value {
    let time = |field: &str| parse_timestamp(job["status"][field].as_str()?).ok();
    let end = time("completionTime").unwrap_or(now);
    time("startTime").map_or_else(
        || "".into(),
        |start| duration(end.duration_since(start).as_secs()).into(),
    )
}

/// `cpu: 30%/80%`: what is, and what should be, of resources.
pub(super) fn targets(autoscaler: &Value, _: Timestamp) -> Value {
    let target = |(index, metric): (usize, &Value)| {
        let (name, target) = (at(metric, "/resource/name"), &metric["resource"]["target"]);
        if name.is_empty() {
            return "<unknown>".to_owned();
        }
        let current = &autoscaler["status"]["currentMetrics"][index]["resource"]["current"];
        let (field, sign) = match &target["averageValue"] {
            Value::Null => ("averageUtilization", "%"),
            _ => ("averageValue", ""),
        };
        let current = match &current[field] {
            Value::Null => "<unknown>".to_owned(),
            value => format!("{}{sign}", plain(value)),
        };
        format!("{name}: {current}/{}{sign}", or_else(&target[field], "<auto>"))
    };
    let targets = items(autoscaler, "/spec/metrics").enumerate().map(target);
    none_if_empty(joined(targets, ", ")).into()
}

pub(super) fn external_ip(service: &Value, _: Timestamp) -> Value {
    let own = items(service, "/spec/externalIPs").map(plain);
    match at(service, "/spec/type") {
        "LoadBalancer" => match joined(balancers(service).into_iter().chain(own), ",") {
            none if none.is_empty() => "<pending>".into(),
            all => all.into(),
        },
        "ExternalName" => at(service, "/spec/externalName").into(),
        _ => none_if_empty(joined(own, ",")).into(),
    }
}

pub(super) fn balancer_addresses(object: &Value, _: Timestamp) -> Value {
    joined(balancers(object), ",").into()
}

/// Addresses or names of load balancers.
fn balancers(object: &Value) -> BTreeSet<String> {
    items(object, "/status/loadBalancer/ingress")
        .filter_map(|ingress| ingress["ip"].as_str().or(ingress["hostname"].as_str()))
        .map(str::to_owned)
        .collect()
}

pub(super) fn ports(service: &Value, _: Timestamp) -> Value {
    let ports = items(service, "/spec/ports").map(|port| {
        let (number, protocol) = (plain(&port["port"]), at(port, "/protocol"));
        match port["nodePort"].as_i64() {
            Some(node_port @ 1..) => format!("{number}:{node_port}/{protocol}"),
            _ => format!("{number}/{protocol}"),
        }
    });
    none_if_empty(joined(ports, ",")).into()
}

pub(super) fn hosts(ingress: &Value, _: Timestamp) -> Value {
    let hosts = items(ingress, "/spec/rules").map(|rule| at(rule, "/host"));
    let hosts: Vec<&str> = hosts.filter(|host| !host.is_empty()).collect();
    match hosts.as_slice() {
        [] => "*".into(),
        [one, two, three, more @ ..] if !more.is_empty() => {
            format!("{one},{two},{three} + {} more...", more.len()).into()
        }
        all => all.join(",").into(),
    }
}

pub(super) fn node_status(node: &Value, _: Timestamp) -> Value {
    let ready = match condition(node, "Ready") {
        None => "Unknown",
        Some(ready) if ready["status"] == "True" => "Ready",
        Some(_) => "NotReady",
    };
    let cordoned = node["spec"]["unschedulable"] == true;
    format!("{ready}{}", if cordoned { ",SchedulingDisabled" } else { "" }).into()
}

pub(super) fn roles(node: &Value, _: Timestamp) -> Value {
    let labels = node["metadata"]["labels"].as_object().into_iter().flatten();
    let roles = labels.filter_map(|(key, value)| match key.as_str() {
        "kubernetes.io/role" => value.as_str(),
        key => key.strip_prefix("node-role.kubernetes.io/"),
    });
    let roles: BTreeSet<&str> = roles.filter(|role| !role.is_empty()).collect();
    none_if_empty(joined(roles, ",")).into()
}

pub(super) fn address(node: &Value, kind: &str) -> Value {
    let found = items(node, "/status/addresses").find(|address| address["type"] == *kind);
    found.map_or_else(|| NONE.into(), |address| address["address"].clone())
}

/// `requests.cpu: 1/4, pods: 3/10`, of limits or of all else.
pub(super) fn quota(object: &Value, limits: bool) -> Value {
    let hard = object.pointer("/status/hard").and_then(Value::as_object);
    let parts = hard
        .into_iter()
        .flatten()
        .filter(|(name, _)| name.starts_with("limits.") == limits);
    let parts = parts.map(|(name, hard)| {
        let used = object["status"]["used"][name].as_str().unwrap_or("0");
        format!("{name}: {used}/{}", plain(hard))
    });
    joined(parts, ", ").into()
}

pub(super) fn subjects(binding: &Value, kind: &str) -> Value {
    let subjects = items(binding, "/subjects").filter(|subject| subject["kind"] == *kind);
    let names = subjects.map(|subject| match at(subject, "/namespace") {
        "" => at(subject, "/name").to_owned(),
        namespace => format!("{namespace}/{}", at(subject, "/name")),
    });
    joined(names, ", ").into()
}

pub(super) fn served_versions(definition: &Value, _: Timestamp) -> Value {
    let served = items(definition, "/spec/versions").filter(|version| version["served"] == true);
    let names: BTreeSet<String> = served
        .map(|version| {
            let stored = version["storage"] == true;
            format!(
                "{}{}",
                at(version, "/name"),
                if stored { "(storage)" } else { "" }
            )
        })
        .collect();
    joined(names, ",").into()
}
