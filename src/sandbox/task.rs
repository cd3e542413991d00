//! The sandbox's only spawn: tasks that end with their cluster.

use std::future::Future;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The tasks of one cluster. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Tasks {
    /// Starts a task that ends when it is done or the cluster stops.
    #[expect(clippy::disallowed_methods, reason = "the sandbox's one place that spawns")]
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        let task = async move {
            stop.run_until_cancelled(task).await;
        };
        tokio::spawn(self.tracker.track_future(task));
    }

    /// Ends all of them where they next wait, and waits for that.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// The same, without waiting.
    pub(crate) fn cancel(&self) {
        self.stop.cancel();
    }
}
