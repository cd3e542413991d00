//! When each Deployment was seen where: watches of the bench's own, so that the hub is not its own witness.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{ApiResource, NotUsed, Object};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::task::AbortHandle;

use crate::Failed;

/// Of a Deployment only what is measured.
type Slim = Object<NotUsed, Counts>;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Counts {
    observed_generation: i64,
    ready_replicas: i64,
}

/// What was seen of one Deployment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sighting {
    /// Per member: first seen there.
    pub(crate) there: Vec<Option<Instant>>,
    /// Per member: its controller there has first observed it.
    pub(crate) observed: Vec<Option<Instant>>,
    /// Per member: its pod first ready there.
    pub(crate) ready: Vec<Option<Instant>>,
    /// The template at the hub first said that it was observed, which the hub says when it was in every member.
    pub(crate) told: Option<Instant>,
    /// The template at the hub first showed as many ready replicas as there are members.
    pub(crate) back: Option<Instant>,
}

impl Sighting {
    fn nothing(members: usize) -> Self {
        Self {
            there: vec![None; members],
            observed: vec![None; members],
            ready: vec![None; members],
            told: None,
            back: None,
        }
    }
}

#[derive(Debug, Default)]
struct State {
    sightings: HashMap<String, Sighting>,
    /// Per control plane, the hub last: what exists now.
    present: Vec<HashSet<String>>,
}

/// Follows the Deployments of one namespace in every member and at the hub.
#[derive(Debug)]
pub(crate) struct Board {
    members: usize,
    state: Arc<Mutex<State>>,
    watches: Vec<AbortHandle>,
}

/// How often a condition is looked at. What counts are the times that were noted, not when they are looked at.
const LOOK: Duration = Duration::from_millis(20);

impl Board {
    /// `clients`: every member's, then the hub's. They must not give up on a watch that is silent.
    #[allow(
        clippy::disallowed_methods,
        reason = "the bench is not the hub: its tasks end with it"
    )]
    pub(crate) fn follow(clients: Vec<Client>, namespace: &str) -> Self {
        let members = clients.len() - 1;
        let state = Arc::new(Mutex::new(State {
            present: vec![HashSet::new(); clients.len()],
            ..State::default()
        }));
        let watch = |(plane, client)| {
            let state = Arc::clone(&state);
            let resource = ApiResource::erase::<Deployment>(&());
            let api: Api<Slim> = Api::namespaced_with(client, namespace, &resource);
            let mut events = watcher(api, watcher::Config::default()).default_backoff().boxed();
            let follow = async move {
                while let Some(event) = events.next().await {
                    // An interrupted watch begins again with a list.
                    if let Ok(event) = event {
                        note(&mut state.lock(), plane, members, event, Instant::now());
                    }
                }
            };
            tokio::spawn(follow).abort_handle()
        };
        let watches = clients.into_iter().enumerate().map(watch).collect();
        Self {
            members,
            state,
            watches,
        }
    }

    /// What was seen of these Deployments so far, in their order.
    pub(crate) fn sightings(&self, names: &[String]) -> Vec<Sighting> {
        let state = self.state.lock();
        let nothing = Sighting::nothing(self.members);
        names
            .iter()
            .map(|name| {
                state
                    .sightings
                    .get(name)
                    .cloned()
                    .unwrap_or_else(|| nothing.clone())
            })
            .collect()
    }

    /// Waits until `enough` holds of every one of these Deployments.
    pub(crate) async fn wait(
        &self,
        names: &[String],
        within: Duration,
        what: &str,
        enough: impl Fn(&Sighting) -> bool,
    ) -> Result<Vec<Sighting>, Failed> {
        let deadline = Instant::now() + within;
        loop {
            let sightings = self.sightings(names);
            let done = sightings.iter().filter(|sighting| enough(sighting)).count();
            if done == names.len() {
                return Ok(sightings);
            }
            if Instant::now() > deadline {
                let first = sightings
                    .iter()
                    .zip(names)
                    .find(|(sighting, _)| !enough(sighting));
                let first = first.map(|(sighting, name)| format!("{name}: {sighting:?}"));
                return Err(format!("{what}: {done} of {} after {within:?}; {first:?}", names.len()).into());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until no Deployment is left anywhere, and forgets them all.
    pub(crate) async fn wait_until_empty(&self, within: Duration) -> Result<(), Failed> {
        let deadline = Instant::now() + within;
        loop {
            let left: Vec<usize> = self.state.lock().present.iter().map(HashSet::len).collect();
            if left.iter().all(|count| *count == 0) {
                self.state.lock().sightings.clear();
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!(
                    "Deployments still there after {within:?}, per member and hub: {left:?}"
                )
                .into());
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        for watch in &self.watches {
            watch.abort();
        }
    }
}

fn note(state: &mut State, plane: usize, members: usize, event: watcher::Event<Slim>, now: Instant) {
    match event {
        watcher::Event::Init => state.present[plane].clear(),
        watcher::Event::InitDone => {}
        watcher::Event::Delete(object) => {
            state.present[plane].remove(&object.name_any());
        }
        watcher::Event::Apply(object) | watcher::Event::InitApply(object) => {
            let name = object.name_any();
            let generation = object.metadata.generation.unwrap_or_default();
            let Counts {
                observed_generation,
                ready_replicas: ready,
            } = object.status.unwrap_or_default();
            let observed = generation > 0 && observed_generation >= generation;
            state.present[plane].insert(name.clone());
            let sighting = state
                .sightings
                .entry(name)
                .or_insert_with(|| Sighting::nothing(members));
            if plane == members {
                let all = usize::try_from(ready).is_ok_and(|ready| ready == members);
                sighting.told = sighting.told.or(observed.then_some(now));
                sighting.back = sighting.back.or(all.then_some(now));
            } else {
                sighting.there[plane].get_or_insert(now);
                sighting.observed[plane] = sighting.observed[plane].or(observed.then_some(now));
                sighting.ready[plane] = sighting.ready[plane].or((ready > 0).then_some(now));
            }
        }
    }
}
