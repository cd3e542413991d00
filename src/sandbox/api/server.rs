//! One API server: its objects, its kinds, and what it hands out.

use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;

use super::{Identities, Journal, Target};
use crate::model::clock::{self, Clock};
use crate::sandbox::access::Access;
use crate::sandbox::admission::Policies;
use crate::sandbox::kinds::Registry;
use crate::sandbox::store::{Key, Store};

/// Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Server(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    clock: Clock,
    access: Access,
    policies: Policies,
    settings: Settings,
    kinds: ArcSwap<Registry>,
    kinds_changed: watch::Sender<()>,
    identities: Identities,
    journal: Journal,
    /// Held from reading the old object until the new one is stored, so that no write sees half of another, and
    /// nothing is handed out twice.
    writing: Mutex<()>,
}

/// What tells one cluster from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Of uids and generated names: two servers with the same seed and requests have the same objects.
    pub(crate) seed: u64,
    /// The first address for Services, and how many bits of it are fixed.
    pub(crate) services: (Ipv4Addr, u8),
    pub(crate) node_ports: RangeInclusive<u16>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 0,
            services: (Ipv4Addr::new(10, 96, 0, 0), 16),
            node_ports: 30_000..=32_767,
        }
    }
}

impl Server {
    #[cfg(test)]
    pub(crate) fn new(store: Store, kinds: Registry, clock: Clock, access: Access) -> Self {
        Self::with_settings(store, kinds, clock, access, Settings::default())
    }

    pub(crate) fn with_settings(
        store: Store,
        kinds: Registry,
        clock: Clock,
        access: Access,
        settings: Settings,
    ) -> Self {
        Self(Arc::new(Inner {
            policies: Policies::new(store.clone()),
            store,
            clock,
            access,
            identities: Identities::new(settings.seed),
            journal: Journal::default(),
            settings,
            kinds: ArcSwap::from_pointee(kinds),
            kinds_changed: watch::Sender::new(()),
            writing: Mutex::new(()),
        }))
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub(crate) fn access(&self) -> &Access {
        &self.0.access
    }

    /// Who wrote what.
    pub(crate) fn journal(&self) -> &Journal {
        &self.0.journal
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(crate) fn kinds(&self) -> Arc<Registry> {
        self.0.kinds.load_full()
    }

    pub(crate) fn set_kinds(&self, kinds: Registry) {
        self.0.kinds.store(Arc::new(kinds));
        self.0.kinds_changed.send_replace(());
    }

    /// Marked as changed by each [`Server::set_kinds`] from now on.
    pub(crate) fn kinds_changed(&self) -> watch::Receiver<()> {
        self.0.kinds_changed.subscribe()
    }

    /// At the version that objects are kept in. None: there is no such kind. An empty name means the collection,
    /// an empty namespace all of them.
    pub(crate) fn target(&self, group: &str, plural: &str, namespace: &str, name: &str) -> Option<Target> {
        let resource = self.0.kinds.load().resource(group, plural)?.clone();
        Some(Target {
            version: resource.storage.clone(),
            namespace: Some(namespace)
                .filter(|namespace| resource.namespaced && !namespace.is_empty())
                .map(Into::into),
            name: name.into(),
            subresource: "".into(),
            resource,
        })
    }

    pub(super) fn policies(&self) -> &Policies {
        &self.0.policies
    }

    pub(super) fn identities(&self) -> &Identities {
        &self.0.identities
    }

    pub(super) fn write_alone(&self) -> MutexGuard<'_, ()> {
        self.0.writing.lock()
    }

    /// Now, as objects show it.
    pub(super) fn now(&self) -> String {
        clock::format_seconds(self.0.clock.now())
    }
}

impl Target {
    /// Where its objects are kept. Both kinds of Events are one.
    pub(super) fn key(&self) -> Key {
        Key::new(&self.kept_as(), self.namespace.as_deref(), &self.name)
    }

    pub(super) fn kept_as(&self) -> String {
        if super::events::is_new(self) {
            return "events".to_owned();
        }
        self.resource.qualified()
    }
}
