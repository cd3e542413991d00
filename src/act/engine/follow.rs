//! Following one kind at the hub API: list, watch, reconnect, and say when the first list is complete.

use std::{collections::HashSet, fmt::Debug, hash::Hash, sync::Arc};

use futures::StreamExt;
use kube::{
    Api, Resource,
    runtime::{WatchStreamExt, watcher},
};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::act::wire::{ActAs, Again, Error, Seat, Stack, Tasks};

/// Where the events of one kind go. Called in order, never twice at a time.
pub(super) trait Sink<K>: Send + Sync + 'static {
    /// What an object is known by.
    type Key: Eq + Hash + Send + Clone;
    /// An object is new or has changed. `None` if it is not followed (then it is nobody's).
    fn seen(&self, object: K) -> Option<Self::Key>;
    /// What an object is known by.
    fn key(&self, object: &K) -> Option<Self::Key>;
    /// Everything that is known.
    fn known(&self) -> Vec<Self::Key>;
    /// It is gone: the API server says so, or a complete list does not have it.
    fn lose(&self, key: &Self::Key);
    /// The API server says that an object is gone.
    fn gone(&self, object: K) {
        if let Some(key) = self.key(&object) {
            self.lose(&key);
        }
    }
    /// A list is complete: whatever is not in it is gone.
    fn listed(&self, keys: &HashSet<Self::Key>) {
        for key in self.known().iter().filter(|key| !keys.contains(key)) {
            self.lose(key);
        }
    }
}

/// Whether the first list of something is complete.
#[derive(Debug, Clone)]
pub(super) struct Synced(watch::Receiver<bool>);

impl Synced {
    pub(super) fn now(&self) -> bool {
        *self.0.borrow()
    }
}

/// Starts to follow a kind; ends with `tasks`.
pub(super) fn follow<K, S>(
    hub: &Stack,
    tasks: &Tasks,
    api: impl Fn(kube::Client) -> Api<K> + Send + 'static,
    sink: Arc<S>,
) -> Result<Synced, Error>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    K::DynamicType: Default + Clone + Eq + Hash,
    S: Sink<K>,
{
    let (client, seat) = hub.watching(None::<&ActAs>)?;
    let (done, synced) = watch::channel(false);
    let stream = watcher(api(client), watcher::Config::default().timeout(280)).backoff(Again::default());
    tasks.spawn("hub-watch", drain(stream, sink, done, seat));
    Ok(Synced(synced))
}

/// As [`follow`], for a kind known only at run time.
pub(super) fn follow_dynamic<K, S>(
    hub: &Stack,
    tasks: &Tasks,
    resource: &kube::api::ApiResource,
    sink: Arc<S>,
) -> Result<Synced, Error>
where
    K: Resource<DynamicType = kube::api::ApiResource> + Clone + DeserializeOwned + Debug + Send + 'static,
    S: Sink<K>,
{
    let (client, seat) = hub.watching(None::<&ActAs>)?;
    let (done, synced) = watch::channel(false);
    let api: Api<K> = Api::all_with(client, resource);
    let stream = watcher(api, watcher::Config::default().timeout(280)).backoff(Again::default());
    tasks.spawn("hub-watch", drain(stream, sink, done, seat));
    Ok(Synced(synced))
}

async fn drain<K, S>(
    stream: impl futures::Stream<Item = Result<watcher::Event<K>, watcher::Error>>,
    sink: Arc<S>,
    done: watch::Sender<bool>,
    _seat: Seat,
) where
    S: Sink<K>,
{
    let mut stream = std::pin::pin!(stream);
    let mut listed = HashSet::new();
    while let Some(event) = stream.next().await {
        match event {
            Ok(watcher::Event::Init) => listed.clear(),
            Ok(watcher::Event::InitApply(object)) => {
                listed.extend(sink.seen(object));
            }
            Ok(watcher::Event::InitDone) => {
                sink.listed(&listed);
                listed = HashSet::new();
                done.send_replace(true);
            }
            Ok(watcher::Event::Apply(object)) => {
                sink.seen(object);
            }
            Ok(watcher::Event::Delete(object)) => sink.gone(object),
            Err(error) => tracing::debug!(%error, kind = std::any::type_name::<K>(), "watch interrupted"),
        }
    }
}
