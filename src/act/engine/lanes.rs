//! One lane of work per member: a dead or slow member holds up only its own.

use std::{sync::Arc, time::Duration};

use dashmap::DashMap;

use super::engine::Engine;
use crate::{
    act::wire::{Outstanding, Queue, Tasks},
    model::{
        api::WorkloadBinding,
        fleet::{BindingKey, Reach},
        kind::Stage,
        name::ClusterName,
    },
    telemetry::{Member, metrics},
};

/// Workers per member. Writes in flight are bounded by the member's lane on the wire.
const WORKERS: usize = 8;

/// How much later an object may be handled than one of the stage before it: long enough that what is written together
/// goes in order, too short for anything to starve.
const STAGE: Duration = Duration::from_millis(500);

/// How much later than what is most urgent this binding may be handled in the member. Removals come first, and what moves
/// here from another member: the one makes room, the other is missing somewhere. Within both, what is applied goes in the
/// order of its kinds and what is removed the other way round.
fn lag(binding: &WorkloadBinding, cluster: &ClusterName) -> Duration {
    let stage = binding
        .spec
        .template
        .group_kind()
        .map_or(Stage::Workload, |kind| Stage::of(&kind));
    let removing = binding
        .spec
        .clusters
        .iter()
        .any(|entry| entry.removing && entry.name == *cluster);
    let moving = binding.spec.clusters.iter().any(|entry| entry.removing);
    let last = Stage::LAST.index();
    let steps = match (removing, moving) {
        (true, _) => last - stage.index(),
        (false, true) => stage.index(),
        (false, false) => last + 1 + stage.index(),
    };
    STAGE * u32::from(steps)
}

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

    /// How much waits for each member, for the metrics.
    pub(super) fn show(&self) {
        for lane in &self.0 {
            let load = lane.queue.load();
            metrics().lane(&Member::named(lane.key()), load.ready, load.running, load.delayed);
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
            let (weak, cluster) = (Arc::downgrade(engine), name.clone());
            let lane = Lane {
                queue: Queue::lagging(move |key| {
                    let binding = weak.upgrade().and_then(|engine| engine.index.binding(key));
                    binding.map_or(Duration::ZERO, |binding| lag(&binding, &cluster))
                }),
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn binding(api_version: &str, kind: &str, clusters: &serde_json::Value) -> WorkloadBinding {
        serde_json::from_value(json!({
            "apiVersion": "hanse.dev/v1alpha1", "kind": "WorkloadBinding",
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"template": {"apiVersion": api_version, "kind": kind, "name": "web", "uid": "t"}, "clusters": clusters},
        }))
        .unwrap()
    }

    #[test]
    fn removals_and_what_moves_come_first_and_kinds_in_their_order() {
        let here: ClusterName = "m1".parse().unwrap();
        let plain = json!([{"name": "m1"}]);
        let leaving = json!([{"name": "m1", "removing": true}]);
        let moving = json!([{"name": "m1"}, {"name": "m2", "removing": true}]);
        let lag = |version: &str, kind: &str, clusters| lag(&binding(version, kind, clusters), &here);
        let config = |clusters| lag("v1", "ConfigMap", clusters);
        let workload = |clusters| lag("apps/v1", "Deployment", clusters);
        let scaler = |clusters| lag("autoscaling/v2", "HorizontalPodAutoscaler", clusters);
        assert!(config(&plain) < workload(&plain) && workload(&plain) < scaler(&plain));
        assert!(scaler(&leaving) < workload(&leaving) && workload(&leaving) < config(&leaving));
        assert!(config(&leaving) < config(&plain) && scaler(&moving) < config(&plain));
        assert!(scaler(&plain) < Duration::from_secs(10));
    }
}
