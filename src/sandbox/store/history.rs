//! The last writes, for watches that start in the past.

use std::collections::VecDeque;

use tokio::sync::watch;
use tokio::time::Instant;

use super::watch::Change;
use super::{HISTORY, Key};

/// What a watch asks for is not remembered any more: list again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Compacted {
    /// The first revision after which changes are still known.
    pub(crate) oldest: u64,
}

/// A write and when it was made.
struct Entry {
    at: Instant,
    change: Change,
}

pub(super) struct History {
    changes: VecDeque<Entry>,
    /// Changes up to this revision are forgotten.
    forgotten: u64,
    /// The revision of the last change; moving it wakes watches.
    tip: watch::Sender<u64>,
}

impl Default for History {
    fn default() -> Self {
        Self {
            changes: VecDeque::new(),
            forgotten: 0,
            tip: watch::Sender::new(0),
        }
    }
}

impl History {
    pub(super) fn add(&mut self, change: Change) {
        self.tip.send_replace(change.revision);
        self.changes.push_back(Entry {
            at: Instant::now(),
            change,
        });
        while self.changes.len() > HISTORY {
            if let Some(oldest) = self.changes.pop_front() {
                self.forgotten = oldest.change.revision;
            }
        }
    }

    pub(super) fn check(&self, after: u64) -> Result<(), Compacted> {
        if after < self.forgotten {
            return Err(Compacted {
                oldest: self.forgotten,
            });
        }
        Ok(())
    }

    pub(super) fn since(&self, resource: &str, after: u64) -> Vec<Change> {
        self.after(after)
            .filter(|change| resource.is_empty() || *change.key.resource == *resource)
            .cloned()
            .collect()
    }

    pub(super) fn changed_since(&self, resource: &str, revision: u64) -> bool {
        self.after(revision)
            .any(|change| *change.key.resource == *resource)
    }

    /// The first change of an object since a revision.
    pub(super) fn first_since(&self, key: &Key, at: u64) -> Option<&Change> {
        self.after(at).find(|change| change.key == *key)
    }

    /// The last revision that there was at a time, as far as that is remembered.
    pub(super) fn revision_at(&self, time: Instant) -> u64 {
        let later = self.changes.partition_point(|entry| entry.at <= time);
        later
            .checked_sub(1)
            .and_then(|last| self.changes.get(last))
            .map_or(self.forgotten, |entry| entry.change.revision)
    }

    fn after(&self, revision: u64) -> impl Iterator<Item = &Change> {
        let start = self
            .changes
            .partition_point(|entry| entry.change.revision <= revision);
        self.changes.range(start..).map(|entry| &entry.change)
    }

    pub(super) fn compact(&mut self, revision: u64) {
        self.changes.clear();
        self.forgotten = revision;
        // Wakes watches that are behind, so that they notice.
        self.tip.send_replace(revision);
    }

    pub(super) fn tip(&self) -> watch::Receiver<u64> {
        self.tip.subscribe()
    }
}
