//! The one place where tasks are spawned: each has a kind, a span, and is awaited at shutdown.

use std::{future::Future, time::Duration};

use tokio::task::JoinHandle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument;

/// A group of tasks that end together.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Tasks {
    /// Starts a task that ends when it is done or the group is stopped, whichever is first.
    /// Dropping the handle does not end the task; aborting it does.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the room where tasks are spawned"
    )]
    pub fn spawn<F>(&self, kind: &'static str, task: F) -> JoinHandle<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let stop = self.stop.clone();
        let task = async move {
            if stop.run_until_cancelled(task).await.is_none() {
                tracing::trace!("stopped");
            }
        };
        tokio::spawn(
            self.tracker
                .track_future(task.instrument(tracing::info_span!("task", kind))),
        )
    }

    /// A group that stops with this one, or alone.
    #[must_use]
    pub fn child(&self) -> Self {
        Self {
            tracker: self.tracker.clone(),
            stop: self.stop.child_token(),
        }
    }

    /// Asks every task to stop where it next waits.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Stops the group when it is dropped: with a future that holds it, all it has started ends.
    #[must_use]
    pub fn guard(&self) -> tokio_util::sync::DropGuard {
        self.stop.clone().drop_guard()
    }

    /// Resolves once the group was asked to stop.
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    /// Whether the group was asked to stop.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Waits until every task has ended, `limit` at most. Whether they have.
    pub async fn join(&self, limit: Duration) -> bool {
        self.tracker.close();
        tokio::time::timeout(limit, self.tracker.wait()).await.is_ok()
    }
}
