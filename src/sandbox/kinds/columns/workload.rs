//! Kinds that run pods, and those that scale and protect them.

use serde_json::Value;

use super::cell::{
    at, between, count, duration, few, is_true, items, labels, none_if_empty, or, plain, selector, since,
    size,
};
use super::{AGE, Computed, NAME, integer, text, typed, wide};
use crate::model::clock::Timestamp;
use crate::sandbox::object;

const CONTAINERS: Computed = wide("Containers", |object, _| {
    containers(object, "/spec/template", "name")
});
const IMAGES: Computed = wide("Images", |object, _| {
    containers(object, "/spec/template", "image")
});
const SELECTOR: Computed = wide("Selector", |object, _| {
    none_if_empty(selector(object.pointer("/spec/selector"))).into()
});
const DESIRED: Computed = integer("Desired", |object, _| count(object, "/spec/replicas").into());
const CURRENT: Computed = integer("Current", |object, _| count(object, "/status/replicas").into());
const READY: Computed = integer("Ready", |object, _| count(object, "/status/readyReplicas").into());
const READY_OF_DESIRED: Computed = text("Ready", |object, _| {
    let (ready, desired) = (
        count(object, "/status/readyReplicas"),
        count(object, "/spec/replicas"),
    );
    format!("{ready}/{desired}").into()
});

pub(super) const DEPLOYMENTS: &[Computed] = &[
    NAME,
    READY_OF_DESIRED,
    text("Up-to-date", |object, _| {
        count(object, "/status/updatedReplicas").into()
    }),
    text("Available", |object, _| {
        count(object, "/status/availableReplicas").into()
    }),
    AGE,
    CONTAINERS,
    IMAGES,
    wide("Selector", |object, _| {
        selector(object.pointer("/spec/selector")).into()
    }),
];

pub(super) const REPLICA_SETS: &[Computed] =
    &[NAME, DESIRED, CURRENT, READY, AGE, CONTAINERS, IMAGES, SELECTOR];

pub(super) const REPLICATION_CONTROLLERS: &[Computed] = &[
    NAME,
    DESIRED,
    CURRENT,
    READY,
    AGE,
    CONTAINERS,
    IMAGES,
    wide("Selector", |object, _| {
        labels(object.pointer("/spec/selector")).into()
    }),
];

pub(super) const STATEFUL_SETS: &[Computed] = &[NAME, READY_OF_DESIRED, AGE, CONTAINERS, IMAGES];

pub(super) const DAEMON_SETS: &[Computed] = &[
    NAME,
    integer("Desired", |object, _| {
        count(object, "/status/desiredNumberScheduled").into()
    }),
    integer("Current", |object, _| {
        count(object, "/status/currentNumberScheduled").into()
    }),
    integer("Ready", |object, _| count(object, "/status/numberReady").into()),
    integer("Up-to-date", |object, _| {
        count(object, "/status/updatedNumberScheduled").into()
    }),
    integer("Available", |object, _| {
        count(object, "/status/numberAvailable").into()
    }),
    text("Node Selector", |object, _| {
        labels(object.pointer("/spec/template/spec/nodeSelector")).into()
    }),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];

pub(super) const CONTROLLER_REVISIONS: &[Computed] = &[
    NAME,
    text("Controller", |object, _| {
        let owner = items(object, "/metadata/ownerReferences").find(|owner| owner["controller"] == true);
        owner.map_or_else(
            || "<none>".into(),
            |owner| {
                let kind = at(owner, "/kind").to_lowercase();
                let kind = match at(owner, "/apiVersion").split_once('/') {
                    Some((group, _)) => format!("{kind}.{group}"),
                    None => kind,
                };
                format!("{kind}/{}", at(owner, "/name")).into()
            },
        )
    }),
    text("Revision", |object, _| count(object, "/revision").into()),
    AGE,
];

pub(super) const POD_TEMPLATES: &[Computed] = &[
    NAME,
    text("Containers", |object, _| containers(object, "/template", "name")),
    text("Images", |object, _| containers(object, "/template", "image")),
    text("Pod Labels", |object, _| {
        labels(object.pointer("/template/metadata/labels")).into()
    }),
];

pub(super) const JOBS: &[Computed] = &[
    NAME,
    text("Status", job_status),
    text("Completions", |job, _| {
        let done = count(job, "/status/succeeded");
        let of = match (
            job.pointer("/spec/completions").and_then(Value::as_i64),
            count(job, "/spec/parallelism"),
        ) {
            (Some(completions), _) => completions.to_string(),
            (None, parallelism @ 2..) => format!("1 of {parallelism}"),
            (None, _) => "1".to_owned(),
        };
        format!("{done}/{of}").into()
    }),
    text("Duration", |job, now| {
        let status = &job["status"];
        match (
            status["startTime"].is_string(),
            between(&status["startTime"], &status["completionTime"]),
        ) {
            (false, _) => "".into(),
            (true, None) => since(&status["startTime"], now).into(),
            (true, Some(seconds)) => duration(seconds).into(),
        }
    }),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];

fn job_status(job: &Value, _: Timestamp) -> Value {
    let found = |kinds: &[(&'static str, &'static str)]| {
        let mut kinds = kinds.iter();
        kinds.find(|(kind, _)| is_true(job, kind)).map(|(_, word)| *word)
    };
    found(&[("Complete", "Complete"), ("Failed", "Failed")])
        .or_else(|| object::is_deleting(job).then_some("Terminating"))
        .or_else(|| {
            found(&[
                ("Suspended", "Suspended"),
                ("FailureTarget", "FailureTarget"),
                ("SuccessCriteriaMet", "SuccessCriteriaMet"),
            ])
        })
        .unwrap_or("Running")
        .into()
}

pub(super) const CRON_JOBS: &[Computed] = &[
    NAME,
    text("Schedule", |object, _| at(object, "/spec/schedule").into()),
    text("Timezone", |object, _| or(object, "/spec/timeZone", "<none>")),
    // A text in upstream too, though the column is called a boolean.
    typed(
        "Suspend",
        "boolean",
        |object, _| match object["spec"]["suspend"].as_bool() {
            Some(true) => "True".into(),
            Some(false) => "False".into(),
            None => "<unset>".into(),
        },
    ),
    integer("Active", |object, _| size(object, "/status/active").into()),
    text("Last Schedule", |object, now| {
        match &object["status"]["lastScheduleTime"] {
            Value::Null => "<none>".into(),
            time => since(time, now).into(),
        }
    }),
    AGE,
    wide("Containers", |object, _| {
        containers(object, "/spec/jobTemplate/spec/template", "name")
    }),
    wide("Images", |object, _| {
        containers(object, "/spec/jobTemplate/spec/template", "image")
    }),
    wide("Selector", |object, _| {
        match object.pointer("/spec/jobTemplate/spec/selector") {
            // No selector selects nothing, and is written so.
            None => "<none>".into(),
            some => none_if_empty(selector(some)).into(),
        }
    }),
];

pub(super) const AUTOSCALERS: &[Computed] = &[
    NAME,
    text("Reference", |object, _| {
        let target = &object["spec"]["scaleTargetRef"];
        format!("{}/{}", at(target, "/kind"), at(target, "/name")).into()
    }),
    text("Targets", |object, _| {
        let status = &object["status"]["currentMetrics"];
        let targets: Vec<String> = items(object, "/spec/metrics")
            .enumerate()
            .map(|(index, metric)| metric_target(metric, &status[index]))
            .collect();
        none_if_empty(few(&targets, 2, ", ")).into()
    }),
    text("MinPods", |object, _| match &object["spec"]["minReplicas"] {
        Value::Null => "<unset>".into(),
        number => plain(number).into(),
    }),
    text("MaxPods", |object, _| count(object, "/spec/maxReplicas").into()),
    text("Replicas", |object, _| {
        count(object, "/status/currentReplicas").into()
    }),
    AGE,
];

/// `cpu: 30%/80%`: what is, and what should be.
fn metric_target(metric: &Value, status: &Value) -> String {
    let (source, named) = match at(metric, "/type") {
        "Resource" => ("resource", true),
        "ContainerResource" => ("containerResource", true),
        "Pods" => ("pods", false),
        "Object" => ("object", false),
        "External" => ("external", false),
        _ => return "<unknown type>".to_owned(),
    };
    let target = &metric[source]["target"];
    let current = &status[source]["current"];
    let of = |field: &str, sign: &str, instead: &str| {
        let write = |value: &Value| match value {
            Value::Null => None,
            some => Some(format!("{}{sign}", plain(some))),
        };
        let current = write(&current[field]).unwrap_or_else(|| "<unknown>".to_owned());
        let target = write(&target[field]).unwrap_or_else(|| instead.to_owned());
        format!("{current}/{target}")
    };
    let average = target["averageValue"] != Value::Null;
    match (named, average) {
        (true, true) => format!(
            "{}: {}",
            at(metric, &format!("/{source}/name")),
            of("averageValue", "", "")
        ),
        (true, false) => {
            let name = at(metric, &format!("/{source}/name"));
            format!("{name}: {}", of("averageUtilization", "%", "<auto>"))
        }
        (false, true) if source == "pods" => of("averageValue", "", ""),
        (false, true) => format!("{} (avg)", of("averageValue", "", "")),
        (false, false) => of("value", "", ""),
    }
}

pub(super) const BUDGETS: &[Computed] = &[
    NAME,
    text("Min Available", |object, _| {
        bound(&object["spec"]["minAvailable"])
    }),
    text("Max Unavailable", |object, _| {
        bound(&object["spec"]["maxUnavailable"])
    }),
    integer("Allowed Disruptions", |object, _| {
        count(object, "/status/disruptionsAllowed").into()
    }),
    AGE,
];

fn bound(value: &Value) -> Value {
    match value {
        Value::Null => "N/A".into(),
        some => plain(some).into(),
    }
}

pub(super) const SCALE: &[Computed] = &[
    NAME,
    integer("Desired", |object, _| count(object, "/spec/replicas").into()),
    integer("Available", |object, _| count(object, "/status/replicas").into()),
    AGE,
];

/// A field of all containers of a template.
fn containers(object: &Value, template: &str, field: &str) -> Value {
    let template = object.pointer(template).unwrap_or(&Value::Null);
    let all: Vec<&str> = items(template, "/spec/containers")
        .map(|container| container[field].as_str().unwrap_or_default())
        .collect();
    all.join(",").into()
}
