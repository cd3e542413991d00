//! Nodes and pods of a member as small rows, with sums that move by what an event changes.
//!
//! A pod is 40 bytes here and 36 KB as an object. Only what runs or will run counts: pods bound to a node and
//! not finished. Virtual nodes of the hub are no capacity.

use std::collections::HashMap;

use crate::model::fleet::{Nodes, Resources};

use super::slim::{SlimNode, SlimPod};

/// Virtual nodes are named `hanse-<lender>`.
const VIRTUAL: &str = "hanse-";

#[derive(Debug, Default)]
pub(super) struct Facts {
    slots: Vec<Slot>,
    by_name: HashMap<Box<str>, u32>,
    free: Vec<u32>,
    pods: HashMap<u128, PodRow>,
    nodes_round: u32,
    pods_round: u32,
}

/// A node, or the name of one that pods are bound to.
#[derive(Debug, Default)]
struct Slot {
    name: Box<str>,
    node: Option<NodeRow>,
    used: Resources,
}

#[derive(Debug)]
struct NodeRow {
    allocatable: Resources,
    ready: bool,
    schedulable: bool,
    region: Option<Box<str>>,
    zone: Option<Box<str>>,
    round: u32,
}

#[derive(Debug, Clone, Copy)]
struct PodRow {
    memory: u64,
    cpu_milli: u32,
    slot: u32,
    round: u32,
}

impl PodRow {
    fn requests(self) -> Resources {
        Resources {
            cpu_milli: self.cpu_milli.into(),
            memory: self.memory,
            pods: 1,
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
        let slot = self.slot(name);
        self.slots[slot as usize].node = Some(NodeRow {
            allocatable: node.allocatable,
            ready: node.ready,
            schedulable: node.schedulable,
            region: node.region.clone(),
            zone: node.zone.clone(),
            round,
        });
    }

    pub(super) fn lost_node(&mut self, name: &str) {
        if let Some(&slot) = self.by_name.get(name) {
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
        let slot = self.slot(node);
        let row = PodRow {
            memory: pod.requests.memory,
            cpu_milli: u32::try_from(pod.requests.cpu_milli).unwrap_or(u32::MAX),
            slot,
            round: self.pods_round,
        };
        let used = &mut self.slots[slot as usize].used;
        *used = used.plus(row.requests());
        self.pods.insert(pod.id(), row);
    }

    pub(super) fn lost_pod(&mut self, id: u128) {
        if let Some(row) = self.pods.remove(&id) {
            let used = &mut self.slots[row.slot as usize].used;
            *used = used.minus(row.requests());
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
        if held.node.is_none() && held.used.pods == 0 && !held.name.is_empty() {
            self.by_name.remove(&held.name);
            *held = Slot::default();
            self.free.push(slot);
        }
    }

    /// The sums over nodes: as many steps as nodes, none over pods.
    pub(super) fn sums(&self) -> Sums {
        let mut sums = Sums::default();
        let mut place: Option<(Option<&str>, Option<&str>)> = None;
        for slot in &self.slots {
            sums.requested = sums.requested.plus(slot.used);
            let Some(node) = &slot.node else { continue };
            sums.nodes.total += 1;
            sums.nodes.ready += u32::from(node.ready);
            let here = (node.region.as_deref(), node.zone.as_deref());
            place = Some(place.map_or(here, |(region, zone)| {
                (
                    region.filter(|_| region == here.0),
                    zone.filter(|_| zone == here.1),
                )
            }));
            if node.ready && node.schedulable {
                sums.allocatable = sums.allocatable.plus(node.allocatable);
                let gap = node.allocatable.minus(slot.used);
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
