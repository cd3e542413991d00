//! The last writes, for watches that start in the past.

use std::collections::VecDeque;

use tokio::sync::watch;

use super::HISTORY;
use super::watch::Change;

/// What a watch asks for is not remembered any more: list again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Compacted {
    /// The first revision after which changes are still known.
    pub(crate) oldest: u64,
}

pub(super) struct History {
    changes: VecDeque<Change>,
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
        self.changes.push_back(change);
        while self.changes.len() > HISTORY {
            if let Some(oldest) = self.changes.pop_front() {
                self.forgotten = oldest.revision;
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
        let start = self.changes.partition_point(|change| change.revision <= after);
        self.changes
            .range(start..)
            .filter(|change| resource.is_empty() || *change.key.resource == *resource)
            .cloned()
            .collect()
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
