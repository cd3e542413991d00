//! What all members of one hub share, and what the fleet tells the engine.

use std::sync::Arc;

use tokio::sync::{Notify, Semaphore, mpsc};

use super::{claim::Claim, transport::Transport};
use crate::{
    act::wire::{Gate, Stack},
    model::{
        clock::Clock,
        name::{ClusterName, GroupKind, ObjectKey},
    },
};

/// What has changed in the fleet. Read the handle or the snapshot for how it is now.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// The snapshot changed in something that decisions look at: labels, reach, held, kinds, nodes.
    Members,
    /// Some node can take more than before.
    Room,
    /// An object that the hub labelled.
    Object {
        /// In which member.
        cluster: ClusterName,
        /// Which object.
        key: ObjectKey,
        /// What its label says; of what is gone, what it said last.
        binding: Option<String>,
        /// It was deleted, or a complete list does not have it any more.
        gone: bool,
        /// Nothing but its status has changed: there is nothing to apply or to repair.
        status_only: bool,
    },
    /// A list is complete: missing rows of this kind mean something now.
    Synced {
        /// In which member.
        cluster: ClusterName,
        /// Of which kind.
        kind: GroupKind,
    },
    /// An autoscaler took hold of a workload, or let go.
    Autoscaled {
        /// In which member.
        cluster: ClusterName,
        /// The workload.
        key: ObjectKey,
    },
}

/// What all members share.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) claim: Claim,
    /// Field manager of this hub.
    pub(super) manager: String,
    pub(super) hub: Stack,
    pub(super) gate: Gate,
    pub(super) clock: Clock,
    pub(super) transport: Arc<dyn Transport>,
    pub(super) changes: mpsc::Sender<Change>,
    /// The snapshot is to be made anew.
    pub(super) dirty: Notify,
    /// Lists that run at one time: a hub that starts must not ask everything of everybody at once, or its own
    /// CPU makes all of them late, and with them their pages pile up.
    pub(super) lists: Arc<Semaphore>,
}
