//! The one loop of all actors of a cluster: changes in, keys queued, keys handled.
//!
//! ```text
//! store ─► changes ─► every actor's `observe` ─► queue ─► one actor's `reconcile` ─► api ─► store
//! ```
//!
//! One task, so that the same requests at the same times give the same writes. It sleeps until something is written
//! or the first key is due: at rest it costs nothing, and a paused clock jumps over its waits. An actor sees the
//! changes that were made before it is asked, its own among them, so it needs no memory of what it did.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::time::Instant;

use super::act::Desk;
use super::levers::Levers;
use super::owners::Dependents;
use super::queue::Queue;
use crate::sandbox::api::Server;
use crate::sandbox::failure::Failure;
use crate::sandbox::object::{self, Object};
use crate::sandbox::store::{Change, Compacted, Key, Watch};
use crate::sandbox::write::Writer;

/// A controller, the scheduler, a kubelet.
pub(super) trait Actor: Send {
    /// Under which name it writes.
    fn writer(&self) -> Writer;

    /// How long it lets changes gather before it looks: many of one object are one then. Never nothing: two that undo
    /// each other's work shall not keep a paused clock from moving.
    fn reaction(&self) -> Duration {
        Duration::from_millis(1)
    }

    /// Asks for what a change concerns. May be told of a change twice, and of an object that did not change.
    fn observe(&mut self, change: &Change, desk: &Desk<'_>, wake: &mut Wake<'_>);

    /// Brings about what should be, as far as it can be now. When to look again without being woken is returned; a
    /// failure is tried again soon, then ever later.
    fn reconcile(&mut self, key: &Key, desk: &Desk<'_>) -> Result<Option<Duration>, Failure>;
}

/// How an actor asks for its own keys.
#[derive(Debug)]
pub(super) struct Wake<'a> {
    actor: usize,
    reaction: Duration,
    queue: &'a mut Queue,
}

impl Wake<'_> {
    pub(super) fn add(&mut self, key: Key) {
        let at = Instant::now() + self.reaction;
        self.queue.add_at((self.actor, key), at);
    }

    pub(super) fn add_all(&mut self, keys: impl IntoIterator<Item = Key>) {
        keys.into_iter().for_each(|key| self.add(key));
    }
}

/// The reaction of controllers: what informers and queues take at upstream, roughly.
pub(super) const CONTROLLER: Duration = Duration::from_millis(10);

/// Keys that are handled before others may run.
const TURN: usize = 64;

/// All resources, to [`crate::sandbox::store::Store::watch`].
const ALL: &str = "";

pub(super) struct Engine {
    server: Server,
    actors: Vec<(Box<dyn Actor>, Writer)>,
    levers: Levers,
    queue: Queue,
    dependents: Dependents,
    /// What the actors were last told of, so that they can be told of what is gone after history was forgotten.
    known: BTreeMap<Key, Object>,
}

impl Engine {
    pub(super) fn new(server: Server, levers: Levers, actors: Vec<Box<dyn Actor>>) -> Self {
        let actors = actors
            .into_iter()
            .map(|actor| {
                let writer = actor.writer();
                (actor, writer)
            })
            .collect();
        Self {
            server,
            actors,
            levers,
            queue: Queue::default(),
            dependents: Dependents::default(),
            known: BTreeMap::new(),
        }
    }

    /// For ever.
    pub(super) async fn run(mut self) {
        let mut moved = self.levers.moved();
        let mut watch = self.catch_up();
        loop {
            watch = self.drain(watch);
            for _ in 0..TURN {
                let Some((actor, key)) = self.queue.pop(Instant::now()) else {
                    break;
                };
                self.handle(actor, key);
                watch = self.drain(watch);
            }
            if self.queue.has_ready() {
                tokio::task::yield_now().await;
                continue;
            }
            let due = self.queue.next_due();
            tokio::select! {
                biased;
                change = watch.next() => match change {
                    Ok(change) => self.tell(&change),
                    Err(_) => watch = self.catch_up(),
                },
                () = until(due) => {}
                _ = moved.changed() => self.tell_again(),
            }
        }
    }

    /// Tells of all changes that are there.
    fn drain(&mut self, mut watch: Watch) -> Watch {
        while let Some(change) = watch.next().now_or_never() {
            match change {
                Ok(change) => self.tell(&change),
                Err(Compacted { .. }) => watch = self.catch_up(),
            }
        }
        watch
    }

    fn handle(&mut self, number: usize, key: Key) {
        let Some((actor, writer)) = self.actors.get_mut(number) else {
            return;
        };
        let desk = Desk {
            server: &self.server,
            dependents: &self.dependents,
            writer,
            now: self.server.clock().now(),
        };
        let outcome = actor.reconcile(&key, &desk);
        let (item, now) = ((number, key), Instant::now());
        match outcome {
            Ok(again) => {
                self.queue.forget(&item);
                if let Some(wait) = again {
                    self.queue.add_at(item, now + wait);
                }
            }
            Err(failure) => {
                tracing::trace!(actor = writer.manager, key = ?item.1, %failure.message, "will be tried again");
                self.queue.retry(item, now);
            }
        }
    }

    fn tell(&mut self, change: &Change) {
        match &change.new {
            Some(object) => self.known.insert(change.key.clone(), object.clone()),
            None => self.known.remove(&change.key),
        };
        self.dependents.observe(change);
        for (number, (actor, writer)) in self.actors.iter_mut().enumerate() {
            let desk = Desk {
                server: &self.server,
                dependents: &self.dependents,
                writer,
                now: self.server.clock().now(),
            };
            let mut wake = Wake {
                actor: number,
                reaction: actor.reaction(),
                queue: &mut self.queue,
            };
            actor.observe(change, &desk, &mut wake);
        }
    }

    /// Tells of all that is there and of all that went, and follows from there.
    fn catch_up(&mut self) -> Watch {
        let store = self.server.store().clone();
        loop {
            let revision = store.revision();
            let mut gone = std::mem::take(&mut self.known);
            for resource in self.server.kinds().all() {
                let stored: Arc<str> = resource.qualified().into();
                for object in store.list(&stored, None).0 {
                    let key = Key {
                        resource: stored.clone(),
                        namespace: object::namespace(&object).unwrap_or_default().into(),
                        name: object::name(&object).into(),
                    };
                    let old = gone.remove(&key);
                    self.tell(&Change {
                        revision,
                        key,
                        old,
                        new: Some(object),
                    });
                }
            }
            for (key, object) in gone {
                self.tell(&Change {
                    revision,
                    key,
                    old: Some(object),
                    new: None,
                });
            }
            // Revision 0 would mean "from now on": nothing was ever written, so it is the same.
            if let Ok(watch) = store.watch(ALL, revision) {
                return watch;
            }
        }
    }

    /// A lever was moved: what is known may mean something else now.
    fn tell_again(&mut self) {
        let known: Vec<(Key, Object)> = self
            .known
            .iter()
            .map(|(key, object)| (key.clone(), object.clone()))
            .collect();
        for (key, object) in known {
            self.tell(&Change {
                revision: object::revision(&object),
                key,
                old: Some(object.clone()),
                new: Some(object),
            });
        }
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("queue", &self.queue)
            .finish_non_exhaustive()
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
