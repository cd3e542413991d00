//! The kubelets of all played nodes: pods start, get ready, fail, end, as a script says.
//!
//! What a pod does follows from its part in the script and the time since it was bound, so nothing is written but at
//! the moments where something changes.

mod life;
mod script;
mod status;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use self::script::Part;
pub use self::script::{KubeletScript, Play, Rule};
use self::status::Place;
use super::act::{Act, Desk, NODES, PODS};
use super::engine::{Actor, Wake};
use super::levers::Levers;
use super::nodes;
use super::replicasets::is_finished;
use crate::model::clock::Timestamp;
use crate::sandbox::access::User;
use crate::sandbox::api::DeleteOptions;
use crate::sandbox::failure::Failure;
use crate::sandbox::object::{self, Object};
use crate::sandbox::store::{Change, Key};
use crate::sandbox::write::Writer;

/// What the kubelet wants of a pod now.
#[derive(Debug, Default, PartialEq)]
struct Step {
    /// Another status, if it is another.
    status: Option<Value>,
    /// It ended: the object may go.
    remove: bool,
    again: Option<Duration>,
}

/// What is remembered of a pod on a node.
#[derive(Debug, Clone, PartialEq)]
struct Memory {
    uid: String,
    ip: String,
    /// When it was first seen with its node.
    bound: Timestamp,
    /// When it was first seen leaving.
    ending: Option<Timestamp>,
}

/// One look at a pod. `host` is the address of its node.
fn next(pod: &Value, part: &Part, memory: &Memory, host: &str, now: Timestamp) -> Step {
    let since = |then: Timestamp| Duration::try_from(now.duration_since(then)).unwrap_or_default();
    let place = Place {
        host,
        ip: &memory.ip,
        now,
    };
    let differs = |status: Value| (pod["status"] != status).then_some(status);
    if let Some(ending) = memory.ending {
        let grace = pod["metadata"]["deletionGracePeriodSeconds"]
            .as_u64()
            .unwrap_or(0);
        if grace == 0 {
            return Step::default();
        }
        let takes = part.termination.min(Duration::from_secs(grace));
        return match takes.checked_sub(since(ending)).filter(|left| !left.is_zero()) {
            Some(left) => Step {
                again: Some(left),
                ..Step::default()
            },
            None => Step {
                // Whoever holds it reads how it ended.
                status: Some(pod)
                    .filter(|pod| pod["metadata"]["finalizers"].is_array() && !is_finished(pod))
                    .and_then(|pod| differs(status::at(pod, life::Moment::Ended { exit_code: 0 }, place))),
                remove: true,
                again: None,
            },
        };
    }
    if is_finished(pod) {
        return Step::default();
    }
    let (moment, again) = life::moment(part, since(memory.bound));
    Step {
        status: differs(status::at(pod, moment, place)),
        remove: false,
        again,
    }
}

/// All kubelets of a cluster.
#[derive(Debug)]
pub(super) struct Kubelet {
    levers: Levers,
    pods: BTreeMap<Key, Memory>,
    /// Addresses that were given out.
    addresses: u32,
}

impl Kubelet {
    pub(super) fn new(levers: Levers) -> Self {
        Self {
            levers,
            pods: BTreeMap::new(),
            addresses: 0,
        }
    }
}

impl Actor for Kubelet {
    fn writer(&self) -> Writer {
        Writer {
            user: User::system("system:node"),
            manager: "kubelet".to_owned(),
            ..Writer::controller("kubelet")
        }
    }

    fn observe(&mut self, change: &Change, desk: &Desk<'_>, wake: &mut Wake<'_>) {
        if NODES.is(&change.key) {
            // A kubelet that is back does what it missed.
            let played = |node: &Option<Object>| node.as_ref().is_some_and(|node| nodes::is_played(node));
            if played(&change.new) && !played(&change.old) {
                self.pods.keys().for_each(|pod| wake.add(pod.clone()));
            }
            return;
        }
        if !PODS.is(&change.key) {
            return;
        }
        match &change.new {
            Some(pod) if is_placed(pod) => {
                self.remember(&change.key, pod, desk.now);
                wake.add(change.key.clone());
            }
            _ => {
                self.pods.remove(&change.key);
            }
        }
    }

    fn reconcile(&mut self, key: &Key, desk: &Desk<'_>) -> Result<Option<Duration>, Failure> {
        let Some(found) = desk.get(key) else {
            return Ok(None);
        };
        let node = found["spec"]["nodeName"].as_str().unwrap_or_default();
        let node = desk.get(&Key::new(NODES.stored, None, node));
        let (Some(node), Some(memory)) = (node.filter(|node| nodes::is_played(node)), self.pods.get(key))
        else {
            return Ok(None);
        };
        let part = self.levers.script().part(&found);
        let step = next(&found, &part, memory, host(&node), desk.now);
        if let Some(status) = step.status {
            let mut new = (*found).clone();
            new["status"] = status;
            desk.perform(&Act::Replace(PODS, "status", new))?;
        }
        if step.remove {
            let options = DeleteOptions {
                uid: Some(object::uid(&found).to_owned()),
                grace_seconds: Some(0),
                ..DeleteOptions::default()
            };
            desk.perform(&Act::Delete(PODS, found, options))?;
        }
        Ok(step.again)
    }
}

fn is_placed(pod: &Value) -> bool {
    pod["spec"]["nodeName"]
        .as_str()
        .is_some_and(|node| !node.is_empty())
}

fn host(node: &Value) -> &str {
    let addresses = node["status"]["addresses"].as_array().into_iter().flatten();
    addresses
        .filter(|address| address["type"] == "InternalIP")
        .find_map(|address| address["address"].as_str())
        .unwrap_or_default()
}

impl Kubelet {
    fn remember(&mut self, key: &Key, pod: &Value, now: Timestamp) {
        let uid = object::uid(pod);
        let known = self.pods.get(key).is_some_and(|memory| memory.uid == uid);
        if !known {
            let ip = match pod["status"]["podIP"].as_str() {
                Some(ip) => ip.to_owned(),
                None => self.address(),
            };
            let memory = Memory {
                uid: uid.to_owned(),
                ip,
                bound: now,
                ending: None,
            };
            self.pods.insert(key.clone(), memory);
        }
        if let Some(memory) = self.pods.get_mut(key)
            && object::is_deleting(pod)
        {
            memory.ending.get_or_insert(now);
        }
    }

    /// Of 10.244.0.0/14, one after the other.
    fn address(&mut self) -> String {
        self.addresses = (self.addresses + 1) % (1 << 18);
        let [_, high, middle, low] = (self.addresses).to_be_bytes();
        format!("10.{}.{middle}.{low}", 244 + u16::from(high))
    }
}

impl Levers {
    /// What a container printed, or why it printed nothing yet.
    pub(crate) fn log(&self, pod: &Value, container: &str) -> Result<Arc<str>, Failure> {
        let statuses = pod["status"]["containerStatuses"]
            .as_array()
            .into_iter()
            .flatten();
        let status = statuses.into_iter().find(|status| status["name"] == container);
        let waiting = status.map_or(&Value::Null, |status| &status["state"]["waiting"]["reason"]);
        if let Some(status) = status.filter(|status| status["containerID"].is_string()) {
            let image = status["image"].as_str().unwrap_or_default();
            return Ok(self.script().log_of(pod, container, image).into());
        }
        Err(Failure::bad_request(format!(
            "container \"{container}\" in pod \"{}\" is waiting to start: {}",
            object::name(pod),
            waiting.as_str().unwrap_or("ContainerCreating"),
        )))
    }
}
