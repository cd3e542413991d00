//! The Cluster's status: conditions at once, numbers on a change of 5 % and at most every 30 s, nothing at rest.
//!
//! What was written before this process started stays until something is known that differs: a restart, or a
//! new leader, with nothing changed writes nothing.

use std::{sync::Arc, time::Duration};

use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::{conditions, member::Core, objects::is_older};
use crate::{
    act::wire,
    model::{
        api::{self, ClusterStatus, NodeCount},
        fleet::{Member, Reach, Resources},
        quantity::Amount,
    },
};

/// Numbers are written at most this often.
const NUMBERS: Duration = Duration::from_secs(30);
/// Also without news: the gate may have opened, a write may have failed.
const LOOK: Duration = Duration::from_secs(2);
/// A probe and its look at identity and claim come close together: wait for both rather than write twice.
const SETTLE: Duration = Duration::from_millis(150);

/// Keeps the status of one Cluster, while this hub is the leader.
pub(super) async fn keep(core: Arc<Core>) {
    let mut written: Option<api::Cluster> = None;
    let mut numbers_at: Option<Instant> = None;
    loop {
        let _ = tokio::time::timeout(LOOK.mul_f64(1.0 + 0.1 * core.jitter(3)), core.status.notified()).await;
        tokio::time::sleep(SETTLE).await;
        if !core.context.gate.is_open() {
            continue;
        }
        let cluster = newest(&core.cluster.load(), written.as_ref());
        let current = cluster.status.clone().unwrap_or_default();
        let member = core.as_member();
        // That no node is ready, or one is again, is told with the numbers that say so.
        let none_ready = |nodes: NodeCount| nodes.ready == 0 && nodes.total > 0;
        let turned = current
            .nodes
            .is_some_and(|nodes| none_ready(nodes) != member.nodes.none_ready());
        let numbers_due = turned || numbers_at.is_none_or(|at| at.elapsed() >= NUMBERS);
        let known = core.known.lock().clone();
        let now = core.context.clock.now();
        let Some(mut wanted) = conditions::judge(&cluster, &known, &member, now) else {
            continue;
        };
        let listed = known.nodes_listed && known.pods_listed;
        let numbers = count(&mut wanted, &member, listed, numbers_due);
        if wanted == current {
            continue;
        }
        match write(&core, &current, &wanted).await {
            Ok(cluster) => {
                if numbers {
                    numbers_at = Some(Instant::now());
                }
                written = Some(cluster);
            }
            Err(error) if error.is_not_leader() => {}
            Err(error) => {
                tracing::warn!(cluster = %core.name, %error, "failed to write the status of the cluster");
                tokio::time::sleep(LOOK).await;
            }
        }
    }
}

/// What the watch brought, or what our own write answered, whichever is newer.
fn newest(seen: &api::Cluster, written: Option<&api::Cluster>) -> api::Cluster {
    let version = |cluster: &api::Cluster| cluster.metadata.resource_version.clone().unwrap_or_default();
    match written {
        Some(written)
            if written.metadata.uid == seen.metadata.uid && is_older(&version(seen), &version(written)) =>
        {
            api::Cluster {
                status: written.status.clone(),
                ..seen.clone()
            }
        }
        _ => seen.clone(),
    }
}

/// Puts the numbers in, if they are known and it is time. Whether any moved.
fn count(status: &mut ClusterStatus, member: &Member, listed: bool, due: bool) -> bool {
    if member.reach == Reach::Unreachable {
        // Old numbers are never shown as new.
        status.nodes = None;
        for amounts in [
            &mut status.allocatable,
            &mut status.requested,
            &mut status.idle,
            &mut status.largest_gap,
        ] {
            amounts.clear();
        }
        return false;
    }
    if !listed || !(due || status.nodes.is_none()) {
        return false;
    }
    let nodes = NodeCount {
        ready: member.nodes.ready,
        total: member.nodes.total,
    };
    let next = [
        (member.allocatable, true),
        (member.requested, true),
        (member.allocatable.minus(member.requested), true),
        (member.largest_gap, false),
    ]
    .map(|(resources, with_pods)| amounts(resources, with_pods));
    let current = [
        &status.allocatable,
        &status.requested,
        &status.idle,
        &status.largest_gap,
    ];
    let moved = current
        .into_iter()
        .zip(&next)
        .any(|(old, new)| have_moved(old, new));
    if !moved && status.nodes == Some(nodes) {
        return false;
    }
    status.nodes = Some(nodes);
    [
        status.allocatable,
        status.requested,
        status.idle,
        status.largest_gap,
    ] = next;
    true
}

fn amounts(resources: Resources, with_pods: bool) -> api::Resources {
    let signed = |amount: u64| i64::try_from(amount).unwrap_or(i64::MAX);
    let mut amounts = api::Resources::from([
        ("cpu".to_owned(), Amount::from_milli(signed(resources.cpu_milli))),
        ("memory".to_owned(), Amount::from_bytes(signed(resources.memory))),
    ]);
    if with_pods {
        amounts.insert("pods".to_owned(), Amount::from_units(signed(resources.pods)));
    }
    amounts
}

/// Whether any amount differs by 5 % of what is shown.
fn have_moved(old: &api::Resources, new: &api::Resources) -> bool {
    old.len() != new.len()
        || new
            .iter()
            .any(|(name, new)| new.has_moved_from(old.get(name).copied().unwrap_or_default()))
}

async fn write(
    core: &Core,
    current: &ClusterStatus,
    wanted: &ClusterStatus,
) -> Result<api::Cluster, wire::Error> {
    let context = &core.context;
    let clusters: Api<api::Cluster> = Api::all(context.hub.client());
    let params = PatchParams {
        field_manager: Some(context.manager.clone()),
        ..PatchParams::default()
    };
    let patch = json!({"status": difference(current, wanted)});
    clusters
        .patch_status(&core.name, &params, &Patch::Merge(&patch))
        .await
        .map_err(|source| wire::Error::call(format!("write the status of cluster {}", core.name), source))
}

/// A merge patch of the fields that differ; what is left out now is null.
fn difference(current: &ClusterStatus, wanted: &ClusterStatus) -> Value {
    let object = |status: &ClusterStatus| match serde_json::to_value(status) {
        Ok(Value::Object(object)) => object,
        _ => Map::new(),
    };
    let (current, mut wanted) = (object(current), object(wanted));
    let gone: Vec<_> = current
        .keys()
        .filter(|name| !wanted.contains_key(*name))
        .cloned()
        .collect();
    wanted.retain(|name, value| current.get(name) != Some(value));
    wanted.extend(gone.into_iter().map(|name| (name, Value::Null)));
    Value::Object(wanted)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::model::fleet::Nodes;

    fn member(cpu_milli: u64) -> Member {
        Member {
            reach: Reach::Reachable,
            nodes: Nodes { ready: 3, total: 3 },
            allocatable: Resources {
                cpu_milli: 10_000,
                memory: 1 << 30,
                pods: 100,
            },
            requested: Resources {
                cpu_milli,
                memory: 1 << 20,
                pods: 10,
            },
            ..Member::unheard("m".parse().unwrap())
        }
    }

    #[rstest]
    #[case::the_first_numbers(0, true, true)]
    #[case::a_small_change(1_020, true, false)]
    #[case::five_percent(1_060, true, true)]
    #[case::too_soon(9_000, false, false)]
    fn numbers_move_on_five_percent_and_not_too_often(
        #[case] cpu: u64,
        #[case] due: bool,
        #[case] moves: bool,
    ) {
        let mut status = ClusterStatus::default();
        if cpu > 0 {
            count(&mut status, &member(1_000), true, true);
        }
        assert_eq!(count(&mut status, &member(cpu), true, due), moves);
    }

    #[test]
    fn numbers_of_a_member_that_is_not_heard_of_are_taken_away() {
        let mut status = ClusterStatus::default();
        count(&mut status, &member(1_000), true, true);
        let shown = status.clone();
        count(
            &mut status,
            &Member {
                reach: Reach::Unreachable,
                ..member(1_000)
            },
            true,
            true,
        );
        assert_eq!(status, ClusterStatus::default());
        let patch = difference(&shown, &status);
        assert!(patch["allocatable"].is_null() && patch.as_object().unwrap().contains_key("allocatable"));
    }

    #[test]
    fn numbers_written_before_a_restart_stay_until_the_lists_are_complete() {
        let mut status = ClusterStatus::default();
        count(&mut status, &member(1_000), true, true);
        let before = status.clone();
        count(&mut status, &member(0), false, true);
        assert_eq!(status, before);
    }
}
