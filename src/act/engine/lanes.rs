//! One lane of work per member: a dead or slow member holds up only its own.

use std::sync::Arc;

use dashmap::DashMap;

use super::engine::Engine;
use crate::{
    act::wire::{Outstanding, Queue, Tasks},
    model::{
        fleet::{BindingKey, Reach},
        name::ClusterName,
    },
};

/// Workers per member. Writes in flight are bounded by the member's lane on the wire.
const WORKERS: usize = 8;

/// The lanes of all members.
#[derive(Debug, Default)]
pub(super) struct Lanes(DashMap<ClusterName, Lane>);

#[derive(Debug)]
struct Lane {
    queue: Queue<BindingKey>,
    /// Applies that were asked for and not done yet: status waits for them.
    outstanding: Arc<DashMap<BindingKey, Outstanding>>,
    tasks: Tasks,
}

impl Lanes {
    /// Asks for the binding to be looked after in that member, as soon as its lane is free.
    pub(super) fn add(&self, cluster: &ClusterName, key: &BindingKey) {
        if let Some(lane) = self.0.get(cluster) {
            lane.queue.add(key.clone());
        }
    }

    /// As [`Self::add`], and status waits until it is done.
    pub(super) fn add_urgent(&self, engine: &Engine, cluster: &ClusterName, key: &BindingKey) {
        if let Some(lane) = self.0.get(cluster) {
            let fleet = engine.fleet.snapshot();
            if fleet
                .members
                .get(cluster)
                .is_some_and(|member| member.reach == Reach::Reachable)
            {
                lane.outstanding
                    .entry(key.clone())
                    .or_insert_with(|| engine.backlog.begin());
            }
            lane.queue.add(key.clone());
        }
    }

    /// Status no longer waits for what is due in that member: it does not answer, and may not for long.
    pub(super) fn wait_no_more(&self, cluster: &ClusterName) {
        if let Some(lane) = self.0.get(cluster) {
            lane.outstanding.clear();
        }
    }

    pub(super) fn add_after(&self, cluster: &ClusterName, key: &BindingKey, delay: std::time::Duration) {
        if let Some(lane) = self.0.get(cluster) {
            lane.queue.add_after(key.clone(), delay);
        }
    }

    pub(super) fn retry(&self, cluster: &ClusterName, key: &BindingKey) {
        if let Some(lane) = self.0.get(cluster) {
            lane.queue.retry(key.clone());
        }
    }

    pub(super) fn forget(&self, cluster: &ClusterName, key: &BindingKey) {
        if let Some(lane) = self.0.get(cluster) {
            lane.queue.forget(key);
        }
    }

    /// Opens lanes for members that are new and closes those of members that are gone.
    pub(super) fn arrange(&self, engine: &Arc<Engine>, members: &[ClusterName]) {
        self.0.retain(|name, lane| {
            let stays = members.contains(name);
            if !stays {
                lane.tasks.stop();
            }
            stays
        });
        for name in members {
            if self.0.contains_key(name) {
                continue;
            }
            let lane = Lane {
                queue: Queue::default(),
                outstanding: Arc::default(),
                tasks: engine.tasks.child(),
            };
            for _ in 0..WORKERS {
                let (engine, name) = (engine.clone(), name.clone());
                let (queue, outstanding) = (lane.queue.clone(), lane.outstanding.clone());
                lane.tasks.spawn("lane", async move {
                    loop {
                        let work = queue.next().await;
                        engine.until_active().await;
                        engine.look_after(&name, work.key()).await;
                        outstanding.remove(work.key());
                    }
                });
            }
            self.0.insert(name.clone(), lane);
        }
    }
}
