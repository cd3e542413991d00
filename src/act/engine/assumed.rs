//! What decisions must know of each other: the room that those before will take, and how many workloads moved lately.
//! They are made one at a time, in microseconds; what follows of them is not.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::decision::{self, Around, Decision, Facts};
use super::engine::Engine;
use crate::{
    decide::{
        health,
        placement::{Brake, Rooms, doubt},
    },
    model::{
        api::{BindingCluster, Health, WorkloadBinding},
        clock::Timestamp,
        fleet::{BindingKey, Snapshot},
        name::{ClusterName, ObjectKey},
        template::Template,
    },
    telemetry::metrics,
};

/// Shared by all decisions.
#[derive(Debug)]
pub(super) struct Assumed(Mutex<State>);

#[derive(Debug)]
struct State {
    rooms: Rooms,
    brake: Brake,
    most: u32,
    held: bool,
}

impl State {
    /// That nothing leaves lost members is an alarm: somebody has to look.
    fn tell_held(&mut self, held: Option<&str>) {
        metrics().failovers_held.set(held.is_some().into());
        match held {
            Some(why) if !self.held => tracing::warn!(why, "nothing is moved away from lost members"),
            None if self.held => tracing::info!("work leaves lost members again"),
            _ => {}
        }
        self.held = held.is_some();
    }
}

impl Assumed {
    /// No more than so many workloads leave lost members in an hour.
    pub(super) fn new(most: u32) -> Self {
        Self(Mutex::new(State {
            rooms: Rooms::default(),
            brake: Brake::new(most),
            most,
            held: false,
        }))
    }
}

impl Engine {
    /// Decides, with everything deducted that was decided before and is not seen yet.
    pub(super) fn decide(&self, facts: &Facts<'_>) -> Decision {
        let (key, now) = (facts.key, facts.now);
        let ready = |key: &BindingKey, cluster: &ClusterName| self.ready_of(key, cluster);
        let mut state = self.assumed.0.lock();
        state.rooms.refresh(facts.fleet, &ready, now);
        let next = state.brake.next(now);
        let braked = || {
            next.map(|next| {
                format!(
                    "{} workloads were moved within an hour (hub serve --max-failovers-per-hour); the next at {next}",
                    state.most
                )
            })
        };
        let held = doubt(facts.fleet).or_else(braked);
        state.tell_held(held.as_deref());
        let here = facts
            .current
            .map(|binding| self.ready_in(key, binding, facts.fleet));
        let around = Around {
            rooms: &state.rooms,
            ready: here.as_ref(),
            held: held.as_deref(),
            held_until: next,
        };
        let decision = decision::decide(facts, &around);
        if let Decision::Want(wanted) = &decision {
            let before = facts.current.map_or(&[][..], |binding| &binding.spec.clusters);
            if wanted.fails_over {
                state.brake.note(now);
            }
            if shares(before) != shares(&wanted.spec.clusters) {
                if let Some(template) = facts.template {
                    assume(
                        &mut state.rooms,
                        key,
                        &wanted.spec.clusters,
                        template,
                        &ready,
                        now,
                    );
                }
            }
        }
        decision
    }

    /// What other leaders decided before this one began will take its room, too.
    pub(super) fn assume_what_stands(&self) {
        let now = self.clock.now();
        let ready = |key: &BindingKey, cluster: &ClusterName| self.ready_of(key, cluster);
        let mut state = self.assumed.0.lock();
        state.rooms.refresh(&self.fleet.snapshot(), &ready, now);
        for binding in &self.index.bindings {
            let key = binding.key();
            let Some(held) = self.index.template(key) else {
                continue;
            };
            let (template, clusters) = (&held.template, &binding.spec.clusters);
            assume(&mut state.rooms, key, clusters, template, &ready, now);
        }
    }

    /// Its replicas will take no room.
    pub(super) fn assume_nothing(&self, key: &BindingKey) {
        self.assumed.0.lock().rooms.forget(key);
    }

    fn ready_in(
        &self,
        key: &BindingKey,
        binding: &WorkloadBinding,
        fleet: &Snapshot,
    ) -> BTreeMap<ClusterName, u64> {
        let Ok(template) = binding.spec.template.key(&key.namespace) else {
            return BTreeMap::new();
        };
        let known = |cluster: &&BindingCluster| {
            let member = fleet.members.get(&cluster.name);
            member.is_some_and(|member| member.is_writable())
        };
        let clusters = binding.wanted().filter(known);
        clusters
            .filter_map(|cluster| {
                Some((
                    cluster.name.clone(),
                    self.ready_replicas(&template, &cluster.name)?,
                ))
            })
            .collect()
    }

    fn ready_of(&self, key: &BindingKey, cluster: &ClusterName) -> u64 {
        let binding = self.index.binding(key);
        let template = binding.and_then(|binding| binding.spec.template.key(&key.namespace).ok());
        template
            .and_then(|template| self.ready_replicas(&template, cluster))
            .unwrap_or(0)
    }

    /// What the object's own status says; `None` if it was not seen there.
    pub(super) fn ready_replicas(&self, object: &ObjectKey, cluster: &ClusterName) -> Option<u64> {
        let row = self.fleet.member(cluster)?.row(object)?;
        row.status.as_ref()?;
        let (kinds, kind) = (self.index.kinds_known.load(), object.group_kind());
        let ready = health::ready_replicas(&kinds, &kind, &row).map(i64::from);
        // Of kinds that don't say it all are, once they are healthy.
        let is_healthy = || health::health(&kinds, &kind, &row).health == Health::Healthy;
        let ready = ready.or_else(|| row.replicas.filter(|_| is_healthy()));
        Some(ready.and_then(|ready| ready.try_into().ok()).unwrap_or(0))
    }
}

/// Members and their replicas.
fn shares(clusters: &[BindingCluster]) -> Vec<(&ClusterName, Option<i32>)> {
    let wanted = clusters.iter().filter(|cluster| !cluster.removing);
    wanted.map(|cluster| (&cluster.name, cluster.replicas)).collect()
}

fn assume(
    rooms: &mut Rooms,
    key: &BindingKey,
    clusters: &[BindingCluster],
    template: &Template,
    ready: &dyn Fn(&BindingKey, &ClusterName) -> u64,
    now: Timestamp,
) {
    let (Some(pod), Some(all)) = (&template.pod, template.replicas) else {
        return;
    };
    let number = |replicas: Option<i32>| {
        let replicas = replicas.map_or(all, i64::from);
        u64::try_from(replicas).unwrap_or(0)
    };
    let shares: Vec<(ClusterName, u64)> = clusters
        .iter()
        .filter(|cluster| !cluster.removing)
        .map(|cluster| (cluster.name.clone(), number(cluster.replicas)))
        .collect();
    rooms.assume(key, &Arc::clone(pod), &shares, ready, now);
}
