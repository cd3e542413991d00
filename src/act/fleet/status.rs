//! The Cluster's status: conditions at once, numbers on a change of 5 % and at most every 30 s, nothing at rest.

use std::sync::Arc;

use super::member::Core;

/// Keeps the status of one Cluster, while this hub is the leader.
pub(super) async fn keep(core: Arc<Core>) {
    loop {
        core.status.notified().await;
    }
}
