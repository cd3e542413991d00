//! StatefulSets, DaemonSets and Jobs: in each pass, from an object and its pods to what is to be done and what to say.
//!
//! They are small: no `ControllerRevision`s, no indexed Jobs, no deadlines, no surge. What is there behaves as upstream.

mod daemon_sets;
mod jobs;
mod stateful_sets;
#[cfg(test)]
mod tests;

use serde_json::Value;
use std::time::Duration;

use super::act::{Act, Desk, Kind, NODES, PODS};
use super::conditions;
use super::engine::{Actor, CONTROLLER, Wake};
use super::levers::Levers;
use super::owners;
use super::volumes::CLAIMS;
use crate::model::clock::{self, Timestamp};
use crate::model::hash::Hash;
use crate::sandbox::failure::Failure;
use crate::sandbox::object::{self, Object};
use crate::sandbox::store::{Change, Key};
use crate::sandbox::write::Writer;

pub(super) const STATEFUL_SETS: Kind = Kind::new("statefulsets.apps");
pub(super) const DAEMON_SETS: Kind = Kind::new("daemonsets.apps");
pub(super) const JOBS: Kind = Kind::new("jobs.batch");

/// Which template a pod was made from.
const REVISION: &str = "controller-revision-hash";

/// What a pass sees.
struct View<'a> {
    object: &'a Value,
    /// Those it controls, by name.
    pods: Vec<Object>,
    nodes: Vec<Object>,
    /// The claims of its namespace.
    claims: Vec<Object>,
    now: Timestamp,
}

/// What a pass wants.
#[derive(Debug, Default)]
struct Plan {
    acts: Vec<Act>,
    status: Value,
}

/// One of the three controllers.
pub(super) struct Workloads {
    levers: Levers,
    kind: Kind,
    /// `StatefulSet`
    word: &'static str,
    name: &'static str,
    pass: fn(&View<'_>) -> Plan,
}

pub(super) fn all(levers: &Levers) -> [Workloads; 3] {
    type Pass = fn(&View<'_>) -> Plan;
    let table: [(Kind, &str, &str, Pass); 3] = [
        (
            STATEFUL_SETS,
            "StatefulSet",
            "statefulset-controller",
            stateful_sets::pass,
        ),
        (
            DAEMON_SETS,
            "DaemonSet",
            "daemon-set-controller",
            daemon_sets::pass,
        ),
        (JOBS, "Job", "job-controller", jobs::pass),
    ];
    table.map(|(kind, word, name, pass)| Workloads {
        levers: levers.clone(),
        kind,
        word,
        name,
        pass,
    })
}

impl Actor for Workloads {
    fn writer(&self) -> Writer {
        Writer::controller(self.name)
    }

    fn reaction(&self) -> Duration {
        CONTROLLER
    }

    fn observe(&mut self, change: &Change, desk: &Desk<'_>, wake: &mut Wake<'_>) {
        if self.kind.is(&change.key) {
            wake.add(change.key.clone());
        } else if PODS.is(&change.key) {
            for pod in change.old.iter().chain(&change.new) {
                wake.add_all(owners::controller_key(pod, self.kind, self.word));
            }
        } else if self.kind == DAEMON_SETS && NODES.is(&change.key) {
            for set in desk.list(DAEMON_SETS, None) {
                wake.add(super::act::key_of(DAEMON_SETS, &set));
            }
        }
    }

    fn reconcile(&mut self, key: &Key, desk: &Desk<'_>) -> Result<Option<Duration>, Failure> {
        // A script takes its place.
        if self.levers.scripted(self.kind.stored).is_some() {
            return Ok(None);
        }
        let Some(object) = desk.get(key).filter(|object| !object::is_deleting(object)) else {
            return Ok(None);
        };
        let mut pods = desk.dependents(PODS, object::uid(&object));
        pods.retain(|pod| owners::is_controlled_by(pod, object::uid(&object)));
        let list = |of: Kind, kind: Kind, namespace: Option<&str>| {
            if self.kind == of {
                desk.list(kind, namespace)
            } else {
                Vec::new()
            }
        };
        let plan = (self.pass)(&View {
            object: &object,
            pods,
            nodes: list(DAEMON_SETS, NODES, None),
            claims: list(STATEFUL_SETS, CLAIMS, Some(&key.namespace)),
            now: desk.now,
        });
        let failure = desk.perform_all(&plan.acts).err();
        if failure.as_ref().is_some_and(super::is_namespace_ending) {
            return Ok(None);
        }
        if failure.is_none() && !plan.acts.is_empty() {
            // The pods that came or went ask for the next pass, which counts them.
            return Ok(None);
        }
        if object["status"] != plan.status {
            let mut new = (*object).clone();
            new["status"] = plan.status;
            desk.perform(&Act::Replace(self.kind, "status", new))?;
        }
        failure.map_or(Ok(None), Err)
    }
}

fn is_ready(pod: &Value) -> bool {
    conditions::is_true(pod, "Ready")
}

/// Names a template.
fn revision(object: &Value) -> String {
    Hash::of(&object["spec"]["template"]).short(10)
}

/// The status that is there, to be changed.
fn status_of(object: &Value) -> Value {
    match &object["status"] {
        Value::Object(status) => Value::Object(status.clone()),
        _ => Value::Object(serde_json::Map::new()),
    }
}

fn whole(value: &Value, otherwise: i64) -> i64 {
    value.as_i64().unwrap_or(otherwise)
}

fn count(pods: &[Object], so: impl Fn(&Value) -> bool) -> i64 {
    i64::try_from(pods.iter().filter(|pod| so(pod)).count()).unwrap_or(i64::MAX)
}

/// Counts in a status that upstream leaves out when they are zero.
fn tell_counts<const N: usize>(status: &mut Value, counts: [(&str, i64); N]) {
    let Some(status) = status.as_object_mut() else {
        return;
    };
    for (field, number) in counts {
        if number == 0 {
            status.remove(field);
        } else {
            status.insert(field.to_owned(), number.into());
        }
    }
}

fn seconds(now: Timestamp) -> Value {
    clock::format_seconds(now).into()
}
