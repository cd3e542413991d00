//! What a test or a script may change while the actors run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::watch;

use super::kubelet::KubeletScript;
use crate::model::clock::Timestamp;

/// The status an object shall have. None: leave it as it is.
pub(super) type StatusOf = Arc<dyn Fn(&Value, Timestamp) -> Option<Value> + Send + Sync>;

/// Cheap to clone; what is changed takes effect when the actors next run.
#[derive(Clone)]
pub struct Levers(Arc<Inner>);

struct Inner {
    script: Mutex<Arc<KubeletScript>>,
    /// Nodes whose kubelet says nothing any more.
    silent: Mutex<BTreeSet<String>>,
    /// By `jobs.batch`.
    scripted: Mutex<BTreeMap<String, StatusOf>>,
    moved: watch::Sender<()>,
}

impl std::fmt::Debug for Levers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Levers")
            .field("script", &self.0.script)
            .field("silent", &self.0.silent)
            .finish_non_exhaustive()
    }
}

impl Levers {
    pub(super) fn new(script: KubeletScript) -> Self {
        Self(Arc::new(Inner {
            script: Mutex::new(Arc::new(script)),
            silent: Mutex::default(),
            scripted: Mutex::default(),
            moved: watch::Sender::new(()),
        }))
    }

    /// Changes what pods do. One that runs already goes on from where it is.
    pub fn kubelet(&self, change: impl FnOnce(&mut KubeletScript)) {
        change(Arc::make_mut(&mut self.0.script.lock()));
        self.0.moved.send_replace(());
    }

    /// The node's kubelet stops: the node becomes `NotReady`, and its pods stay as they are.
    pub fn silence(&self, node: &str) {
        self.0.silent.lock().insert(node.to_owned());
        self.0.moved.send_replace(());
    }

    /// The node's kubelet speaks again.
    pub fn wake(&self, node: &str) {
        self.0.silent.lock().remove(node);
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

    pub(super) fn script(&self) -> Arc<KubeletScript> {
        self.0.script.lock().clone()
    }

    pub(super) fn is_silent(&self, node: &str) -> bool {
        self.0.silent.lock().contains(node)
    }

    pub(super) fn scripted(&self, resource: &str) -> Option<StatusOf> {
        self.0.scripted.lock().get(resource).cloned()
    }

    /// Marked as changed whenever one is moved.
    pub(super) fn moved(&self) -> watch::Receiver<()> {
        self.0.moved.subscribe()
    }
}
