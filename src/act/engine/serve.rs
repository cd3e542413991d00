//! Putting the hub together, and taking it down in order.

use std::{sync::Arc, time::Duration};

use dashmap::{DashMap, DashSet};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::{Api, Config, ResourceExt};
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};

use super::assumed::Assumed;
use super::{
    election::{self, LeaseTimes, Outcome},
    engine::Engine,
    error::Error,
    index::Index,
    lanes::Lanes,
    reconcile,
    removals::Removing,
    status::{self, Buckets},
    templates::TemplateWatches,
};
use crate::{
    act::{
        enforce::Enforcer,
        fleet::{Change, Claim, Fleet, FleetConfig, KubeconfigTransport, discover},
        propagate::{Events, Ledger},
        wire::{Backlog, Dial, Error as WireError, Gate, HubIdentity, Queue, Stack, Tasks},
    },
    model::{
        clock::Clock,
        fleet::{BindingKey, Reach},
        mark,
        name::ClusterName,
    },
    telemetry::metrics,
};

/// How the hub is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The hub API.
    pub hub: Config,
    /// How it and the members are reached.
    pub dial: Dial,
    /// How leadership is held.
    pub lease: LeaseTimes,
    /// Name of this process in the Lease and in events.
    pub identity: String,
    /// Time.
    pub clock: Clock,
    /// Told what the hub still waits for; empty when it is ready.
    pub waiting: watch::Sender<Vec<String>>,
    /// Workloads that may leave lost members within an hour.
    pub max_failovers: u32,
}

impl Options {
    /// What `max_failovers` is unless somebody says otherwise.
    pub const MAX_FAILOVERS: u32 = 100;
}

/// Members that are swept at one time.
const SWEEPERS: usize = 4;
/// Shutting down takes no longer than this.
const DRAIN: Duration = Duration::from_secs(8);
/// From room that appears to its use: pods go one by one.
const ROOM: Duration = Duration::from_millis(500);
/// Members that change within this time of each other are looked at together: each look is at every binding, and at the
/// start a hundred members become reachable one after the other.
const MEMBERS_AT_ONCE: Duration = Duration::from_millis(250);
/// Between two tries to begin.
const BEGIN_AGAIN: Duration = Duration::from_secs(2);
/// Members are watched for exactly what bindings need; what is no longer needed ends within this time.
const ARRANGE_AGAIN: Duration = Duration::from_secs(30);
/// The hub API's kinds are looked at again this often, besides when a CRD changes.
const DISCOVER_AGAIN: Duration = Duration::from_mins(10);
/// From a change of a custom resource definition until discovery says so; changes that come together count once.
const DEFINED: Duration = Duration::from_millis(1500);

/// Runs the hub until `stop` resolves, then drains. A hub API that is silent or overburdened at the start is waited for.
/// When it is restored from a backup meanwhile everything that was known is dropped and the hub begins anew, as a process
/// that has just started. Dropped before, it ends at once, wherever it stands.
///
/// # Errors
/// What waiting does not mend: nothing is installed, rights are missing, the certificate is not accepted.
pub async fn serve(options: Options, stop: impl Future<Output = ()>) -> Result<(), Error> {
    let mut stop = std::pin::pin!(stop);
    let mut restored = false;
    loop {
        match live(&options, stop.as_mut()).await {
            Ok(Ended::Asked) => return Ok(()),
            Ok(Ended::Restored) => {
                restored = true;
                tracing::warn!(
                    "the hub API was restored from a backup: it counts from an older version; beginning anew"
                );
            }
            // It may not be all there yet; who runs the hub was told of mistakes when it first started.
            Err(error) if restored || error.may_pass() => {
                tracing::warn!(%error, "failed to begin; trying again");
                tokio::select! {
                    () = stop.as_mut() => return Ok(()),
                    () = tokio::time::sleep(BEGIN_AGAIN) => {}
                }
            }
            Err(error) => return Err(error),
        }
    }
}

/// Why a hub ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Asked,
    Restored,
}

/// One life of the hub: from what the hub API says to the end.
async fn live(options: &Options, mut stop: impl Future<Output = ()> + Unpin) -> Result<Ended, Error> {
    let Options {
        hub: config,
        dial,
        lease,
        identity,
        clock,
        waiting,
        max_failovers,
    } = options.clone();
    let config = &config;
    let gate = Gate::closed(lease.duration.saturating_sub(lease.renew_deadline));
    let ungated = dial.stack(config, Gate::always_open())?;
    let hub = dial.stack(config, gate.clone())?;
    waiting.send_replace(vec!["the hub API".to_owned()]);
    let claim = tokio::select! {
        () = &mut stop => return Ok(Ended::Asked),
        claim = who_am_i(&ungated) => claim?,
    };
    let (id, manager) = (claim.hub.clone(), claim.manager());
    let me = HubIdentity { id, manager };
    tracing::info!(hub = %me.id, manager = %me.manager, "starting");

    let tasks = Tasks::default();
    let writers = Tasks::default();
    // A hub that is dropped instead of stopped leaves nothing running, as if its process had been killed.
    let _whole = (tasks.guard(), writers.guard());
    let (leading, led) = watch::channel(false);
    let (activate, active) = watch::channel(false);
    let (restore, mut restored) = watch::channel(false);
    let (fleet, changes) = Fleet::new(FleetConfig {
        claim,
        hub: hub.clone(),
        gate: gate.clone(),
        clock: clock.clone(),
        tasks: tasks.child(),
        transport: Arc::new(KubeconfigTransport::new(dial)),
    });
    let engine = Arc::new(Engine {
        events: Events::start(&hub, clock.clone(), identity.clone(), &tasks),
        enforcer: Enforcer::new(me.clone()),
        hub,
        me,
        clock: clock.clone(),
        tasks: tasks.clone(),
        fleet,
        index: Index::default(),
        ledger: Ledger::default(),
        backlog: Backlog::default(),
        queue: Queue::default(),
        status: Queue::default(),
        policies: Queue::default(),
        overrides: Queue::default(),
        kind_rules: Queue::default(),
        tenants: Queue::default(),
        sweeps: Queue::default(),
        lanes: Lanes::default(),
        removing: Removing::default(),
        scheduling: DashMap::new(),
        assumed: Assumed::new(max_failovers),
        waiting: DashSet::new(),
        active,
        kinds: Arc::default(),
        definitions: Arc::default(),
    });

    let campaign = election::run(
        ungated.clone(),
        gate.clone(),
        identity.clone(),
        lease,
        clock,
        writers.clone(),
        Outcome {
            leading,
            restored: restore,
        },
    );
    writers.spawn("election", campaign);
    tasks.spawn("changes", engine.clone().changes_loop(changes));
    let sources = engine.follow_hub()?;
    let templates = engine.clone().work(&tasks);
    let activation = engine
        .clone()
        .activation_loop(sources, templates, led, activate, waiting);
    tasks.spawn("activation", activation);

    let asked = tokio::select! {
        () = stop => true,
        () = async { drop(restored.wait_for(|restored| *restored).await) } => false,
    };
    if !asked {
        // Nothing more is written on what is known now: the gate is closed.
        tasks.stop();
        let _ = tasks.join(DRAIN).await;
        return Ok(Ended::Restored);
    }
    end(&engine, &tasks, &writers, &gate).await;
    let _ = tokio::time::timeout(Duration::from_secs(1), election::release(&ungated, &identity)).await;
    Ok(Ended::Asked)
}

/// What is begun is brought to its end, then nothing is written any more.
async fn end(engine: &Engine, tasks: &Tasks, writers: &Tasks, gate: &Gate) {
    tracing::info!("stopping");
    engine.drain().await;
    tasks.stop();
    if !tasks.join(DRAIN / 2).await {
        tracing::warn!("some work was cut off; the next leader repeats it");
    }
    gate.close();
    writers.stop();
    let _ = writers.join(Duration::from_secs(1)).await;
}

/// The hub id travels with the hub API's backup; the uid of its kube-system does not.
async fn who_am_i(hub: &Stack) -> Result<Claim, Error> {
    let maps: Api<ConfigMap> = Api::namespaced(hub.client(), mark::SYSTEM_NAMESPACE);
    let map = maps
        .get_opt(mark::HUB_IDENTITY)
        .await
        .map_err(|source| WireError::call("read the hub's identity", source))?;
    let id = map
        .and_then(|map| map.data?.get("id").cloned())
        .filter(|id| !id.is_empty())
        .ok_or_else(|| Error::NotInstalled {
            what: format!("ConfigMap {}/{}", mark::SYSTEM_NAMESPACE, mark::HUB_IDENTITY),
        })?;
    let namespaces: Api<Namespace> = Api::all(hub.client());
    let system = namespaces
        .get("kube-system")
        .await
        .map_err(|source| WireError::call("read namespace kube-system", source))?;
    Ok(Claim {
        hub: id,
        api: system.uid().unwrap_or_default(),
    })
}

impl Engine {
    /// Starts everything that takes work from a queue.
    fn work(self: Arc<Self>, tasks: &Tasks) -> Arc<TemplateWatches> {
        let templates = Arc::new(TemplateWatches::default());
        tasks.spawn("kinds", self.clone().kinds_loop(templates.clone()));
        for _ in 0..reconcile::WORKERS {
            tasks.spawn("reconcile", self.clone().reconcile_loop());
        }
        let buckets = Arc::<Buckets>::default();
        for _ in 0..status::WORKERS {
            tasks.spawn("status", self.clone().status_loop(buckets.clone()));
        }
        tasks.spawn("policies", self.clone().policies_loop());
        tasks.spawn("overrides", self.clone().overrides_loop());
        tasks.spawn("kind rules", self.clone().kind_rules_loop());
        tasks.spawn("tenants", self.clone().tenants_loop());
        for _ in 0..SWEEPERS {
            tasks.spawn("sweep", self.clone().sweep_loop());
        }
        templates
    }

    /// Decides only when every first list is complete and this process leads.
    async fn activation_loop(
        self: Arc<Self>,
        sources: Vec<(&'static str, super::follow::Synced)>,
        templates: Arc<TemplateWatches>,
        mut led: watch::Receiver<bool>,
        activate: watch::Sender<bool>,
        waiting: watch::Sender<Vec<String>>,
    ) {
        let mut arranged = Instant::now();
        loop {
            let mut missing: Vec<String> = sources
                .iter()
                .filter(|(_, synced)| !synced.now())
                .map(|(name, _)| format!("the list of {name}"))
                .collect();
            if self.index.apis.load().kinds.is_empty() {
                missing.push("the kinds of the hub API".to_owned());
            }
            missing.extend(
                templates
                    .waiting(&self.index.kinds_known.load())
                    .into_iter()
                    .map(|kind| format!("the list of {kind}")),
            );
            // A standby is ready to take over: leading is not waited for.
            if *waiting.borrow() != missing {
                waiting.send_replace(missing.clone());
            }
            if missing.is_empty() && arranged.elapsed() > ARRANGE_AGAIN {
                self.arrange_watches();
                arranged = Instant::now();
            }
            let now = *led.borrow() && (missing.is_empty() || *activate.borrow());
            metrics().leader.set((*led.borrow()).into());
            metrics()
                .queue_depth
                .set(self.queue.len().try_into().unwrap_or(i64::MAX));
            metrics()
                .bindings
                .set(self.index.bindings.len().try_into().unwrap_or(i64::MAX));
            self.lanes.show();
            metrics()
                .waiting
                .set(self.waiting.len().try_into().unwrap_or(i64::MAX));
            if activate.send_replace(now) != now {
                tracing::info!(active = now, "deciding");
                if now {
                    self.arrange_watches();
                    self.assume_what_stands();
                    self.look_at_everything();
                }
            }
            tokio::select! {
                _ = led.changed() => {}
                () = tokio::time::sleep(Duration::from_millis(if missing.is_empty() { 500 } else { 20 })) => {}
            }
        }
    }

    fn look_at_everything(&self) {
        for key in self.index.keys(None) {
            self.touch(&key);
            self.queue.add(key);
        }
        // Of those that are gone by now nobody else would say that they need nothing any more.
        for key in self.index.parents() {
            self.queue.add(key);
        }
        for policy in self.index.policies.load().iter() {
            self.policies.add(policy.id.clone());
        }
        for policy in self.index.overrides.load().iter() {
            self.overrides.add(policy.id.clone());
        }
        self.look_at_rules();
        for name in self.index.tenant_names() {
            self.tenants.add(name);
        }
        for cluster in &self.index.clusters {
            self.sweeps.add(cluster.key().clone());
        }
    }

    /// Keeps the hub API's kinds, and a watch for each that policies may select.
    async fn kinds_loop(self: Arc<Self>, templates: Arc<TemplateWatches>) {
        loop {
            match discover(&self.hub.client(), &self.index.apis.load()).await {
                Ok(apis) => {
                    self.index.apis.store(Arc::new(apis));
                    // What they name may be served now, or in another scope.
                    for policy in self.index.policies.load().iter() {
                        self.policies.add(policy.id.clone());
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "failed to discover the kinds of the hub API; trying again");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue;
                }
            }
            let mut until = Instant::now() + DISCOVER_AGAIN;
            loop {
                if let Err(error) = templates.arrange(&self) {
                    tracing::warn!(%error, "failed to watch templates");
                }
                tokio::select! {
                    () = self.kinds.notified() => {}
                    () = self.definitions.notified() => until = until.min(Instant::now() + DEFINED),
                    () = tokio::time::sleep_until(until) => break,
                }
            }
        }
    }

    /// What members say becomes work.
    async fn changes_loop(self: Arc<Self>, mut changes: mpsc::Receiver<Change>) {
        let (mut looked, mut due) = (None::<Instant>, None::<Instant>);
        loop {
            let change = tokio::select! {
                biased;
                () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    (looked, due) = (Some(Instant::now()), None);
                    self.look_at_members();
                    continue;
                }
                change = changes.recv() => match change {
                    Some(change) => change,
                    None => return,
                },
            };
            match change {
                Change::Members => {
                    let now = Instant::now();
                    let next = looked.map_or(now, |looked| (looked + MEMBERS_AT_ONCE).max(now));
                    due.get_or_insert(next);
                }
                Change::Room => {
                    for key in self.waiting.iter() {
                        self.queue.add_after(key.clone(), ROOM);
                    }
                }
                // Objects report their status many times over: that is no reason to look at what they should be.
                Change::Object {
                    key,
                    status_only: true,
                    ..
                } => {
                    for binding in self.claimants(&key) {
                        self.touch(&binding);
                    }
                }
                Change::Object { cluster, key, .. } | Change::Autoscaled { cluster, key } => {
                    for binding in self.claimants(&key) {
                        self.concern(&cluster, &binding);
                    }
                }
                Change::Synced { cluster, kind } => {
                    let keys: Vec<_> = self
                        .index
                        .bindings
                        .iter()
                        .filter(|binding| {
                            binding.has_kind(&kind)
                                && binding.spec.clusters.iter().any(|entry| entry.name == cluster)
                        })
                        .map(|binding| binding.key().clone())
                        .collect();
                    for key in keys {
                        self.concern(&cluster, &key);
                    }
                }
            }
        }
    }

    /// A member came, went, or is another than before: everything may belong elsewhere.
    fn look_at_members(&self) {
        self.arrange_watches();
        let fleet = self.fleet.snapshot();
        for (name, member) in &fleet.members {
            if member.reach != Reach::Reachable {
                self.lanes.wait_no_more(name);
            }
        }
        for key in self.index.keys(None) {
            self.touch(&key);
            self.queue.add(key);
        }
        for member in fleet.members.keys() {
            self.sweeps.add_after(member.clone(), Duration::from_millis(300));
        }
    }

    fn concern(&self, cluster: &ClusterName, key: &BindingKey) {
        if self.index.bindings.contains_key(key) {
            self.lanes.add(cluster, key);
            self.touch(key);
        }
    }

    /// What is already decided is written before the process goes.
    async fn drain(&self) {
        let _ = tokio::time::timeout(DRAIN / 2, async {
            while !(self.backlog.is_empty() && self.queue.is_empty()) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }
}
