//! The hub API as the hub knows it: templates, policies, tenants, members and bindings, kept by watches.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use arc_swap::ArcSwap;
use dashmap::DashMap;
use parking_lot::RwLock;

use crate::{
    decide::{policy::Policies, tenancy::Tenants},
    model::{
        api::{Cluster, ClusterPropagationPolicy, PropagationPolicy, Tenant, WorkloadBinding},
        fleet::{Apis, BindingKey},
        name::{ClusterName, GroupKind, NamespaceName, ObjectName},
        template::Template,
    },
};

/// Everything the hub holds of the hub API. Written by the watches only, and by the answers of own writes.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) templates: DashMap<BindingKey, Held>,
    pub(super) bindings: DashMap<BindingKey, Arc<WorkloadBinding>>,
    pub(super) clusters: DashMap<ClusterName, Arc<Cluster>>,
    pub(super) namespaces: DashMap<NamespaceName, Namespace>,
    pub(super) apis: ArcSwap<Apis>,
    pub(super) policies: ArcSwap<Policies>,
    pub(super) tenants: ArcSwap<Tenants>,
    sources: RwLock<Sources>,
    /// Which bindings need which others: parent → what it needs. Seeded from the bindings at start.
    needs: RwLock<BTreeMap<BindingKey, HashSet<BindingKey>>>,
}

/// A template, and the status it shows.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) template: Arc<Template>,
    /// Compact JSON; `None` when it has none.
    pub(super) status: Option<Arc<str>>,
}

/// What counts of a hub namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Namespace {
    pub(super) terminating: bool,
    /// Value of label `hanse.dev/tenant`.
    pub(super) tenant: Option<String>,
}

#[derive(Debug, Default)]
struct Sources {
    policies: BTreeMap<(NamespaceName, ObjectName), Arc<PropagationPolicy>>,
    cluster_policies: BTreeMap<ObjectName, Arc<ClusterPropagationPolicy>>,
    tenants: BTreeMap<ObjectName, Arc<Tenant>>,
}

impl Index {
    /// Keeps a binding unless a newer one is held. Whether it is news.
    pub(super) fn keep_binding(&self, key: &BindingKey, binding: Arc<WorkloadBinding>) -> bool {
        let mut news = true;
        self.bindings
            .entry(key.clone())
            .and_modify(|held| {
                news = version(&binding.metadata.resource_version) > version(&held.metadata.resource_version)
                    || binding.metadata.uid != held.metadata.uid;
                if news {
                    *held = binding.clone();
                }
            })
            .or_insert_with(|| binding.clone());
        news
    }

    pub(super) fn template(&self, key: &BindingKey) -> Option<Held> {
        self.templates.get(key).map(|held| held.clone())
    }

    pub(super) fn binding(&self, key: &BindingKey) -> Option<Arc<WorkloadBinding>> {
        self.bindings.get(key).map(|binding| binding.clone())
    }

    /// Every key of a template or a binding, in `namespace` or everywhere.
    pub(super) fn keys(&self, namespace: Option<&NamespaceName>) -> HashSet<BindingKey> {
        let here = |key: &BindingKey| namespace.is_none_or(|namespace| key.namespace == *namespace);
        let mut keys: HashSet<_> =
            self.templates.iter().map(|entry| entry.key().clone()).filter(|key| here(key)).collect();
        keys.extend(self.bindings.iter().map(|entry| entry.key().clone()).filter(|key| here(key)));
        keys
    }

    pub(super) fn is_terminating(&self, namespace: &NamespaceName) -> bool {
        self.namespaces.get(namespace).is_some_and(|namespace| namespace.terminating)
    }

    pub(super) fn set_policy(&self, key: (NamespaceName, ObjectName), policy: Option<Arc<PropagationPolicy>>) {
        let mut sources = self.sources.write();
        match policy {
            Some(policy) => sources.policies.insert(key, policy),
            None => sources.policies.remove(&key),
        };
        self.rebuild_policies(&sources);
    }

    pub(super) fn set_cluster_policy(&self, name: ObjectName, policy: Option<Arc<ClusterPropagationPolicy>>) {
        let mut sources = self.sources.write();
        match policy {
            Some(policy) => sources.cluster_policies.insert(name, policy),
            None => sources.cluster_policies.remove(&name),
        };
        self.rebuild_policies(&sources);
    }

    fn rebuild_policies(&self, sources: &Sources) {
        self.policies
            .store(Arc::new(Policies::new(sources.policies.values(), sources.cluster_policies.values())));
    }

    pub(super) fn set_tenant(&self, name: ObjectName, tenant: Option<Arc<Tenant>>) {
        let mut sources = self.sources.write();
        match tenant {
            Some(tenant) => sources.tenants.insert(name, tenant),
            None => sources.tenants.remove(&name),
        };
        self.tenants.store(Arc::new(Tenants::new(sources.tenants.values())));
    }

    pub(super) fn tenant(&self, name: &str) -> Option<Arc<Tenant>> {
        self.sources.read().tenants.iter().find(|(key, _)| &***key == name).map(|(_, tenant)| tenant.clone())
    }

    pub(super) fn tenant_names(&self) -> Vec<ObjectName> {
        self.sources.read().tenants.keys().cloned().collect()
    }

    pub(super) fn policy_keys(&self) -> Vec<(NamespaceName, ObjectName)> {
        self.sources.read().policies.keys().cloned().collect()
    }

    pub(super) fn cluster_policy_names(&self) -> Vec<ObjectName> {
        self.sources.read().cluster_policies.keys().cloned().collect()
    }

    /// Says what `parent` needs from now on; returns whom that concerns: those it needs and those it no longer does.
    pub(super) fn set_needs(&self, parent: &BindingKey, needs: HashSet<BindingKey>) -> HashSet<BindingKey> {
        let mut all = self.needs.write();
        let before = if needs.is_empty() { all.remove(parent) } else { all.insert(parent.clone(), needs.clone()) };
        let before = before.unwrap_or_default();
        before.symmetric_difference(&needs).cloned().collect()
    }

    /// Takes up at start what the bindings say, so that nothing is thought unneeded before its parent was looked at.
    pub(super) fn seed_need(&self, parent: BindingKey, child: BindingKey) {
        self.needs.write().entry(parent).or_default().insert(child);
    }

    /// The parents that need `child`.
    pub(super) fn needed_by(&self, child: &BindingKey) -> Vec<BindingKey> {
        let all = self.needs.read();
        all.iter().filter(|(_, needs)| needs.contains(child)).map(|(parent, _)| parent.clone()).collect()
    }

    /// The kinds that some policy may select, of those the hub API serves.
    pub(super) fn template_kinds(&self) -> Vec<(GroupKind, crate::model::fleet::ApiKind)> {
        let apis = self.apis.load();
        let policies = self.policies.load();
        apis.kinds
            .iter()
            .filter(|(kind, api)| api.namespaced && api.is_manageable() && policies.may_select(kind))
            .map(|(kind, api)| (kind.clone(), api.clone()))
            .collect()
    }
}

/// Resource versions grow; one that is not a number is older than any.
pub(super) fn version(text: &Option<String>) -> u64 {
    text.as_deref().and_then(|text| text.parse().ok()).unwrap_or(0)
}
