//! What all loops share.

use std::{sync::Arc, time::Duration};

use dashmap::{DashMap, DashSet};
use tokio::sync::watch;

use super::{assumed::Assumed, index::Index, lanes::Lanes, removals::Removing};
use crate::{
    act::{
        enforce::Enforcer,
        fleet::Fleet,
        propagate::{Events, Ledger, Scheduling},
        wire::{ActAs, Backlog, HubIdentity, Queue, Stack, Tasks},
    },
    decide::{
        policy::{OverrideId, PolicyId},
        tenancy::ActsAs,
    },
    model::{
        clock::Clock,
        fleet::BindingKey,
        name::{ClusterName, NamespaceName, ObjectName},
    },
};

/// When work is looked at again that found the write gate shut. A Lease that is renewed late shuts the gate for a moment
/// although leadership was never lost: nobody looks at everything anew then, so what was to be done is kept.
pub(super) const GATED: Duration = Duration::from_millis(500);

/// The hub, as its loops see it.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) hub: Stack,
    pub(super) me: HubIdentity,
    pub(super) clock: Clock,
    pub(super) tasks: Tasks,
    pub(super) fleet: Fleet,
    pub(super) index: Index,
    pub(super) ledger: Ledger,
    pub(super) enforcer: Enforcer,
    pub(super) events: Events,
    pub(super) backlog: Backlog,
    /// Bindings to decide anew.
    pub(super) queue: Queue<BindingKey>,
    /// Bindings whose status may have changed.
    pub(super) status: Queue<BindingKey>,
    /// Policies whose status may have changed.
    pub(super) policies: Queue<PolicyId>,
    /// Overrides whose status may have changed.
    pub(super) overrides: Queue<OverrideId>,
    /// `KindRule`s whose status may have changed.
    pub(super) kind_rules: Queue<String>,
    /// Tenants to enforce on the hub API.
    pub(super) tenants: Queue<ObjectName>,
    /// Members to look through for what is no longer wanted.
    pub(super) sweeps: Queue<ClusterName>,
    pub(super) lanes: Lanes,
    /// Removals that waited for a member and are being done now: nothing is made there meanwhile.
    pub(super) removing: Removing,
    pub(super) scheduling: DashMap<BindingKey, Scheduling>,
    /// What decisions must know of each other.
    pub(super) assumed: Assumed,
    /// Bindings that more room somewhere would change.
    pub(super) waiting: DashSet<BindingKey>,
    /// Whether this process leads and every first list is complete.
    pub(super) active: watch::Receiver<bool>,
    /// Woken when the kinds that policies may select may have changed.
    pub(super) kinds: Arc<tokio::sync::Notify>,
    /// Woken when the hub API may serve other kinds than before.
    pub(super) definitions: Arc<tokio::sync::Notify>,
}

impl Engine {
    pub(super) fn is_active(&self) -> bool {
        *self.active.borrow()
    }

    /// Waits until this process may decide.
    pub(super) async fn until_active(&self) {
        let mut active = self.active.clone();
        // The sender lives as long as the engine's tasks.
        let _ = active.wait_for(|active| *active).await;
    }

    /// The identity that writes for `acts_as` in a namespace.
    pub(super) fn identity(acts_as: &ActsAs, namespace: &NamespaceName) -> ActAs {
        match acts_as {
            ActsAs::Admin => ActAs::admin(),
            ActsAs::Tenant(_) | ActsAs::Nobody { .. } => ActAs::tenant(namespace),
        }
    }
}
