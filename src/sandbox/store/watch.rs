//! Following the changes of one resource.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::watch;

use super::history::Compacted;
use super::{Key, Store};
use crate::sandbox::object::Object;

/// One write. Created: no `old`; removed: no `new`.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) revision: u64,
    pub(crate) key: Key,
    pub(crate) old: Option<Object>,
    pub(crate) new: Option<Object>,
}

/// The changes of one resource in their order, each once.
#[derive(Debug)]
pub(crate) struct Watch {
    store: Store,
    resource: Arc<str>,
    /// Everything up to here was read from the store.
    read: u64,
    pending: VecDeque<Change>,
    tip: watch::Receiver<u64>,
}

impl Watch {
    pub(super) fn new(store: Store, resource: Arc<str>, after: u64, tip: watch::Receiver<u64>) -> Self {
        Self {
            store,
            resource,
            read: after,
            pending: VecDeque::new(),
            tip,
        }
    }

    /// The next change; waits for it. Can be dropped while waiting: nothing is lost.
    pub(crate) async fn next(&mut self) -> Result<Change, Compacted> {
        loop {
            if let Some(change) = self.pending.pop_front() {
                return Ok(change);
            }
            // Marked before reading: a write that comes in between wakes the wait below.
            self.tip.mark_unchanged();
            let (changes, read) = self.store.since(&self.resource, self.read)?;
            self.read = read;
            self.pending.extend(changes);
            // The sender lives in the store, which this watch holds.
            if self.pending.is_empty() && self.tip.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// Up to which revision everything was handed out: what a bookmark may say.
    pub(crate) fn revision(&self) -> u64 {
        self.pending
            .front()
            .map_or(self.read, |change| change.revision - 1)
    }
}
