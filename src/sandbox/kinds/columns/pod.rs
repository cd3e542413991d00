//! Pods: what one word says of all their containers.

use serde_json::Value;

use super::cell::{at, condition, count, is_true, items, or, size};
use super::{AGE, Computed, NAME, cell, text, wide};
use crate::model::clock::Timestamp;
use crate::sandbox::object;

pub(super) const PODS: &[Computed] = &[
    NAME,
    text("Ready", |pod, _| {
        let seen = Seen::of(pod);
        format!("{}/{}", seen.ready, seen.total).into()
    }),
    text("Status", |pod, _| Seen::of(pod).reason.into()),
    text("Restarts", restarts),
    AGE,
    wide("IP", |pod, _| or(pod, "/status/podIPs/0/ip", "<none>")),
    wide("Node", |pod, _| or(pod, "/spec/nodeName", "<none>")),
    wide("Nominated Node", |pod, _| {
        or(pod, "/status/nominatedNodeName", "<none>")
    }),
    wide("Readiness Gates", gates),
];

/// What is read from the containers' statuses.
#[derive(Debug, Default)]
struct Seen {
    ready: usize,
    total: usize,
    restarts: i64,
    /// When the last restarted container had ended, as RFC 3339: such times compare as texts.
    last_restart: String,
    reason: String,
}

impl Seen {
    fn of(pod: &Value) -> Self {
        let phase = at(pod, "/status/phase");
        let sidecars = items(pod, "/spec/initContainers").filter(|container| is_sidecar(container));
        let mut seen = Self {
            total: size(pod, "/spec/containers") + sidecars.count(),
            reason: match at(pod, "/status/reason") {
                "" => phase.to_owned(),
                reason => reason.to_owned(),
            },
            ..Self::default()
        };
        if condition(pod, "PodScheduled").is_some_and(|found| found["reason"] == "SchedulingGated") {
            "SchedulingGated".clone_into(&mut seen.reason);
        }
        let mut of_sidecars = Self::default();
        let initializing = seen.read_init_containers(pod, &mut of_sidecars);
        if !initializing || is_true(pod, "Initialized") {
            seen.restarts = of_sidecars.restarts;
            seen.last_restart = of_sidecars.last_restart;
            seen.read_containers(pod);
        }
        if object::is_deleting(pod) {
            if at(pod, "/status/reason") == "NodeLost" {
                "Unknown".clone_into(&mut seen.reason);
            } else if !matches!(phase, "Succeeded" | "Failed") {
                "Terminating".clone_into(&mut seen.reason);
            }
        }
        seen
    }

    /// Whether init containers still run, or one of them failed.
    fn read_init_containers(&mut self, pod: &Value, of_sidecars: &mut Self) -> bool {
        for (index, status) in items(pod, "/status/initContainerStatuses").enumerate() {
            self.count_restarts(status);
            let sidecar = items(pod, "/spec/initContainers")
                .any(|container| container["name"] == status["name"] && is_sidecar(container));
            if sidecar {
                of_sidecars.count_restarts(status);
            }
            let ended = &status["state"]["terminated"];
            let waits = at(status, "/state/waiting/reason");
            if ended["exitCode"] == 0 {
                continue;
            }
            if sidecar && status["started"] == true {
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
        let mut failed = None;
        // The first container's word wins.
        for status in items(pod, "/status/containerStatuses").rev() {
            self.count_restarts(status);
            let state = &status["state"];
            let waits = at(state, "/waiting/reason");
            if !waits.is_empty() {
                waits.clone_into(&mut self.reason);
            } else if state["terminated"].is_object() {
                self.reason = end_of(&state["terminated"]);
                if count(state, "/terminated/exitCode") != 0 {
                    failed = Some(self.reason.clone());
                }
            } else if status["ready"] == true && state["running"].is_object() {
                running = true;
                self.ready += 1;
            }
        }
        if self.reason == "Completed" {
            if running && is_true(pod, "Ready") {
                "Running".clone_into(&mut self.reason);
            } else if let Some(failed) = failed {
                self.reason = failed;
            } else if running {
                "NotReady".clone_into(&mut self.reason);
            }
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

fn restarts(pod: &Value, now: Timestamp) -> Value {
    let seen = Seen::of(pod);
    if seen.restarts == 0 || seen.last_restart.is_empty() {
        return seen.restarts.to_string().into();
    }
    let ago = cell::since(&seen.last_restart.into(), now);
    format!("{} ({ago} ago)", seen.restarts).into()
}

fn gates(pod: &Value, _: Timestamp) -> Value {
    let total = size(pod, "/spec/readinessGates");
    if total == 0 {
        return "<none>".into();
    }
    let open = items(pod, "/spec/readinessGates").filter(|gate| is_true(pod, at(gate, "/conditionType")));
    format!("{}/{total}", open.count()).into()
}
