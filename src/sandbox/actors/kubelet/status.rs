//! A pod's status, as its kubelet writes it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::super::conditions;
use super::life::Moment;
use crate::model::clock::{self, GoDuration, Timestamp};
use crate::model::hash::Hash;
use crate::sandbox::object;

/// What the kubelet knows of a pod besides the pod.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) host: &'a str,
    pub(super) ip: &'a str,
    pub(super) now: Timestamp,
}

/// The status at a moment. What it said of the past stays.
pub(super) fn at(pod: &Value, moment: Moment, place: Place<'_>) -> Value {
    let mut status = match &pod["status"] {
        Value::Object(fields) => fields.clone(),
        _ => Map::new(),
    };
    let mut set = |field: &str, value: Value| {
        status.insert(field.to_owned(), value);
    };
    set("phase", phase(moment).into());
    set("hostIP", place.host.into());
    set("hostIPs", json!([{"ip": place.host}]));
    if !matches!(moment, Moment::Creating) {
        let ip = if pod["spec"]["hostNetwork"] == true {
            place.host
        } else {
            place.ip
        };
        set("podIP", ip.into());
        set("podIPs", json!([{"ip": ip}]));
    }
    if pod["status"]["startTime"].is_null() {
        set("startTime", clock::format_seconds(place.now).into());
    }
    if let Some(generation) = pod["metadata"]["generation"].as_i64() {
        set("observedGeneration", generation.into());
    }
    let (containers, init) = (
        containers(pod, moment, place.now),
        init_containers(pod, moment, place.now),
    );
    set(
        "conditions",
        conditions_at(pod, moment, &containers, place.now).into(),
    );
    set("containerStatuses", containers.into());
    if !init.is_empty() {
        set("initContainerStatuses", init.into());
    }
    Value::Object(status)
}

fn phase(moment: Moment) -> &'static str {
    match moment {
        Moment::Creating | Moment::ImagePullBackOff => "Pending",
        Moment::Running { .. } | Moment::BackOff { .. } => "Running",
        Moment::Ended { exit_code: 0 } => "Succeeded",
        Moment::Ended { .. } => "Failed",
    }
}

fn conditions_at(pod: &Value, moment: Moment, containers: &[Value], now: Timestamp) -> Vec<Value> {
    let ended = match moment {
        Moment::Ended { exit_code: 0 } => Some("PodCompleted"),
        Moment::Ended { .. } => Some("PodFailed"),
        _ => None,
    };
    let unready: Vec<&str> = containers
        .iter()
        .filter(|container| container["ready"] != true)
        .filter_map(|container| container["name"].as_str())
        .collect();
    let message = format!("containers with unready status: [{}]", unready.join(" "));
    let containers_ready = match ended {
        Some(reason) => ("False", reason, ""),
        None if unready.is_empty() => ("True", "", ""),
        None => ("False", "ContainersNotReady", message.as_str()),
    };
    let gate = missing_gate(pod)
        .map(|gate| format!("corresponding condition of pod readiness gate \"{gate}\" does not exist."));
    let ready = match &gate {
        Some(gate) if containers_ready.0 == "True" => ("False", "ReadinessGatesNotReady", gate.as_str()),
        _ => containers_ready,
    };
    let sandboxed = !matches!(moment, Moment::Creating | Moment::Ended { .. });
    let initialized = match moment {
        Moment::Ended { exit_code: 0 } => "PodCompleted",
        _ => "",
    };
    let mut all = conditions::of(pod).to_vec();
    let sandboxed = if sandboxed { "True" } else { "False" };
    let named = |kind, (status, reason, message): (_, _, _)| (kind, status, reason, message);
    let wanted = [
        ("PodReadyToStartContainers", sandboxed, "", ""),
        ("Initialized", "True", initialized, ""),
        named("Ready", ready),
        named("ContainersReady", containers_ready),
        ("PodScheduled", "True", "", ""),
    ];
    conditions::put_all(&mut all, wanted, now);
    all
}

/// A condition that somebody else has to make true before the pod is ready.
fn missing_gate(pod: &Value) -> Option<&str> {
    let gates = pod["spec"]["readinessGates"].as_array()?;
    let mut kinds = gates.iter().filter_map(|gate| gate["conditionType"].as_str());
    kinds.find(|kind| !conditions::is_true(pod, kind))
}

fn containers(pod: &Value, moment: Moment, now: Timestamp) -> Vec<Value> {
    let specs = pod["spec"]["containers"].as_array().into_iter().flatten();
    let all = specs.map(|spec| container(pod, "containerStatuses", spec, moment, now));
    sorted(all)
}

/// They are done once the others run; sidecars go on.
fn init_containers(pod: &Value, moment: Moment, now: Timestamp) -> Vec<Value> {
    let specs = pod["spec"]["initContainers"].as_array().into_iter().flatten();
    let all = specs.map(|spec| {
        let own = match moment {
            Moment::Creating | Moment::ImagePullBackOff => Moment::Creating,
            Moment::Ended { .. } => Moment::Ended { exit_code: 0 },
            _ if spec["restartPolicy"] == "Always" => Moment::Running {
                ready: true,
                restarts: 0,
                last_exit: None,
            },
            _ => Moment::Ended { exit_code: 0 },
        };
        let mut status = container(pod, "initContainerStatuses", spec, own, now);
        if matches!(own, Moment::Ended { .. }) {
            status["ready"] = true.into();
        }
        status
    });
    all.collect()
}

fn sorted(statuses: impl Iterator<Item = Value>) -> Vec<Value> {
    let by_name: BTreeMap<String, Value> = statuses
        .map(|status| (status["name"].as_str().unwrap_or_default().to_owned(), status))
        .collect();
    by_name.into_values().collect()
}

fn container(pod: &Value, list: &str, spec: &Value, moment: Moment, now: Timestamp) -> Value {
    let name = spec["name"].as_str().unwrap_or_default();
    let image = spec["image"].as_str().unwrap_or_default();
    let old = pod["status"][list]
        .as_array()
        .and_then(|statuses| statuses.iter().find(|status| status["name"] == name))
        .unwrap_or(&Value::Null);
    let (restarts, last_exit) = match moment {
        Moment::Running {
            restarts, last_exit, ..
        } => (restarts, last_exit),
        Moment::BackOff {
            restarts, exit_code, ..
        } => (restarts, Some(exit_code)),
        _ => (old["restartCount"].as_i64().unwrap_or(0), None),
    };
    let id = format!(
        "containerd://{}",
        Hash::of(&json!([object::uid(pod), name, restarts])).short(32)
    );
    let state = state(pod, name, image, (moment, old, restarts), &id, now);
    let mut status = json!({
        "name": name, "image": image, "imageID": "", "restartCount": restarts,
        "ready": matches!(moment, Moment::Running { ready: true, .. }),
        "started": matches!(moment, Moment::Running { .. }),
        "state": state, "lastState": {},
    });
    if !matches!(moment, Moment::Creating | Moment::ImagePullBackOff) {
        status["imageID"] = format!("{image}@sha256:{}", Hash::of_bytes(image.as_bytes())).into();
        status["containerID"] = id.into();
    }
    if let Some(code) = last_exit {
        status["lastState"] = match (&old["state"]["terminated"], &old["lastState"]) {
            (Value::Null, before) if old["restartCount"] == restarts && before.is_object() => before.clone(),
            (Value::Null, _) => terminated(
                &old["state"]["running"]["startedAt"],
                code,
                old["containerID"].as_str(),
                now,
            ),
            (ended, _) => json!({"terminated": ended}),
        };
    }
    status
}

/// A state that lasts keeps what it said.
fn state(
    pod: &Value,
    name: &str,
    image: &str,
    (moment, old, restarts): (Moment, &Value, i64),
    id: &str,
    now: Timestamp,
) -> Value {
    let kept = |kind: &str| {
        let lasts = old["restartCount"] == restarts && old["state"].get(kind).is_some();
        lasts.then(|| old["state"].clone())
    };
    match moment {
        Moment::Creating => {
            let init = pod["spec"]["initContainers"]
                .as_array()
                .is_some_and(|all| !all.is_empty());
            let reason = if init {
                "PodInitializing"
            } else {
                "ContainerCreating"
            };
            json!({"waiting": {"reason": reason}})
        }
        Moment::ImagePullBackOff => json!({"waiting": {
            "reason": "ImagePullBackOff",
            "message": format!("Back-off pulling image \"{image}\""),
        }}),
        Moment::Running { .. } => {
            kept("running").unwrap_or_else(|| json!({"running": {"startedAt": clock::format_seconds(now)}}))
        }
        Moment::BackOff { wait, .. } => json!({"waiting": {
            "reason": "CrashLoopBackOff",
            "message": format!(
                "back-off {} restarting failed container={name} pod={}_{}({})",
                readable(wait), object::name(pod), object::meta(pod, "namespace"), object::uid(pod),
            ),
        }}),
        Moment::Ended { exit_code } => kept("terminated")
            .unwrap_or_else(|| terminated(&old["state"]["running"]["startedAt"], exit_code, Some(id), now)),
    }
}

/// Go writes `5m0s`.
fn readable(wait: Duration) -> String {
    if wait.as_secs() >= 60 {
        return format!("{}m{}s", wait.as_secs() / 60, wait.as_secs() % 60);
    }
    GoDuration(wait).to_string()
}

fn terminated(started: &Value, exit_code: i64, id: Option<&str>, now: Timestamp) -> Value {
    let now = clock::format_seconds(now);
    let started = started.as_str().unwrap_or(&now);
    json!({"terminated": {
        "exitCode": exit_code,
        "reason": if exit_code == 0 { "Completed" } else { "Error" },
        "startedAt": started, "finishedAt": now,
        "containerID": id.unwrap_or_default(),
    }})
}
