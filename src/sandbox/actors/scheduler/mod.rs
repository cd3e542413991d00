//! The scheduler: a node for each pod that has none, or the reason why not.
//!
//! It knows requests, node selectors and required node affinity, taints, host ports and the number of pods, and waits
//! until a pod's claims are bound. It does not preempt, and knows nothing of where volumes are, of spread or of other
//! pods' affinity.

mod fit;
mod refusal;
mod request;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

pub(super) use self::fit::Node;
use self::fit::place;
use self::refusal::Refusals;
use self::request::Request;
use super::act::{Act, Desk, NODES, PODS};
use super::conditions::{self, Condition};
use super::engine::{Actor, Wake};
use super::replicasets::is_finished;
use super::volumes::{self, CLAIMS};
use crate::model::clock::Timestamp;
use crate::sandbox::failure::Failure;
use crate::sandbox::object::{self, Object};
use crate::sandbox::store::{Change, Key};
use crate::sandbox::write::Writer;

const NAME: &str = "default-scheduler";

/// Nodes with what is taken of them, and pods that found none.
#[derive(Debug, Default)]
pub(super) struct Scheduler {
    nodes: BTreeMap<Arc<str>, Node>,
    /// Where the pods are that take something.
    placed: BTreeMap<Key, (Arc<str>, Request)>,
    waiting: BTreeSet<Key>,
}

impl Actor for Scheduler {
    fn writer(&self) -> Writer {
        let mut writer = Writer::controller(NAME);
        writer.user = crate::sandbox::access::User::system("system:kube-scheduler");
        "kube-scheduler".clone_into(&mut writer.manager);
        writer
    }

    fn observe(&mut self, change: &Change, _: &Desk<'_>, wake: &mut Wake<'_>) {
        if NODES.is(&change.key) {
            self.observe_node(change);
            self.wake_waiting(wake);
        } else if CLAIMS.is(&change.key) {
            self.wake_waiting(wake);
        } else if PODS.is(&change.key) {
            self.waiting.remove(&change.key);
            if self.observe_pod(&change.key, change.new.as_deref()) {
                self.wake_waiting(wake);
            }
            if change.new.as_deref().is_some_and(is_ours) {
                wake.add(change.key.clone());
            }
        }
    }

    fn reconcile(&mut self, key: &Key, desk: &Desk<'_>) -> Result<Option<Duration>, Failure> {
        let Some(pod) = desk.get(key).filter(|pod| is_ours(pod)) else {
            return Ok(None);
        };
        if let Some(why) = unbound(&pod, desk) {
            self.waiting.insert(key.clone());
            let refusals = Refusals::of_the_pod(self.nodes.len(), why);
            if let Some(act) = unschedulable(&pod, &refusals, desk.now) {
                desk.perform(&act)?;
            }
            return Ok(None);
        }
        match place(&pod, self.nodes.values()) {
            Ok(node) => {
                let name = node.name.clone();
                desk.bind(&pod, &name)?;
                // Before the change is told: another pod may be placed sooner.
                self.take(key, &name, &pod);
            }
            Err(refusals) => {
                self.waiting.insert(key.clone());
                if let Some(act) = unschedulable(&pod, &refusals, desk.now) {
                    desk.perform(&act)?;
                }
            }
        }
        Ok(None)
    }
}

/// Why a pod can't be placed yet for what it stores.
fn unbound(pod: &Value, desk: &Desk<'_>) -> Option<String> {
    let namespace = object::meta(pod, "namespace");
    volumes::claims_of(pod).find_map(|name| match desk.get(&CLAIMS.key(namespace, name)) {
        None => Some(format!("persistentvolumeclaim \"{name}\" not found")),
        Some(claim) if volumes::is_bound(&claim) => None,
        Some(_) => Some("pod has unbound immediate PersistentVolumeClaims".to_owned()),
    })
}

/// Whether a pod fits on an empty node.
pub(super) fn fits(pod: &Value, node: &Value) -> bool {
    let node = Node::new(node, std::iter::empty());
    place(pod, std::iter::once(&node)).is_ok()
}

/// A pod that waits for a node from us.
fn is_ours(pod: &Value) -> bool {
    let unplaced = pod["spec"]["nodeName"].as_str().is_none_or(str::is_empty);
    let gated = pod["spec"]["schedulingGates"]
        .as_array()
        .is_some_and(|gates| !gates.is_empty());
    let ours = pod["spec"]["schedulerName"]
        .as_str()
        .is_none_or(|name| name == NAME);
    unplaced && ours && !gated && !object::is_deleting(pod) && !is_finished(pod)
}

/// The pod that says why it waits. None: it says so already.
fn unschedulable(pod: &Object, refusals: &Refusals, now: Timestamp) -> Option<Act> {
    let message = refusals.to_string();
    let mut conditions = conditions::of(pod).to_vec();
    let wanted = Condition {
        kind: "PodScheduled",
        status: "False",
        reason: "Unschedulable",
        message: &message,
    };
    conditions::put_in_place(&mut conditions, wanted, now);
    if pod["status"]["conditions"].as_array() == Some(&conditions) {
        return None;
    }
    let mut new = (**pod).clone();
    object::field_mut(&mut new, "status").insert("conditions".to_owned(), conditions.into());
    Some(Act::Replace(PODS, "status", new))
}

impl Scheduler {
    fn observe_node(&mut self, change: &Change) {
        match &change.new {
            None => {
                self.nodes.remove(&change.key.name);
            }
            Some(node) => {
                let used = self.placed.values().filter(|(on, _)| *on == change.key.name);
                let node = Node::new(node, used.map(|(_, request)| request));
                self.nodes.insert(change.key.name.clone(), node);
            }
        }
    }

    /// Notes what a pod takes, and where. Whether something became free.
    fn observe_pod(&mut self, key: &Key, pod: Option<&Value>) -> bool {
        let node = pod
            .filter(|pod| !is_finished(pod))
            .and_then(|pod| pod["spec"]["nodeName"].as_str())
            .filter(|node| !node.is_empty());
        match (node, pod) {
            (Some(node), Some(pod)) => {
                let there = self.placed.get(key).is_some_and(|(on, _)| **on == *node);
                if !there {
                    self.give_back(key);
                    self.take(key, node, pod);
                }
                false
            }
            _ => self.give_back(key),
        }
    }

    fn take(&mut self, key: &Key, node: &str, pod: &Value) {
        let request = Request::of(pod);
        if let Some(node) = self.nodes.get_mut(node) {
            node.take(&request);
        }
        self.placed.insert(key.clone(), (node.into(), request));
    }

    fn give_back(&mut self, key: &Key) -> bool {
        let Some((node, request)) = self.placed.remove(key) else {
            return false;
        };
        if let Some(node) = self.nodes.get_mut(&node) {
            node.give_back(&request);
        }
        true
    }

    fn wake_waiting(&mut self, wake: &mut Wake<'_>) {
        for key in std::mem::take(&mut self.waiting) {
            wake.add(key);
        }
    }
}

impl Desk<'_> {
    /// Through the endpoint that the scheduler uses.
    fn bind(&self, pod: &Value, node: &str) -> Result<(), Failure> {
        let (namespace, name) = (object::meta(pod, "namespace"), object::name(pod));
        let target = self
            .server
            .target("", "pods", namespace, name)
            .ok_or_else(|| Failure::not_found("", "pods", name))?;
        let binding = json!({
            "apiVersion": "v1", "kind": "Binding",
            "metadata": {"name": name, "namespace": namespace, "uid": object::uid(pod)},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        });
        self.server
            .create(self.writer, &target.at("binding"), binding)
            .map(|_| ())
    }
}
