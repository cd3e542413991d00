//! The hub API as the hub knows it: templates, policies, tenants, members and bindings, kept by watches.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use arc_swap::ArcSwap;
use dashmap::DashMap;
use kube::api::ObjectMeta;
use parking_lot::RwLock;

use super::claims::Claims;
use super::kind_rules::KindSources;
use super::sums::{ForbiddenSum, RefusedSum};
use crate::{
    decide::{
        policy::{Overrides, Policies},
        tenancy::Tenants,
    },
    model::{
        api::{Cluster, Tenant, WorkloadBinding},
        fleet::{Apis, BindingKey},
        kind::{self, Kinds},
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
    pub(super) overrides: ArcSwap<Overrides>,
    pub(super) tenants: ArcSwap<Tenants>,
    /// What is known of kinds: built in, from `KindRule`s, and from the scale of custom resources.
    pub(super) kinds_known: ArcSwap<Kinds>,
    pub(super) kind_sources: RwLock<KindSources>,
    /// Sums that the hub API did not keep as they were written.
    pub(super) refused: DashMap<BindingKey, RefusedSum>,
    /// Kinds whose status the hub may not write.
    pub(super) forbidden: DashMap<GroupKind, ForbiddenSum>,
    /// Kinds that some template was found to need; true for those that a Bundle names whatever its policy says.
    pub(super) followed: DashMap<GroupKind, bool>,
    /// Which Bundles hold which objects.
    pub(super) claims: Claims,
    sources: RwLock<Sources>,
    /// Bindings that are being written now, and by how many.
    writing: DashMap<BindingKey, u32>,
    /// Which bindings need which others. Seeded from the bindings at start.
    needs: RwLock<Needs>,
    /// What templates scale: namespace → template → workload.
    autoscaled: RwLock<HashMap<NamespaceName, Targets>>,
}

/// A template, and the status it shows.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) template: Arc<Template>,
    /// Compact JSON; `None` when it has none.
    pub(super) status: Option<Arc<str>>,
    /// When it last changed in what goes to members, by our clock.
    pub(super) since: tokio::time::Instant,
}

/// One write of a binding that is in flight.
#[derive(Debug)]
pub(super) struct Writing<'a> {
    index: &'a Index,
    key: BindingKey,
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.index.writing.remove_if_mut(&self.key, |_, writers| {
            *writers -= 1;
            *writers == 0
        });
    }
}

/// What counts of a hub namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Namespace {
    pub(super) terminating: bool,
    /// Value of label `hanse.dev/tenant`.
    pub(super) tenant: Option<String>,
}

/// Autoscalers by the name of their binding, and the workload each of them scales.
type Targets = HashMap<ObjectName, (GroupKind, String)>;

/// Both ways round: asked for each pass over each template.
#[derive(Debug, Default)]
struct Needs {
    /// Parent → what it needs.
    of: BTreeMap<BindingKey, HashSet<BindingKey>>,
    /// What is needed → its parents.
    by: BTreeMap<BindingKey, HashSet<BindingKey>>,
}

impl Needs {
    fn set(&mut self, parent: &BindingKey, needs: HashSet<BindingKey>) -> HashSet<BindingKey> {
        let before = self.of.remove(parent).unwrap_or_default();
        for child in before.difference(&needs) {
            if let Some(parents) = self.by.get_mut(child) {
                parents.remove(parent);
                if parents.is_empty() {
                    self.by.remove(child);
                }
            }
        }
        for child in &needs {
            self.by.entry(child.clone()).or_default().insert(parent.clone());
        }
        let changed = before.symmetric_difference(&needs).cloned().collect();
        if !needs.is_empty() {
            self.of.insert(parent.clone(), needs);
        }
        changed
    }
}

#[derive(Debug, Default)]
struct Sources {
    tenants: BTreeMap<ObjectName, Arc<Tenant>>,
}

impl Index {
    /// Keeps a binding unless a newer one is held. Whether it is news.
    pub(super) fn keep_binding(&self, key: &BindingKey, binding: &Arc<WorkloadBinding>) -> bool {
        let mut news = true;
        let mut before = None;
        self.bindings
            .entry(key.clone())
            .and_modify(|held| {
                news = version(binding.metadata.resource_version.as_ref())
                    > version(held.metadata.resource_version.as_ref())
                    || binding.metadata.uid != held.metadata.uid;
                if news {
                    before = Some(std::mem::replace(held, binding.clone()));
                }
            })
            .or_insert_with(|| binding.clone());
        if news {
            self.claims.change(key, before.as_deref(), Some(binding));
        }
        news
    }

    /// The binding is gone.
    pub(super) fn lose_binding(&self, key: &BindingKey) {
        if let Some((_, binding)) = self.bindings.remove(key) {
            self.claims.change(key, Some(&binding), None);
        }
    }

    /// Says that this binding is being written, until the answer is dropped: the watch may show the write before
    /// its answer comes, and that is no news. Who wrote calls [`super::engine::Engine::catch_up`] afterwards.
    pub(super) fn writing(&self, key: &BindingKey) -> Writing<'_> {
        *self.writing.entry(key.clone()).or_default() += 1;
        Writing {
            index: self,
            key: key.clone(),
        }
    }

    pub(super) fn is_being_written(&self, key: &BindingKey) -> bool {
        self.writing.contains_key(key)
    }

    /// Takes up what a write of a template's status answered; the watch says the same a moment later.
    pub(super) fn keep_status(&self, key: &BindingKey, uid: &str, status: Option<Arc<str>>) {
        if let Some(mut held) = self.templates.get_mut(key)
            && held.template.uid == uid
        {
            held.status = status;
        }
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
        let mut keys: HashSet<_> = self
            .templates
            .iter()
            .map(|entry| entry.key().clone())
            .filter(|key| here(key))
            .collect();
        keys.extend(
            self.bindings
                .iter()
                .map(|entry| entry.key().clone())
                .filter(|key| here(key)),
        );
        keys
    }

    pub(super) fn is_terminating(&self, namespace: &NamespaceName) -> bool {
        self.namespaces
            .get(namespace)
            .is_some_and(|namespace| namespace.terminating)
    }

    /// Changes the policies; readers see all of the change or nothing.
    pub(super) fn change_policies(&self, change: impl FnOnce(&mut Policies)) {
        let _turn = self.sources.write();
        let mut policies = Policies::clone(&self.policies.load());
        change(&mut policies);
        self.policies.store(Arc::new(policies));
    }

    /// As [`Self::change_policies`], of overrides.
    pub(super) fn change_overrides<T>(&self, change: impl FnOnce(&mut Overrides) -> T) -> T {
        let _turn = self.sources.write();
        let mut overrides = Overrides::clone(&self.overrides.load());
        let answer = change(&mut overrides);
        self.overrides.store(Arc::new(overrides));
        answer
    }

    pub(super) fn set_tenant(&self, name: ObjectName, tenant: Option<Arc<Tenant>>) {
        let mut sources = self.sources.write();
        match tenant {
            Some(tenant) => sources.tenants.insert(name, tenant),
            None => sources.tenants.remove(&name),
        };
        self.tenants
            .store(Arc::new(Tenants::new(sources.tenants.values().cloned())));
    }

    pub(super) fn tenant(&self, name: &ObjectName) -> Option<Arc<Tenant>> {
        self.sources.read().tenants.get(name).cloned()
    }

    pub(super) fn tenant_names(&self) -> Vec<ObjectName> {
        self.sources.read().tenants.keys().cloned().collect()
    }

    /// Says what `parent` needs from now on; returns whom that concerns: those it needs and those it no longer does.
    pub(super) fn set_needs(&self, parent: &BindingKey, needs: HashSet<BindingKey>) -> HashSet<BindingKey> {
        self.needs.write().set(parent, needs)
    }

    /// Takes up at start what the bindings say, so that nothing is thought unneeded before its parent was looked at.
    pub(super) fn seed_need(&self, parent: &BindingKey, child: BindingKey) {
        let mut all = self.needs.write();
        let mut needs = all.of.get(parent).cloned().unwrap_or_default();
        needs.insert(child);
        all.set(parent, needs);
    }

    /// What `parent` needs.
    pub(super) fn needs_of(&self, parent: &BindingKey) -> Vec<BindingKey> {
        let all = self.needs.read();
        all.of.get(parent).into_iter().flatten().cloned().collect()
    }

    /// The parents that need `child`.
    pub(super) fn needed_by(&self, child: &BindingKey) -> Vec<BindingKey> {
        let all = self.needs.read();
        all.by.get(child).into_iter().flatten().cloned().collect()
    }

    /// All that need others.
    pub(super) fn parents(&self) -> Vec<BindingKey> {
        self.needs.read().of.keys().cloned().collect()
    }

    /// The kinds that some policy may select or once did, of those the hub API serves.
    pub(super) fn template_kinds(&self) -> Vec<(GroupKind, crate::model::fleet::ApiKind)> {
        let apis = self.apis.load();
        let policies = self.policies.load();
        // What was placed is followed also when no policy selects it any more: its deletion must be seen.
        let placed: HashSet<GroupKind> = self
            .bindings
            .iter()
            .filter_map(|binding| binding.spec.template.group_kind())
            .collect();
        apis.kinds
            .iter()
            .filter(|(kind, api)| {
                api.namespaced
                    && api.is_manageable()
                    && (!kind::is_never_selected(kind) || kind::is_told_of_each(kind))
            })
            .filter(|(kind, _)| {
                placed.contains(kind)
                    || policies.names(kind)
                    || (policies.may_select(kind) && !kind::is_never_selected(kind))
                    || match self.followed.get(kind).as_deref() {
                        Some(true) => true,
                        Some(false) => policies.follow_dependencies(),
                        None => is_needed_by_others(kind) && policies.follow_dependencies(),
                    }
            })
            .map(|(kind, api)| (kind.clone(), api.clone()))
            .collect()
    }
}

/// Kinds that others name and cannot run without.
fn is_needed_by_others(kind: &GroupKind) -> bool {
    kind.group.is_empty()
        && matches!(
            &*kind.kind,
            "ConfigMap" | "Secret" | "ServiceAccount" | "PersistentVolumeClaim" | "Service"
        )
}

/// All keys of a map, with no part of it held any longer.
pub(super) fn keys_of<K: Clone + Eq + std::hash::Hash, V>(map: &DashMap<K, V>) -> Vec<K> {
    map.iter().map(|entry| entry.key().clone()).collect()
}

/// Whether two states of a binding differ at most in its status.
pub(super) fn is_decided_alike(one: &ObjectMeta, other: &ObjectMeta) -> bool {
    one.uid == other.uid
        && one.generation == other.generation
        && one.deletion_timestamp == other.deletion_timestamp
        && one.finalizers == other.finalizers
}

/// Resource versions grow; one that is not a number is older than any.
pub(super) fn version(text: Option<&String>) -> u64 {
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

impl Index {
    /// Whether a template scales this workload.
    pub(super) fn is_autoscaled(&self, workload: &crate::model::name::ObjectKey) -> bool {
        let Some(namespace) = &workload.namespace else {
            return false;
        };
        let targets = self.autoscaled.read();
        targets.get(namespace).is_some_and(|targets| {
            targets
                .values()
                .any(|(kind, name)| *kind == workload.group_kind() && *name == *workload.name)
        })
    }

    /// The templates that scale this workload.
    pub(super) fn scalers_of(&self, workload: &crate::model::name::ObjectKey) -> Vec<BindingKey> {
        let Some(namespace) = &workload.namespace else {
            return Vec::new();
        };
        let all = self.autoscaled.read();
        let here = all.get(namespace).into_iter().flatten();
        here.filter(|(_, (kind, name))| *kind == workload.group_kind() && *name == *workload.name)
            .map(|(scaler, _)| BindingKey {
                namespace: namespace.clone(),
                name: scaler.clone(),
            })
            .collect()
    }

    /// Takes up what a template scales, if it is an autoscaler. Whom that concerns.
    pub(super) fn note_scaler(
        &self,
        key: &BindingKey,
        scales: Option<&(GroupKind, String)>,
    ) -> Option<BindingKey> {
        let mut targets = self.autoscaled.write();
        let here = targets.entry(key.namespace.clone()).or_default();
        let before = match scales {
            Some(scales) => here.insert(key.name.clone(), scales.clone()),
            None => here.remove(&key.name),
        };
        if here.is_empty() {
            targets.remove(&key.namespace);
        }
        if before.as_ref() == scales {
            return None;
        }
        let (kind, name) = scales.cloned().or(before)?;
        let workload = crate::model::name::ObjectKey::parse(&kind, &key.namespace, &name).ok()?;
        BindingKey::of(&workload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> BindingKey {
        BindingKey {
            namespace: "shop".parse().unwrap(),
            name: name.parse().unwrap(),
        }
    }

    #[test]
    fn what_is_needed_knows_its_parents_until_the_last_one_needs_it_no_more() {
        let index = Index::default();
        index.seed_need(&key("web"), key("config"));
        index.seed_need(&key("web"), key("secret"));
        index.seed_need(&key("api"), key("config"));
        assert_eq!(index.needed_by(&key("config")).len(), 2);
        let changed = index.set_needs(&key("web"), [key("config")].into());
        assert_eq!(changed, [key("secret")].into());
        assert!(index.needed_by(&key("secret")).is_empty());
        index.set_needs(&key("web"), HashSet::new());
        assert_eq!(index.needed_by(&key("config")), [key("api")]);
        index.set_needs(&key("api"), HashSet::new());
        assert!(index.needed_by(&key("config")).is_empty() && index.parents().is_empty());
    }
}
