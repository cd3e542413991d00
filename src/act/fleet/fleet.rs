//! The registry of members, and the snapshot made of them.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use dashmap::DashMap;
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore, mpsc};

use super::{
    claim::Claim,
    context::{Change, Context},
    credentials,
    member::{Core, Known, MemberHandle},
    probe::Probe,
    supervise,
    transport::{Transport, cluster_name},
};
use crate::{
    act::wire::{Gate, Stack, Tasks},
    model::{
        api::{self, ConditionType, find_condition},
        clock::{Clock, Timestamp},
        fleet::{Held, Member, Nodes, Reach, Snapshot},
        name::{ClusterName, NamespaceName},
    },
    telemetry::metrics,
};

/// Changes that wait for the engine. When it is full the watches wait, and with them the members' sockets: the
/// hub gets slower, never larger.
const CHANGES: usize = 4096;
/// Lists that run at one time, in all members together.
const LISTS: usize = 8;
/// Snapshots are made at most this often.
const SETTLE: Duration = Duration::from_millis(100);

/// What the fleet needs.
#[derive(Debug)]
pub struct FleetConfig {
    /// Who this hub is, as members remember it.
    pub claim: Claim,
    /// The hub API.
    pub hub: Stack,
    /// Whether this hub may write.
    pub gate: Gate,
    /// What time it is.
    pub clock: Clock,
    /// The group all tasks of the fleet belong to.
    pub tasks: Tasks,
    /// The way to members.
    pub transport: Arc<dyn Transport>,
}

/// All members of one hub. Leaders and standbys run it alike: reading is everybody's, writing is the gate's.
#[derive(Debug, Clone)]
pub struct Fleet(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    context: Arc<Context>,
    members: DashMap<ClusterName, Entry>,
    snapshot: ArcSwap<Snapshot>,
    /// Namespaces of the hub API whose Secrets are watched.
    credentials: Mutex<HashSet<NamespaceName>>,
    tasks: Tasks,
}

#[derive(Debug)]
struct Entry {
    core: Arc<Core>,
    tasks: Tasks,
}

impl Fleet {
    /// An empty fleet, and the stream of what changes in it. Who receives must keep receiving: see [`Change`].
    #[must_use]
    pub fn new(config: FleetConfig) -> (Self, mpsc::Receiver<Change>) {
        let FleetConfig {
            claim,
            hub,
            gate,
            clock,
            tasks,
            transport,
        } = config;
        let (changes, receiver) = mpsc::channel(CHANGES);
        let manager = claim.manager();
        let context = Context {
            claim,
            manager,
            hub,
            gate,
            clock,
            transport,
            changes,
            dirty: Notify::new(),
            lists: Arc::new(Semaphore::new(LISTS)),
        };
        let inner = Inner {
            context: Arc::new(context),
            members: DashMap::new(),
            snapshot: ArcSwap::default(),
            credentials: Mutex::default(),
            tasks,
        };
        let fleet = Self(Arc::new(inner));
        fleet.0.tasks.spawn("snapshot", fleet.clone().keep_snapshot());
        (fleet, receiver)
    }

    /// A Cluster object as it is now. Connects to a member that is new, and connects anew when the way to it
    /// has changed. Giving the same object again is free.
    pub fn set(&self, cluster: Arc<api::Cluster>) {
        let name = match cluster_name(&cluster) {
            Ok(name) => name,
            Err(error) => return tracing::warn!(%error, "cluster is not registered"),
        };
        self.watch_credentials(&cluster);
        let known = self.0.members.get(&name).map(|entry| entry.core.clone());
        if let Some(core) = known {
            let old = core.cluster.swap(cluster.clone());
            if old.metadata.uid == cluster.metadata.uid {
                if old.spec.connection != cluster.spec.connection {
                    core.reconnect.notify_one();
                }
                if *old != *cluster {
                    core.touch();
                }
                return;
            }
            // Deleted and made again under the same name: nothing known of the old one counts.
            self.remove(&name);
        }
        let core = Arc::new(Core::new(name.clone(), self.0.context.clone(), cluster));
        let tasks = self.0.tasks.child();
        supervise::start(&core, &tasks);
        self.0.members.insert(name, Entry { core, tasks });
        self.0.context.dirty.notify_one();
    }

    /// Forgets a member whose Cluster object is gone.
    pub fn remove(&self, name: &ClusterName) {
        if let Some((_, entry)) = self.0.members.remove(name) {
            entry.tasks.stop();
            entry.core.wire.store(None);
            metrics().forget(&entry.core.label());
            self.0.context.dirty.notify_one();
        }
    }

    /// The whole fleet as it was at most a moment ago.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.0.snapshot.load_full()
    }

    /// A member that there is a connection to. `None` also for members whose credential can't be used.
    #[must_use]
    pub fn member(&self, name: &ClusterName) -> Option<Arc<MemberHandle>> {
        let core = self.0.members.get(name)?.core.clone();
        let wire = core.wire.load_full()?;
        Some(Arc::new(MemberHandle { core, wire }))
    }

    pub(super) fn hub(&self) -> &Stack {
        &self.0.context.hub
    }

    fn watch_credentials(&self, cluster: &api::Cluster) {
        let Some(at) = &cluster.spec.connection.kubeconfig_secret else {
            return;
        };
        if self.0.credentials.lock().insert(at.namespace.clone()) {
            self.0.tasks.spawn(
                "credentials",
                credentials::keep(self.clone(), at.namespace.clone()),
            );
        }
    }

    /// A Secret has this version now; members that were connected with another one connect anew.
    pub(super) fn credential_is(&self, namespace: &NamespaceName, name: &str, version: Option<&str>) {
        for entry in &self.0.members {
            let core = &entry.core;
            let cluster = core.cluster.load();
            let at = cluster.spec.connection.kubeconfig_secret.as_ref();
            let is_it = at.is_some_and(|at| at.namespace == *namespace && at.name == *name);
            if is_it && core.credential.lock().as_deref() != version {
                core.reconnect.notify_one();
            }
        }
    }

    async fn keep_snapshot(self) {
        loop {
            self.0.context.dirty.notified().await;
            let old = self.0.snapshot.load_full();
            let new = self.take_snapshot(&old);
            let decisive = old.members.len() != new.members.len()
                || old
                    .members
                    .iter()
                    .zip(&new.members)
                    .any(|((_, old), (_, new))| !old.decides_alike(new));
            let room = new.members.iter().any(|(name, new)| {
                let old = old.members.get(name);
                old.is_none_or(|old| new.has_more_room_than(old))
            });
            self.0.snapshot.store(Arc::new(new));
            metrics().snapshots.inc();
            if decisive {
                // The engine is gone only when everything is shutting down.
                let _ = self.0.context.changes.send(Change::Members).await;
            } else if room {
                let _ = self.0.context.changes.send(Change::Room).await;
            }
            tokio::time::sleep(SETTLE).await;
        }
    }

    fn take_snapshot(&self, old: &Snapshot) -> Snapshot {
        let mut members: BTreeMap<ClusterName, Member> = BTreeMap::new();
        let mut cores: Vec<Arc<Core>> = self.0.members.iter().map(|entry| entry.core.clone()).collect();
        // The older object has the member, should two name the same one.
        cores.sort_by_key(|core| {
            let cluster = core.cluster.load();
            (
                cluster.metadata.creation_timestamp.clone().map(|time| time.0),
                core.name.clone(),
            )
        });
        let mut identities: BTreeMap<String, ClusterName> = BTreeMap::new();
        for core in cores {
            let mut member = core.as_member();
            if let Some(identity) = &member.identity {
                let first = identities
                    .entry(identity.clone())
                    .or_insert_with(|| core.name.clone());
                if *first != core.name && member.held.is_none() {
                    member.held = Some(Held::Duplicate { of: first.clone() });
                }
            }
            members.insert(core.name.clone(), member);
        }
        let reuse = |(name, member): (ClusterName, Member)| {
            let same = old.members.get(&name).filter(|old| ***old == member).cloned();
            (name, same.unwrap_or_else(|| Arc::new(member)))
        };
        Snapshot {
            members: members.into_iter().map(reuse).collect(),
        }
    }
}

impl Core {
    /// The member as a value.
    pub(super) fn as_member(&self) -> Member {
        let cluster = self.cluster.load();
        let known = self.known.lock().clone();
        let (sums, room) = {
            let mut facts = self.facts.lock();
            (facts.sums(), facts.room())
        };
        let listed = known.nodes_listed && known.pods_listed;
        let spec = &cluster.spec;
        // Of half the nodes it would be another place.
        let placed = |place: Option<String>| place.filter(|_| known.nodes_listed);
        Member {
            labels: cluster.metadata.labels.clone().unwrap_or_default(),
            region: spec.region.clone().or(placed(sums.region)),
            zone: spec.zone.clone().or(placed(sums.zone)),
            provider: spec.provider.clone(),
            taints: spec.all_taints(),
            leaving: cluster.metadata.deletion_timestamp.is_some(),
            reach: known.probe.reach,
            lost: lost_since(&known.probe, cluster.status.as_ref()),
            unready: unready_since(&known, sums.nodes, cluster.status.as_ref()),
            held: known.held,
            version: known.version,
            identity: known.identity,
            nodes: sums.nodes,
            allocatable: sums.allocatable,
            requested: sums.requested,
            largest_gap: sums.largest_gap,
            room: listed.then_some(room),
            apis: self.apis.load_full(),
            ..Member::unheard(self.name.clone())
        }
    }
}

/// Since when a member does not answer. What its Cluster says counts when it said so before: a hub that starts anew does
/// not start the clock anew.
fn lost_since(probe: &Probe, status: Option<&api::ClusterStatus>) -> Option<Timestamp> {
    if probe.reach != Reach::Unreachable {
        return None;
    }
    let told = status.and_then(|status| find_condition(&status.conditions, ConditionType::Reachable));
    let told = told
        .filter(|condition| condition.status == "False")
        .map(|condition| condition.last_transition_time.0);
    [probe.since, told].into_iter().flatten().min()
}

/// Since when a member that answers has nodes and none of them is ready: as its Cluster says, so that it is the same over
/// restarts of the hub, and only while that is still so.
fn unready_since(known: &Known, nodes: Nodes, status: Option<&api::ClusterStatus>) -> Option<Timestamp> {
    let answers = matches!(known.probe.reach, Reach::Reachable | Reach::Suspect);
    if !answers || !known.nodes_listed || !nodes.none_ready() {
        return None;
    }
    let told = find_condition(&status?.conditions, ConditionType::NodesReady)?;
    (told.status == "False").then_some(told.last_transition_time.0)
}
