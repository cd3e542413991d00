//! Lanes: how much of the hub's work one API server is given at a time, and in which order.
//!
//! What limits a burst is the CPU of the API servers. A wide lane buys throughput with latency, so each
//! server gets a narrow one, and status waits while applies are outstanding anywhere.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::{Notify, Semaphore, SemaphorePermit};

/// Writes in flight to one API server.
pub(super) const LANE_WIDTH: usize = 8;
/// How long status may wait behind applies.
pub(super) const PATIENCE: Duration = Duration::from_millis(1500);

/// The lane to one API server. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Lane(Arc<Semaphore>);

impl Default for Lane {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(LANE_WIDTH)))
    }
}

impl Lane {
    /// Waits for a place. Places are given in the order of asking.
    pub async fn enter(&self) -> Option<SemaphorePermit<'_>> {
        self.0.acquire().await.ok()
    }
}

/// Counts applies that are decided and not yet done, so that lesser writes can wait for them.
#[derive(Debug, Clone, Default)]
pub struct Backlog(Arc<(AtomicUsize, Notify)>);

/// One apply that is outstanding.
#[derive(Debug)]
pub struct Outstanding(Backlog);

impl Backlog {
    /// Counts one more until the answer is dropped.
    #[must_use]
    pub fn begin(&self) -> Outstanding {
        self.0.0.fetch_add(1, Ordering::Relaxed);
        Outstanding(self.clone())
    }

    /// How many are outstanding.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.0.load(Ordering::Relaxed)
    }

    /// Whether none is outstanding.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until none is outstanding, [`PATIENCE`] at most: status is late under load, never starved.
    pub async fn calm(&self) {
        let _ = tokio::time::timeout(PATIENCE, async {
            loop {
                let calm = self.0.1.notified();
                tokio::pin!(calm);
                calm.as_mut().enable();
                if self.is_empty() {
                    return;
                }
                calm.await;
            }
        })
        .await;
    }
}

impl Drop for Outstanding {
    fn drop(&mut self) {
        if self.0.0.0.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.0.1.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn status_waits_for_applies_but_is_never_starved() {
        let backlog = Backlog::default();
        let apply = backlog.begin();
        let started = tokio::time::Instant::now();
        backlog.calm().await;
        assert_eq!(started.elapsed(), PATIENCE);
        drop(apply);
        backlog.calm().await;
        assert_eq!(started.elapsed(), PATIENCE);
    }
}
