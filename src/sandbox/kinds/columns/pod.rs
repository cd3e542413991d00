//! Pods: what one word says of all their containers.

use serde_json::Value;

use super::cell::{at, condition, count, is_true, items, since, size};
use crate::model::clock::Timestamp;
use crate::sandbox::object;

/// What is read from the containers' statuses.
#[derive(Debug, Default)]
struct Seen {
    ready: usize,
    restarts: i64,
    /// When the last restarted container had ended, as RFC 3339: such times compare as texts.
    last_restart: String,
    reason: String,
}

pub(super) fn ready(pod: &Value, _: Timestamp) -> Value {
    let sidecars = items(pod, "/spec/initContainers").filter(|container| is_sidecar(container));
    let total = size(pod, "/spec/containers") + sidecars.count();
    format!("{}/{total}", Seen::of(pod).ready).into()
}

pub(super) fn status(pod: &Value, _: Timestamp) -> Value {
    let phase = at(pod, "/status/phase");
    if object::is_deleting(pod) && !matches!(phase, "Succeeded" | "Failed") {
        return "Terminating".into();
    }
    Seen::of(pod).reason.into()
}

pub(super) fn restarts(pod: &Value, now: Timestamp) -> Value {
    let seen = Seen::of(pod);
    if seen.restarts == 0 || seen.last_restart.is_empty() {
        return seen.restarts.to_string().into();
    }
    let ago = since(&seen.last_restart.into(), now);
    format!("{} ({ago} ago)", seen.restarts).into()
}

pub(super) fn gates(pod: &Value, _: Timestamp) -> Value {
    let total = size(pod, "/spec/readinessGates");
    if total == 0 {
        return "<none>".into();
    }
    let open = items(pod, "/spec/readinessGates").filter(|gate| is_true(pod, at(gate, "/conditionType")));
    format!("{}/{total}", open.count()).into()
}

impl Seen {
    fn of(pod: &Value) -> Self {
        let gated = condition(pod, "PodScheduled").is_some_and(|found| found["reason"] == "SchedulingGated");
        let reason = match at(pod, "/status/reason") {
            _ if gated => "SchedulingGated",
            "" => at(pod, "/status/phase"),
            reason => reason,
        };
        let mut seen = Self {
            reason: reason.to_owned(),
            ..Self::default()
        };
        if !seen.is_initializing(pod) {
            // From now on only those count that stay.
            (seen.restarts, seen.last_restart) = (0, String::new());
            seen.read_containers(pod);
        }
        seen
    }

    /// Whether init containers still run, or one of them failed.
    fn is_initializing(&mut self, pod: &Value) -> bool {
        let sidecar = |status: &Value| {
            items(pod, "/spec/initContainers")
                .any(|container| container["name"] == status["name"] && is_sidecar(container))
        };
        for (index, status) in items(pod, "/status/initContainerStatuses").enumerate() {
            self.count_restarts(status);
            let ended = &status["state"]["terminated"];
            let waits = at(status, "/state/waiting/reason");
            if ended["exitCode"] == 0 {
                continue;
            }
            if status["started"] == true && sidecar(status) {
                self.ready += usize::from(status["ready"] == true);
                continue;
            }
            self.reason = if ended.is_object() {
                format!("Init:{}", end_of(ended))
            } else if !waits.is_empty() && waits != "PodInitializing" {
                format!("Init:{waits}")
            } else {
                format!("Init:{index}/{}", size(pod, "/spec/initContainers"))
            };
            return true;
        }
        false
    }

    fn read_containers(&mut self, pod: &Value) {
        let mut running = false;
        // The first container's word wins.
        for status in items(pod, "/status/containerStatuses").rev() {
            self.count_restarts(status);
            let state = &status["state"];
            let waits = at(state, "/waiting/reason");
            if !waits.is_empty() {
                waits.clone_into(&mut self.reason);
            } else if state["terminated"].is_object() {
                self.reason = end_of(&state["terminated"]);
            } else if status["ready"] == true && state["running"].is_object() {
                running = true;
                self.ready += 1;
            }
        }
        if running && self.reason == "Completed" {
            let word = if is_true(pod, "Ready") {
                "Running"
            } else {
                "NotReady"
            };
            word.clone_into(&mut self.reason);
        }
    }

    fn count_restarts(&mut self, status: &Value) {
        self.restarts += count(status, "/restartCount");
        let ended = at(status, "/lastState/terminated/finishedAt");
        if *ended > *self.last_restart {
            ended.clone_into(&mut self.last_restart);
        }
    }
}

fn is_sidecar(container: &Value) -> bool {
    container["restartPolicy"] == "Always"
}

/// `Error`, `Signal:9`, `ExitCode:1`
fn end_of(terminated: &Value) -> String {
    match (at(terminated, "/reason"), count(terminated, "/signal")) {
        ("", 0) => format!("ExitCode:{}", count(terminated, "/exitCode")),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}
