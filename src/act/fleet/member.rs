//! One member: what is known of it, which outlives its connection, and the handle others hold.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use arc_swap::{ArcSwap, ArcSwapOption};
use kube::api::ApiResource;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use super::{
    Error,
    context::{Change, Context},
    facts::Facts,
    objects::{self, Objects, Stream},
    openapi::Documents,
    probe::{Probe, Trouble},
    scalers::Scalers,
    token::TokenTimes,
    watches::{self, WatchScope, Watches},
};
use crate::{
    act::wire::{Lane, Observed, Stack, Tasks},
    model::{
        api,
        fleet::{Apis, Held, ObjectRow, Reach},
        hash::Hash,
        name::{ClusterName, GroupKind, GroupVersionKind, NamespaceName, ObjectKey},
        schema::SchemaRef,
    },
    telemetry,
};

/// What is known of a member. It stays when the connection is made anew.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) name: ClusterName,
    pub(super) context: Arc<Context>,
    /// The Cluster object as last seen.
    pub(super) cluster: ArcSwap<api::Cluster>,
    pub(super) known: Mutex<Known>,
    pub(super) apis: ArcSwap<Apis>,
    pub(super) facts: Mutex<Facts>,
    pub(super) objects: Objects,
    pub(super) scalers: Scalers,
    pub(super) documents: Documents,
    pub(super) wanted: Mutex<BTreeMap<GroupKind, WatchScope>>,
    pub(super) lane: Lane,
    pub(super) wire: ArcSwapOption<Wire>,
    /// Asks for another connection: the credential or the address changed.
    pub(super) reconnect: Notify,
    /// resourceVersion of the Secret the connection was made of.
    pub(super) credential: Mutex<Option<String>>,
    /// Something that the Cluster's status shows has changed.
    pub(super) status: Notify,
    returned: watch::Sender<u64>,
    answering: AtomicBool,
}

/// What is known beside the tables.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    pub(super) probe: Probe,
    pub(super) held: Option<Held>,
    /// Why there is no connection at all.
    pub(super) trouble: Option<Trouble>,
    pub(super) version: Option<String>,
    pub(super) identity: Option<String>,
    pub(super) join_version: Option<u32>,
    pub(super) token: Option<TokenTimes>,
    /// Both lists have been complete once: the sums mean something.
    pub(super) nodes_listed: bool,
    pub(super) pods_listed: bool,
    /// Namespaces that the hub made, nobody needs, and that stay; and why. `None` until they were looked through.
    pub(super) kept: Option<BTreeMap<NamespaceName, String>>,
}

/// One connection and what lives and dies with it.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) stack: Stack,
    pub(super) tasks: Tasks,
    pub(super) watches: Mutex<Watches>,
    streams_lists: AtomicBool,
    judged: AtomicBool,
}

impl Wire {
    pub(super) fn new(stack: Stack, tasks: Tasks) -> Self {
        Self {
            stack,
            tasks,
            watches: Mutex::default(),
            streams_lists: AtomicBool::new(false),
            judged: AtomicBool::new(false),
        }
    }

    /// Whether the server sends initial lists as watch events.
    pub(super) fn streams_lists(&self) -> bool {
        self.streams_lists.load(Ordering::Relaxed)
    }

    /// The server refused to.
    pub(super) fn no_streamed_lists(&self) {
        self.streams_lists.store(false, Ordering::Relaxed);
    }

    /// `WatchList` is on by default in 1.32 and, for good, since 1.34 (KEP-3157).
    /// Judged once: a server that has refused is not asked again on this connection.
    pub(super) fn judge_version(&self, version: &str) {
        if self.judged.swap(true, Ordering::Relaxed) {
            return;
        }
        let minor = version
            .trim_start_matches("v1.")
            .split(['.', '+', '-'])
            .next()
            .and_then(|part| part.parse().ok());
        let streams =
            version.starts_with("v1.") && minor.is_some_and(|minor: u32| minor >= 34 || minor == 32);
        self.streams_lists.store(streams, Ordering::Relaxed);
    }
}

impl Core {
    pub(super) fn new(name: ClusterName, context: Arc<Context>, cluster: Arc<api::Cluster>) -> Self {
        Self {
            name,
            context,
            cluster: ArcSwap::new(cluster),
            // Whose member it is must be read before anything may be written there.
            known: Mutex::new(Known {
                held: Some(Held::Unverified),
                ..Known::default()
            }),
            apis: ArcSwap::default(),
            facts: Mutex::default(),
            objects: Objects::default(),
            scalers: Scalers::default(),
            documents: Documents::default(),
            wanted: Mutex::default(),
            lane: Lane::default(),
            wire: ArcSwapOption::empty(),
            reconnect: Notify::new(),
            credential: Mutex::default(),
            status: Notify::new(),
            returned: watch::Sender::new(0),
            answering: AtomicBool::new(false),
        }
    }

    /// Changes what is known; snapshot and status follow.
    pub(super) fn learn(&self, change: impl FnOnce(&mut Known)) {
        change(&mut self.known.lock());
        self.touch();
    }

    /// Snapshot and status are to be made anew.
    pub(super) fn touch(&self) {
        self.context.dirty.notify_one();
        self.status.notify_one();
    }

    /// Changes whenever the member answers for the first time, or again after it was unreachable.
    pub(super) fn returns(&self) -> watch::Receiver<u64> {
        self.returned.subscribe()
    }

    /// Whether its probes are answered.
    pub(super) fn is_answering(&self) -> bool {
        self.answering.load(Ordering::Relaxed)
    }

    /// Takes what the probes say; those who wait for [`Self::returns`] begin when it answers.
    pub(super) fn answers(&self, reach: Reach) {
        match reach {
            Reach::Unreachable => self.answering.store(false, Ordering::Relaxed),
            Reach::Reachable if !self.answering.swap(true, Ordering::Relaxed) => {
                self.objects.unsync_all();
                self.returned.send_modify(|times| *times += 1);
            }
            _ => {}
        }
    }

    /// A number within ± 1 that differs by member and turn, so that members are not asked in step.
    pub(super) fn jitter(&self, turn: u64) -> f64 {
        let hash = Hash::of_bytes(format!("{} {turn}", self.name).as_bytes()).short(4);
        f64::from(u32::from_str_radix(&hash, 16).unwrap_or_default()) / 32_768.0 - 1.0
    }

    /// Its label in metrics.
    pub(super) fn label(&self) -> telemetry::Member {
        telemetry::Member::named(&self.name)
    }

    pub(super) async fn send(&self, change: Change) {
        // The engine is gone only when everything is shutting down.
        let _ = self.context.changes.send(change).await;
    }
}

/// A member, for the rooms that read and write it. Cheap; take it anew for each pass.
#[derive(Debug, Clone)]
pub struct MemberHandle {
    pub(super) core: Arc<Core>,
    pub(super) wire: Arc<Wire>,
}

impl MemberHandle {
    /// Name of its Cluster object.
    #[must_use]
    pub fn name(&self) -> &ClusterName {
        &self.core.name
    }

    /// Its connections.
    #[must_use]
    pub fn stack(&self) -> &Stack {
        &self.wire.stack
    }

    /// How much work it is given at a time.
    #[must_use]
    pub fn lane(&self) -> &Lane {
        &self.core.lane
    }

    /// The kinds it serves.
    #[must_use]
    pub fn apis(&self) -> Arc<Apis> {
        self.core.apis.load_full()
    }

    /// How to address a kind: at this version if it is served, else at the member's preferred one.
    #[must_use]
    pub fn resource(&self, gvk: &GroupVersionKind) -> Option<ApiResource> {
        resource(&self.core.apis.load(), &gvk.group_kind(), Some(&gvk.version))
    }

    /// Sees to it that the kind is watched at least there. Asking again is free.
    pub fn watch_kind(&self, kind: &GroupKind, scope: WatchScope) {
        let changed = match self.core.wanted.lock().entry(kind.clone()) {
            std::collections::btree_map::Entry::Vacant(free) => {
                free.insert(scope);
                true
            }
            std::collections::btree_map::Entry::Occupied(mut wanted) => wanted.get_mut().widen(scope),
        };
        if changed {
            watches::arrange(&self.core, &self.wire);
        }
    }

    /// Ends the watches of all other kinds, and in all other namespaces, and begins those that are missing.
    pub fn retain_kinds(&self, wanted: BTreeMap<GroupKind, WatchScope>) {
        {
            let mut current = self.core.wanted.lock();
            if *current == wanted {
                return;
            }
            *current = wanted;
        }
        watches::arrange(&self.core, &self.wire);
    }

    /// Ends the watch of a kind and forgets its rows.
    pub fn unwatch(&self, kind: &GroupKind) {
        if self.core.wanted.lock().remove(kind).is_some() {
            watches::arrange(&self.core, &self.wire);
        }
    }

    /// Whether a list of the kind (everywhere, or in the namespace) was complete since the member was last
    /// connected to. Only then does a missing row mean a missing object.
    #[must_use]
    pub fn is_synced(&self, kind: &GroupKind, namespace: Option<&NamespaceName>) -> bool {
        self.core.objects.is_synced(kind, namespace)
    }

    /// The object as last seen.
    #[must_use]
    pub fn row(&self, key: &ObjectKey) -> Option<Arc<ObjectRow>> {
        self.core.objects.row(key)
    }

    /// Hash of what managers other than hubs have in the object, as last seen.
    #[must_use]
    pub fn others(&self, key: &ObjectKey) -> Option<Hash> {
        self.core.objects.others(key)
    }

    /// All objects with the label of this binding.
    #[must_use]
    pub fn rows_of_binding(&self, binding: &str) -> Vec<(ObjectKey, Arc<ObjectRow>)> {
        self.core
            .objects
            .rows(|_, row| row.binding.as_deref() == Some(binding))
    }

    /// All objects that carry the hub's label, to find orphans among them.
    pub fn for_each_row(&self, mut visit: impl FnMut(&ObjectKey, &ObjectRow)) {
        for (key, row) in self.core.objects.rows(|_, _| true) {
            visit(&key, &row);
        }
    }

    /// Takes up which namespaces that the hub made stay though nobody needs them, and why: the Cluster says so.
    pub fn note_kept(&self, kept: BTreeMap<NamespaceName, String>) {
        if self.core.known.lock().kept.as_ref() != Some(&kept) {
            self.core.learn(|known| known.kept = Some(kept));
        }
    }

    /// Folds what a write of the hub answered at once, without waiting for the watch to show it.
    pub fn note_written(&self, key: &ObjectKey, observed: &Observed) {
        let row = objects::row_of(&key.group_kind(), observed, &self.core.context.manager);
        self.core.objects.wrote(key, row, observed.managers.others);
    }

    /// Folds that a live read found nothing where a row with this uid was.
    pub fn note_absent(&self, key: &ObjectKey, uid: &str) {
        self.core.objects.absent(key, uid);
    }

    /// Whether a `HorizontalPodAutoscaler` or a KEDA `ScaledObject` in the member scales this workload.
    #[must_use]
    pub fn autoscaled(&self, key: &ObjectKey) -> bool {
        self.core.scalers.targets(key)
    }

    /// Whether [`Self::autoscaled`] is to be believed when it says no.
    #[must_use]
    pub fn is_autoscaling_synced(&self) -> bool {
        self.core.scalers.is_synced()
    }

    /// The schema of a kind as the member publishes it. `None` when it publishes none.
    pub async fn schema(&self, gvk: &GroupVersionKind) -> Result<Option<SchemaRef>, Error> {
        self.core
            .documents
            .schema(&self.wire.stack.client(), &self.core.name, gvk)
            .await
    }

    /// The watches that are running, for diagnosis.
    #[must_use]
    pub fn watched(&self) -> HashSet<(GroupKind, Option<NamespaceName>)> {
        let watches = self.wire.watches.lock();
        watches
            .running()
            .map(|Stream { kind, namespace }| (kind.clone(), namespace.clone()))
            .collect()
    }
}

/// How to address a kind.
pub(super) fn resource(apis: &Apis, kind: &GroupKind, version: Option<&str>) -> Option<ApiResource> {
    let served = apis.kind(kind)?;
    let version = match version {
        Some(version) => served.version_or_preferred(version)?,
        None => served.versions.first()?,
    };
    let gvk = kube::core::GroupVersionKind::gvk(&kind.group, version, &kind.kind);
    Some(ApiResource::from_gvk_with_plural(&gvk, &served.plural))
}
