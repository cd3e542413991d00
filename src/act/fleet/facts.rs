//! Nodes and pods of a member as small rows, with sums that move by what an event changes.
//!
//! A pod is 48 bytes here and 36 KB as an object. Only what runs or will run counts: pods bound to a node and
//! not finished. Virtual nodes of the hub are no capacity.

use std::{collections::HashMap, sync::Arc};

use crate::model::{
    fleet::{Nodes, Resources},
    pod::{Amounts, NodeFacts, NodeRoom},
};

use super::slim::{SlimNode, SlimPod};

/// Virtual nodes are named `hanse-<lender>`.
const VIRTUAL: &str = "hanse-";
const REGION: &str = "topology.kubernetes.io/region";
const ZONE: &str = "topology.kubernetes.io/zone";

#[derive(Debug, Default)]
pub(super) struct Facts {
    slots: Vec<Slot>,
    by_name: HashMap<Box<str>, u32>,
    free: Vec<u32>,
    pods: HashMap<u128, PodRow>,
    nodes_round: u32,
    pods_round: u32,
    /// What the nodes can still take; made anew when it is asked for and something has changed.
    room: Option<Arc<[NodeRoom]>>,
}

/// A node, or the name of one that pods are bound to.
#[derive(Debug, Default)]
struct Slot {
    name: Box<str>,
    node: Option<NodeRow>,
    used: Amounts,
}

#[derive(Debug)]
struct NodeRow {
    facts: Arc<NodeFacts>,
    ready: bool,
    schedulable: bool,
    round: u32,
}

#[derive(Debug, Clone)]
struct PodRow {
    memory: u64,
    cpu_milli: u32,
    slot: u32,
    round: u32,
    /// Hardly any pod asks for more than CPU and memory.
    others: Option<Box<Amounts>>,
}

impl PodRow {
    fn requests(&self) -> Amounts {
        let base = Resources {
            cpu_milli: self.cpu_milli.into(),
            memory: self.memory,
            pods: 1,
        };
        let others = self.others.as_ref().map(|others| others.others.clone());
        Amounts {
            base,
            others: others.unwrap_or_default(),
        }
    }
}

/// The numbers of a member.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Sums {
    pub(super) nodes: Nodes,
    pub(super) allocatable: Resources,
    pub(super) requested: Resources,
    pub(super) largest_gap: Resources,
    pub(super) region: Option<String>,
    pub(super) zone: Option<String>,
}

impl Facts {
    pub(super) fn begin_nodes(&mut self) {
        self.nodes_round += 1;
    }

    pub(super) fn finish_nodes(&mut self) {
        let round = self.nodes_round;
        let old = |slot: &Slot| slot.node.as_ref().is_some_and(|node| node.round != round);
        let gone: Vec<_> = self
            .slots
            .iter()
            .filter(|slot| old(slot))
            .map(|slot| slot.name.clone())
            .collect();
        for name in gone {
            self.lost_node(&name);
        }
    }

    pub(super) fn saw_node(&mut self, node: &SlimNode) {
        let Some(name) = node
            .metadata
            .name
            .as_deref()
            .filter(|name| !name.starts_with(VIRTUAL))
        else {
            return;
        };
        let round = self.nodes_round;
        self.room = None;
        let slot = self.slot(name);
        let slot = &mut self.slots[slot as usize];
        // A heartbeat changes nothing: the same facts stay the same value.
        let known = slot.node.take().map(|row| row.facts);
        let same = known.filter(|facts| **facts == node.facts);
        slot.node = Some(NodeRow {
            facts: same.unwrap_or_else(|| Arc::new(node.facts.clone())),
            ready: node.ready,
            schedulable: node.schedulable,
            round,
        });
    }

    pub(super) fn lost_node(&mut self, name: &str) {
        if let Some(&slot) = self.by_name.get(name) {
            self.room = None;
            self.slots[slot as usize].node = None;
            self.release(slot);
        }
    }

    pub(super) fn begin_pods(&mut self) {
        self.pods_round += 1;
    }

    pub(super) fn finish_pods(&mut self) {
        let round = self.pods_round;
        let old: Vec<_> = self
            .pods
            .iter()
            .filter(|(_, pod)| pod.round != round)
            .map(|(id, _)| *id)
            .collect();
        for id in old {
            self.lost_pod(id);
        }
        self.pods.shrink_to(self.pods.len() + self.pods.len() / 4);
    }

    pub(super) fn saw_pod(&mut self, pod: &SlimPod) {
        let Some(node) = pod
            .node
            .as_deref()
            .filter(|node| !pod.finished && !node.starts_with(VIRTUAL))
        else {
            self.lost_pod(pod.id());
            return;
        };
        self.lost_pod(pod.id());
        self.room = None;
        let slot = self.slot(node);
        let base = pod.requests.base;
        let row = PodRow {
            memory: base.memory,
            cpu_milli: u32::try_from(base.cpu_milli).unwrap_or(u32::MAX),
            slot,
            round: self.pods_round,
            others: (!pod.requests.others.is_empty()).then(|| Box::new(pod.requests.clone())),
        };
        self.slots[slot as usize].used.add(&row.requests());
        self.pods.insert(pod.id(), row);
    }

    pub(super) fn lost_pod(&mut self, id: u128) {
        if let Some(row) = self.pods.remove(&id) {
            self.room = None;
            self.slots[row.slot as usize].used.subtract(&row.requests());
            self.release(row.slot);
        }
    }

    fn slot(&mut self, name: &str) -> u32 {
        if let Some(&slot) = self.by_name.get(name) {
            return slot;
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        self.slots[slot as usize] = Slot {
            name: name.into(),
            ..Slot::default()
        };
        self.by_name.insert(name.into(), slot);
        slot
    }

    /// A slot without a node and without pods is used again: node names come and go for ever.
    fn release(&mut self, slot: u32) {
        let held = &mut self.slots[slot as usize];
        if held.node.is_none() && held.used.base.pods == 0 && !held.name.is_empty() {
            self.by_name.remove(&held.name);
            *held = Slot::default();
            self.free.push(slot);
        }
    }

    /// What each node can still take on which pods may come.
    pub(super) fn room(&mut self) -> Arc<[NodeRoom]> {
        if let Some(room) = &self.room {
            return room.clone();
        }
        let open = |slot: &Slot| {
            let node = slot.node.as_ref().filter(|node| node.ready && node.schedulable)?;
            Some(NodeRoom {
                node: node.facts.clone(),
                free: node.facts.allocatable.minus(&slot.used),
            })
        };
        let room: Arc<[NodeRoom]> = self.slots.iter().filter_map(open).collect();
        self.room = Some(room.clone());
        room
    }

    /// The sums over nodes: as many steps as nodes, none over pods.
    pub(super) fn sums(&self) -> Sums {
        let mut sums = Sums::default();
        let mut place: Option<(Option<&str>, Option<&str>)> = None;
        for slot in &self.slots {
            sums.requested = sums.requested.plus(slot.used.base);
            let Some(node) = &slot.node else { continue };
            sums.nodes.total += 1;
            sums.nodes.ready += u32::from(node.ready);
            let label = |key: &str| node.facts.labels.get(key).map(String::as_str);
            let here = (label(REGION), label(ZONE));
            place = Some(place.map_or(here, |(region, zone)| {
                (
                    region.filter(|_| region == here.0),
                    zone.filter(|_| zone == here.1),
                )
            }));
            if node.ready && node.schedulable {
                let allocatable = node.facts.allocatable.base;
                sums.allocatable = sums.allocatable.plus(allocatable);
                let gap = allocatable.minus(slot.used.base);
                let largest = sums.largest_gap;
                if (gap.cpu_milli, gap.memory) > (largest.cpu_milli, largest.memory) {
                    sums.largest_gap = gap;
                }
            }
        }
        let (region, zone) = place.unwrap_or_default();
        sums.region = region.map(str::to_owned);
        sums.zone = zone.map(str::to_owned);
        sums
    }
}
