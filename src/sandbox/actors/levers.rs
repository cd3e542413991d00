//! What a test or a script may change while the actors run.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::watch;

use super::kubelet::KubeletScript;
use crate::model::clock::Timestamp;

/// The status an object shall have. None: leave it as it is.
pub(super) type StatusOf = Arc<dyn Fn(&Value, Timestamp) -> Option<Value> + Send + Sync>;

/// How many replicas an autoscaler shall want. None: it gets no metrics.
pub(super) type ReplicasOf = Arc<dyn Fn(&Value, Timestamp) -> Option<i64> + Send + Sync>;

/// Cheap to clone; what is changed takes effect when the actors next run.
#[derive(Clone)]
pub struct Levers(Arc<Inner>);

struct Inner {
    script: Mutex<Arc<KubeletScript>>,
    /// By `jobs.batch`.
    scripted: Mutex<BTreeMap<String, StatusOf>>,
    replicas: Mutex<Option<ReplicasOf>>,
    moved: watch::Sender<()>,
}

impl std::fmt::Debug for Levers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Levers")
            .field("script", &self.0.script)
            .finish_non_exhaustive()
    }
}

impl Levers {
    pub(super) fn new(script: KubeletScript) -> Self {
        Self(Arc::new(Inner {
            script: Mutex::new(Arc::new(script)),
            scripted: Mutex::default(),
            replicas: Mutex::default(),
            moved: watch::Sender::new(()),
        }))
    }

    /// Changes what pods do. One that runs already goes on from where it is.
    pub fn kubelet(&self, change: impl FnOnce(&mut KubeletScript)) {
        change(Arc::make_mut(&mut self.0.script.lock()));
        self.0.moved.send_replace(());
    }

    /// Gives the objects of a kind (`jobs.batch`) without an actor a status, now and at each of their changes.
    pub fn script_status(
        &self,
        resource: &str,
        status: impl Fn(&Value, Timestamp) -> Option<Value> + Send + Sync + 'static,
    ) {
        self.0
            .scripted
            .lock()
            .insert(resource.to_owned(), Arc::new(status));
        self.0.moved.send_replace(());
    }

    /// Says how many replicas each autoscaler wants, now, at each of its changes, and every 15 s.
    pub fn script_replicas(
        &self,
        replicas: impl Fn(&Value, Timestamp) -> Option<i64> + Send + Sync + 'static,
    ) {
        *self.0.replicas.lock() = Some(Arc::new(replicas));
        self.0.moved.send_replace(());
    }

    pub(super) fn replicas_of(&self, scaler: &Value, now: Timestamp) -> Option<i64> {
        let replicas = self.0.replicas.lock().clone()?;
        replicas(scaler, now)
    }

    pub(super) fn script(&self) -> Arc<KubeletScript> {
        self.0.script.lock().clone()
    }

    pub(super) fn scripted(&self, resource: &str) -> Option<StatusOf> {
        self.0.scripted.lock().get(resource).cloned()
    }

    /// Marked as changed whenever one is moved.
    pub(super) fn moved(&self) -> watch::Receiver<()> {
        self.0.moved.subscribe()
    }
}
