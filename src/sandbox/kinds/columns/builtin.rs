//! The columns of the built-in kinds that people look at, as upstream has them; descriptions are left out.

use std::collections::BTreeSet;

use serde_json::Value;

use super::cell::{
    at, condition, count, duration, is_true, items, joined, labels, none_if_empty, plain, selector, since,
    size,
};
use super::{Computed, code, number, or, pod, text};
use crate::model::clock::{Timestamp, parse_timestamp};
use crate::sandbox::object;

pub(super) const NAME: Computed = text("Name", "/metadata/name");
pub(super) const AGE: Computed = code("Age", |object, now| {
    since(&object["metadata"]["creationTimestamp"], now).into()
});

/// For kinds that upstream has no columns for, and for those that are left out here.
pub(super) const GENERIC: &[Computed] = &[NAME, text("Created At", "/metadata/creationTimestamp")];
/// For custom kinds without columns.
pub(super) const NAME_AND_AGE: &[Computed] = &[NAME, AGE];
/// Of the answer of `/scale`.
pub(super) const SCALE: &[Computed] = &[
    NAME,
    number("Desired", "/spec/replicas"),
    number("Available", "/status/replicas"),
    AGE,
];

const NONE: &str = "<none>";
const READY_OF_DESIRED: Computed = code("Ready", |object, _| {
    let ready = count(object, "/status/readyReplicas");
    format!("{ready}/{}", count(object, "/spec/replicas")).into()
});
const CONTAINERS: Computed = code("Containers", |object, _| containers(object, "name")).wide();
const IMAGES: Computed = code("Images", |object, _| containers(object, "image")).wide();
const SELECTOR: Computed = code("Selector", |object, _| {
    none_if_empty(selector(&object["spec"]["selector"])).into()
})
.wide();
const BINDINGS: &[Computed] = &[
    NAME,
    code("Role", |object, _| reference(&object["roleRef"]).into()),
    AGE,
    code("Users", |object, _| subjects(object, "User")).wide(),
    code("Groups", |object, _| subjects(object, "Group")).wide(),
    code("ServiceAccounts", |object, _| subjects(object, "ServiceAccount")).wide(),
];
const EVENTS: &[Computed] = &[
    code("Last Seen", |event, now| {
        const TIMES: [&str; 5] = [
            "/series/lastObservedTime",
            "/lastTimestamp",
            "/deprecatedLastTimestamp",
            "/firstTimestamp",
            "/eventTime",
        ];
        since(&first_of(event, &TIMES).into(), now).into()
    }),
    text("Type", "/type"),
    text("Reason", "/reason"),
    code("Object", |event, _| {
        let kind = first_of(event, &["/involvedObject/kind", "/regarding/kind"]).to_lowercase();
        match first_of(event, &["/involvedObject/name", "/regarding/name"]) {
            "" => kind.into(),
            name => format!("{kind}/{name}").into(),
        }
    }),
    code("Message", |event, _| {
        first_of(event, &["/message", "/note"]).trim().into()
    }),
];

/// By resource and group.
const KINDS: &[(&str, &[Computed])] = &[
    (
        "pods",
        &[
            NAME,
            code("Ready", pod::ready),
            code("Status", pod::status),
            code("Restarts", pod::restarts),
            AGE,
            or("IP", "/status/podIPs/0/ip", NONE).wide(),
            or("Node", "/spec/nodeName", NONE).wide(),
            or("Nominated Node", "/status/nominatedNodeName", NONE).wide(),
            code("Readiness Gates", pod::gates).wide(),
        ],
    ),
    (
        "deployments.apps",
        &[
            NAME,
            READY_OF_DESIRED,
            number("Up-to-date", "/status/updatedReplicas"),
            number("Available", "/status/availableReplicas"),
            AGE,
            CONTAINERS,
            IMAGES,
            SELECTOR,
        ],
    ),
    (
        "replicasets.apps",
        &[
            NAME,
            number("Desired", "/spec/replicas"),
            number("Current", "/status/replicas"),
            number("Ready", "/status/readyReplicas"),
            AGE,
            CONTAINERS,
            IMAGES,
            SELECTOR,
        ],
    ),
    (
        "statefulsets.apps",
        &[NAME, READY_OF_DESIRED, AGE, CONTAINERS, IMAGES],
    ),
    (
        "daemonsets.apps",
        &[
            NAME,
            number("Desired", "/status/desiredNumberScheduled"),
            number("Current", "/status/currentNumberScheduled"),
            number("Ready", "/status/numberReady"),
            number("Up-to-date", "/status/updatedNumberScheduled"),
            number("Available", "/status/numberAvailable"),
            code("Node Selector", |object, _| {
                labels(object.pointer("/spec/template/spec/nodeSelector")).into()
            }),
            AGE,
            CONTAINERS,
            IMAGES,
            SELECTOR,
        ],
    ),
    (
        "jobs.batch",
        &[
            NAME,
            code("Status", job_status),
            code("Completions", completions),
            code("Duration", job_duration),
            AGE,
            CONTAINERS,
            IMAGES,
            SELECTOR,
        ],
    ),
    (
        "cronjobs.batch",
        &[
            NAME,
            text("Schedule", "/spec/schedule"),
            or("Timezone", "/spec/timeZone", NONE),
            code("Suspend", |object, _| {
                let suspended = object["spec"]["suspend"] == true;
                if suspended { "True" } else { "False" }.into()
            }),
            code("Active", |object, _| size(object, "/status/active").into()),
            code("Last Schedule", |object, now| {
                match &object["status"]["lastScheduleTime"] {
                    Value::Null => NONE.into(),
                    time => since(time, now).into(),
                }
            }),
            AGE,
            CONTAINERS,
            IMAGES,
            SELECTOR,
        ],
    ),
    (
        "horizontalpodautoscalers.autoscaling",
        &[
            NAME,
            code("Reference", |object, _| {
                reference(&object["spec"]["scaleTargetRef"]).into()
            }),
            code("Targets", targets),
            code("MinPods", |object, _| {
                or_else(&object["spec"]["minReplicas"], "<unset>").into()
            }),
            number("MaxPods", "/spec/maxReplicas"),
            number("Replicas", "/status/currentReplicas"),
            AGE,
        ],
    ),
    (
        "poddisruptionbudgets.policy",
        &[
            NAME,
            code("Min Available", |object, _| {
                or_else(&object["spec"]["minAvailable"], "N/A").into()
            }),
            code("Max Unavailable", |object, _| {
                or_else(&object["spec"]["maxUnavailable"], "N/A").into()
            }),
            number("Allowed Disruptions", "/status/disruptionsAllowed"),
            AGE,
        ],
    ),
    (
        "services",
        &[
            NAME,
            text("Type", "/spec/type"),
            or("Cluster-IP", "/spec/clusterIPs/0", NONE),
            code("External-IP", external_ip),
            code("Port(s)", ports),
            AGE,
            code("Selector", |object, _| {
                labels(object.pointer("/spec/selector")).into()
            })
            .wide(),
        ],
    ),
    (
        "ingresses.networking.k8s.io",
        &[
            NAME,
            or("Class", "/spec/ingressClassName", NONE),
            code("Hosts", hosts),
            code("Address", |object, _| joined(balancers(object), ",").into()),
            code("Ports", |object, _| {
                let secure = size(object, "/spec/tls") > 0;
                if secure { "80, 443" } else { "80" }.into()
            }),
            AGE,
        ],
    ),
    (
        "nodes",
        &[
            NAME,
            code("Status", node_status),
            code("Roles", roles),
            AGE,
            text("Version", "/status/nodeInfo/kubeletVersion"),
            code("Internal-IP", |node, _| address(node, "InternalIP")).wide(),
            code("External-IP", |node, _| address(node, "ExternalIP")).wide(),
            or("OS-Image", "/status/nodeInfo/osImage", "<unknown>").wide(),
            code("Kernel-Version", |node, _| {
                let version = or_else(&node["status"]["nodeInfo"]["kernelVersion"], "<unknown>");
                match at(node, "/status/nodeInfo/architecture") {
                    "" => version.into(),
                    architecture => format!("{version} ({architecture})").into(),
                }
            })
            .wide(),
            or(
                "Container-Runtime",
                "/status/nodeInfo/containerRuntimeVersion",
                "<unknown>",
            )
            .wide(),
        ],
    ),
    ("namespaces", &[NAME, text("Status", "/status/phase"), AGE]),
    (
        "configmaps",
        &[
            NAME,
            code("Data", |object, _| {
                (size(object, "/data") + size(object, "/binaryData")).into()
            }),
            AGE,
        ],
    ),
    (
        "secrets",
        &[
            NAME,
            text("Type", "/type"),
            code("Data", |object, _| size(object, "/data").into()),
            AGE,
        ],
    ),
    ("serviceaccounts", NAME_AND_AGE),
    ("events", EVENTS),
    ("events.events.k8s.io", EVENTS),
    (
        "resourcequotas",
        &[
            NAME,
            code("Request", |object, _| quota(object, false)),
            code("Limit", |object, _| quota(object, true)),
            AGE,
        ],
    ),
    ("rolebindings.rbac.authorization.k8s.io", BINDINGS),
    ("clusterrolebindings.rbac.authorization.k8s.io", BINDINGS),
    (
        "leases.coordination.k8s.io",
        &[NAME, text("Holder", "/spec/holderIdentity"), AGE],
    ),
    (
        "priorityclasses.scheduling.k8s.io",
        &[
            NAME,
            number("Value", "/value"),
            code("Global-Default", |object, _| {
                (object["globalDefault"] == true).into()
            }),
            AGE,
            text("PreemptionPolicy", "/preemptionPolicy"),
        ],
    ),
    (
        "customresourcedefinitions.apiextensions.k8s.io",
        &[
            NAME,
            text("Scope", "/spec/scope"),
            code("Versions", served_versions),
            text("Created At", "/metadata/creationTimestamp"),
        ],
    ),
];

/// By `deployments.apps`.
pub(super) fn of(resource: &str) -> &'static [Computed] {
    let found = KINDS.iter().find(|(kind, _)| *kind == resource);
    found.map_or(GENERIC, |(_, columns)| columns)
}

/// A field of all containers of a template.
fn containers(object: &Value, field: &str) -> Value {
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
fn reference(to: &Value) -> String {
    format!("{}/{}", at(to, "/kind"), at(to, "/name"))
}

fn or_else(value: &Value, instead: &str) -> String {
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

fn job_status(job: &Value, _: Timestamp) -> Value {
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

fn completions(job: &Value, _: Timestamp) -> Value {
    let done = count(job, "/status/succeeded");
    match (&job["spec"]["completions"], count(job, "/spec/parallelism")) {
        (Value::Null, parallelism @ 2..) => format!("{done}/1 of {parallelism}"),
        (Value::Null, _) => format!("{done}/1"),
        (completions, _) => format!("{done}/{completions}"),
    }
    .into()
}

fn job_duration(job: &Value, now: Timestamp) -> Value {
    let time = |field: &str| parse_timestamp(job["status"][field].as_str()?).ok();
    let end = time("completionTime").unwrap_or(now);
    time("startTime").map_or_else(
        || "".into(),
        |start| duration(end.duration_since(start).as_secs()).into(),
    )
}

/// `cpu: 30%/80%`: what is, and what should be, of resources.
fn targets(autoscaler: &Value, _: Timestamp) -> Value {
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

fn external_ip(service: &Value, _: Timestamp) -> Value {
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

/// Addresses or names of load balancers.
fn balancers(object: &Value) -> BTreeSet<String> {
    items(object, "/status/loadBalancer/ingress")
        .filter_map(|ingress| ingress["ip"].as_str().or(ingress["hostname"].as_str()))
        .map(str::to_owned)
        .collect()
}

fn ports(service: &Value, _: Timestamp) -> Value {
    let ports = items(service, "/spec/ports").map(|port| {
        let (number, protocol) = (plain(&port["port"]), at(port, "/protocol"));
        match port["nodePort"].as_i64() {
            Some(node_port @ 1..) => format!("{number}:{node_port}/{protocol}"),
            _ => format!("{number}/{protocol}"),
        }
    });
    none_if_empty(joined(ports, ",")).into()
}

fn hosts(ingress: &Value, _: Timestamp) -> Value {
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

fn node_status(node: &Value, _: Timestamp) -> Value {
    let ready = match condition(node, "Ready") {
        None => "Unknown",
        Some(ready) if ready["status"] == "True" => "Ready",
        Some(_) => "NotReady",
    };
    let cordoned = node["spec"]["unschedulable"] == true;
    format!("{ready}{}", if cordoned { ",SchedulingDisabled" } else { "" }).into()
}

fn roles(node: &Value, _: Timestamp) -> Value {
    let labels = node["metadata"]["labels"].as_object().into_iter().flatten();
    let roles = labels.filter_map(|(key, value)| match key.as_str() {
        "kubernetes.io/role" => value.as_str(),
        key => key.strip_prefix("node-role.kubernetes.io/"),
    });
    let roles: BTreeSet<&str> = roles.filter(|role| !role.is_empty()).collect();
    none_if_empty(joined(roles, ",")).into()
}

fn address(node: &Value, kind: &str) -> Value {
    let found = items(node, "/status/addresses").find(|address| address["type"] == *kind);
    found.map_or_else(|| NONE.into(), |address| address["address"].clone())
}

/// `requests.cpu: 1/4, pods: 3/10`, of limits or of all else.
fn quota(object: &Value, limits: bool) -> Value {
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

fn subjects(binding: &Value, kind: &str) -> Value {
    let subjects = items(binding, "/subjects").filter(|subject| subject["kind"] == *kind);
    let names = subjects.map(|subject| match at(subject, "/namespace") {
        "" => at(subject, "/name").to_owned(),
        namespace => format!("{namespace}/{}", at(subject, "/name")),
    });
    joined(names, ", ").into()
}

fn served_versions(definition: &Value, _: Timestamp) -> Value {
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
