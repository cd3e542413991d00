//! What each watch of the hub API changes, and whom that concerns.

use std::{
    collections::HashSet,
    sync::{Arc, Weak},
};

use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use kube::{ResourceExt, core::PartialObjectMeta};

use super::{
    engine::Engine,
    follow::{Sink, Synced, follow},
    index::{Namespace, is_decided_alike, keys_of},
    kind_rules::{CustomKinds, KindRules, SlimDefinition},
};
use crate::{
    act::wire::Error as WireError,
    decide::policy::{Policy, PolicyId},
    model::{
        api::{Cluster, ClusterPropagationPolicy, PropagationPolicy, Tenant, WorkloadBinding},
        fleet::BindingKey,
        mark,
        name::{ClusterName, NamespaceName, ObjectName},
    },
};

/// A sink that belongs to the engine; it outlives neither.
#[derive(Debug)]
pub(super) struct To<T> {
    pub(super) engine: Weak<Engine>,
    pub(super) of: T,
}

impl Engine {
    /// Starts the watches of all kinds but templates. What to wait for, by name.
    pub(super) fn follow_hub(self: &Arc<Self>) -> Result<Vec<(&'static str, Synced)>, WireError> {
        fn to<T>(engine: &Arc<Engine>, of: T) -> Arc<To<T>> {
            Arc::new(To {
                engine: Arc::downgrade(engine),
                of,
            })
        }
        let (hub, tasks) = (&self.hub, &self.tasks);
        // Not waited for: not every API server that can be a hub API aggregates others.
        follow::<PartialObjectMeta<APIService>, _>(hub, tasks, kube::Api::all, to(self, Definitions))?;
        let mut sources = vec![
            (
                "namespaces",
                follow(hub, tasks, kube::Api::all, to(self, Namespaces))?,
            ),
            (
                "clusters",
                follow(hub, tasks, kube::Api::all, to(self, Clusters))?,
            ),
            (
                "tenants",
                follow(hub, tasks, kube::Api::all, to(self, TenantObjects))?,
            ),
            (
                "policies",
                follow::<PropagationPolicy, _>(hub, tasks, kube::Api::all, to(self, PolicyObjects))?,
            ),
            (
                "cluster policies",
                follow::<ClusterPropagationPolicy, _>(hub, tasks, kube::Api::all, to(self, PolicyObjects))?,
            ),
            (
                "bindings",
                follow(hub, tasks, kube::Api::all, to(self, Bindings))?,
            ),
            (
                "custom resource definitions",
                follow::<SlimDefinition, _>(hub, tasks, kube::Api::all, to(self, CustomKinds))?,
            ),
            (
                "kind rules",
                follow(hub, tasks, kube::Api::all, to(self, KindRules))?,
            ),
        ];
        sources.extend(self.follow_overrides()?);
        Ok(sources)
    }

    fn wake(&self, namespace: Option<&NamespaceName>) {
        for key in self.index.keys(namespace) {
            self.queue.add(key);
        }
    }

    fn wake_tenants(&self) {
        for name in self.index.tenant_names() {
            self.tenants.add(name);
        }
    }

    /// Has every member looked through for what nobody claims any more.
    fn wake_sweeps(&self) {
        for name in self.fleet.snapshot().members.keys() {
            self.sweeps
                .add_after(name.clone(), std::time::Duration::from_millis(300));
        }
    }
}

#[derive(Debug)]
struct Namespaces;

impl Sink<k8s_openapi::api::core::v1::Namespace> for To<Namespaces> {
    type Key = NamespaceName;

    fn seen(&self, object: k8s_openapi::api::core::v1::Namespace) -> Option<NamespaceName> {
        let engine = self.engine.upgrade()?;
        let name = NamespaceName::parse(&object.name_any()).ok()?;
        let now = Namespace {
            terminating: object.metadata.deletion_timestamp.is_some(),
            tenant: object.labels().get(mark::TENANT).cloned(),
        };
        let before = engine.index.namespaces.insert(name.clone(), now.clone());
        if before.as_ref() != Some(&now) {
            engine.wake(Some(&name));
            if let Some(owner) = engine.index.tenants.load().owner(&name)
                && let Ok(owner) = ObjectName::parse(&owner.name_any())
            {
                engine.tenants.add(owner);
            }
        }
        Some(name)
    }

    fn key(&self, object: &k8s_openapi::api::core::v1::Namespace) -> Option<Self::Key> {
        NamespaceName::parse(&object.name_any()).ok()
    }

    fn known(&self) -> Vec<Self::Key> {
        let engine = self.engine.upgrade();
        engine
            .map(|engine| keys_of(&engine.index.namespaces))
            .unwrap_or_default()
    }

    fn lose(&self, name: &Self::Key) {
        let Some(engine) = self.engine.upgrade() else {
            return;
        };
        engine.index.namespaces.remove(name);
        engine.wake(Some(name));
        engine.wake_tenants(); // whose it is makes it again
    }
}

#[derive(Debug)]
struct Clusters;

impl Sink<Cluster> for To<Clusters> {
    type Key = ClusterName;

    fn seen(&self, object: Cluster) -> Option<ClusterName> {
        let engine = self.engine.upgrade()?;
        let name = ClusterName::parse(&object.name_any()).ok()?;
        let cluster = Arc::new(object);
        engine.fleet.set(cluster.clone());
        let before = engine.index.clusters.insert(name.clone(), cluster.clone());
        let leaving = cluster.metadata.deletion_timestamp.is_some();
        if before
            .as_ref()
            .is_some_and(|before| before.metadata.uid != cluster.metadata.uid)
        {
            // Made anew while nobody watched: it may be another cluster, in which nothing was made ready.
            engine.enforcer.doubt_member(&name);
        }
        if let Some(before) = &before {
            engine.tell_of_cluster(before, &cluster);
        }
        let news = before.is_none_or(|before| {
            before.metadata.deletion_timestamp.is_some() != leaving
                || before.finalizers() != cluster.finalizers()
        });
        if news {
            engine.lanes.arrange(&engine, &keys_of(&engine.index.clusters));
            engine.sweeps.add(name.clone());
            if leaving {
                engine.wake(None);
            }
        }
        Some(name)
    }

    fn key(&self, object: &Cluster) -> Option<Self::Key> {
        ClusterName::parse(&object.name_any()).ok()
    }

    fn known(&self) -> Vec<Self::Key> {
        let engine = self.engine.upgrade();
        engine
            .map(|engine| keys_of(&engine.index.clusters))
            .unwrap_or_default()
    }

    fn lose(&self, name: &Self::Key) {
        let Some(engine) = self.engine.upgrade() else {
            return;
        };
        engine.index.clusters.remove(name);
        engine.fleet.remove(name);
        engine.enforcer.doubt_member(name);
        engine.lanes.arrange(&engine, &keys_of(&engine.index.clusters));
        engine.wake(None);
    }
}

#[derive(Debug)]
struct TenantObjects;

impl Sink<Tenant> for To<TenantObjects> {
    type Key = ObjectName;

    fn seen(&self, object: Tenant) -> Option<ObjectName> {
        let engine = self.engine.upgrade()?;
        let name = ObjectName::parse(&object.name_any()).ok()?;
        let before = engine.index.tenant(&name);
        let news = before.as_ref().is_none_or(|before| {
            before.metadata.generation != object.metadata.generation
                || before.metadata.uid != object.metadata.uid
                || before.metadata.deletion_timestamp != object.metadata.deletion_timestamp
                || before.metadata.finalizers != object.metadata.finalizers
        });
        let touched: Vec<NamespaceName> = before
            .iter()
            .flat_map(|before| before.spec.namespaces.clone())
            .chain(object.spec.namespaces.clone())
            .collect();
        engine.index.set_tenant(name.clone(), Some(Arc::new(object)));
        if news {
            for namespace in touched {
                engine.wake(Some(&namespace));
            }
            engine.wake_tenants(); // another may have won or lost a namespace
            engine.wake_sweeps();
        }
        Some(name)
    }

    fn key(&self, object: &Tenant) -> Option<Self::Key> {
        ObjectName::parse(&object.name_any()).ok()
    }

    fn known(&self) -> Vec<Self::Key> {
        self.engine
            .upgrade()
            .map(|engine| engine.index.tenant_names())
            .unwrap_or_default()
    }

    fn lose(&self, name: &Self::Key) {
        let Some(engine) = self.engine.upgrade() else {
            return;
        };
        let before = engine.index.tenant(name);
        engine.index.set_tenant(name.clone(), None);
        for namespace in before.iter().flat_map(|tenant| &tenant.spec.namespaces) {
            engine.wake(Some(namespace));
        }
        engine.wake_tenants();
        engine.wake_sweeps();
    }
}

#[derive(Debug)]
struct PolicyObjects;

/// Both kinds of policies.
trait PolicyObject {
    const NAMESPACED: bool;
    fn policy(&self) -> Option<Policy>;
}

impl PolicyObject for PropagationPolicy {
    const NAMESPACED: bool = true;
    fn policy(&self) -> Option<Policy> {
        Policy::of(self).ok()
    }
}

impl PolicyObject for ClusterPropagationPolicy {
    const NAMESPACED: bool = false;
    fn policy(&self) -> Option<Policy> {
        Policy::of_cluster(self).ok()
    }
}

impl<K: PolicyObject> Sink<K> for To<PolicyObjects> {
    type Key = PolicyId;

    fn seen(&self, object: K) -> Option<PolicyId> {
        Some(self.engine.upgrade()?.take_policy(object.policy()?))
    }

    fn key(&self, object: &K) -> Option<PolicyId> {
        object.policy().map(|policy| policy.id)
    }

    fn known(&self) -> Vec<PolicyId> {
        let Some(engine) = self.engine.upgrade() else {
            return Vec::new();
        };
        let policies = engine.index.policies.load();
        let ids = policies.iter().map(|policy| policy.id.clone());
        ids.filter(|id| id.namespace.is_some() == K::NAMESPACED).collect()
    }

    fn lose(&self, id: &PolicyId) {
        if let Some(engine) = self.engine.upgrade() {
            engine.lose_policy(id);
        }
    }
}

impl Engine {
    fn take_policy(&self, policy: Policy) -> PolicyId {
        let id = policy.id.clone();
        let same = self
            .index
            .policies
            .load()
            .get(&id)
            .is_some_and(|had| had.generation == policy.generation && had.created == policy.created);
        if !same {
            self.index.change_policies(|policies| policies.upsert(policy));
            self.policy_changed(&id);
        }
        id
    }

    fn lose_policy(&self, id: &PolicyId) {
        self.index.change_policies(|policies| {
            policies.remove(id);
        });
        self.policy_changed(id);
    }

    fn policy_changed(&self, id: &PolicyId) {
        self.kinds.notify_one();
        self.policies.add(id.clone());
        self.wake(id.namespace.as_ref());
    }
}

/// Who owns which field takes several times the memory of all the fields of a binding, and nobody asks.
pub(super) fn forget_owners(binding: &mut WorkloadBinding) {
    binding.metadata.managed_fields = None;
}

#[derive(Debug)]
struct Bindings;

impl Sink<WorkloadBinding> for To<Bindings> {
    type Key = BindingKey;

    fn seen(&self, mut object: WorkloadBinding) -> Option<BindingKey> {
        let engine = self.engine.upgrade()?;
        forget_owners(&mut object);
        let key = binding_key(&object)?;
        if engine.is_active() {
            engine.ledger.learn(&key, &object);
        } else {
            engine.ledger.relearn(&key, &object);
            for parent in &object.spec.required_by {
                let parent = BindingKey {
                    namespace: key.namespace.clone(),
                    name: parent.binding.clone(),
                };
                engine.index.seed_need(&parent, key.clone());
            }
        }
        let before = engine.index.binding(&key);
        let decided_alike = before.is_some_and(|before| is_decided_alike(&before.metadata, &object.metadata));
        let being_written = engine.index.is_being_written(&key);
        if engine.index.keep_binding(&key, &Arc::new(object)) && !being_written {
            if decided_alike {
                engine.touch(&key); // only its status moved
            } else {
                engine.queue.add(key.clone());
            }
        }
        Some(key)
    }

    fn key(&self, object: &WorkloadBinding) -> Option<BindingKey> {
        binding_key(object)
    }

    fn known(&self) -> Vec<BindingKey> {
        let engine = self.engine.upgrade();
        engine
            .map(|engine| keys_of(&engine.index.bindings))
            .unwrap_or_default()
    }

    fn lose(&self, key: &BindingKey) {
        let Some(engine) = self.engine.upgrade() else {
            return;
        };
        engine.index.lose_binding(key);
        engine.queue.add(key.clone());
    }

    fn gone(&self, object: WorkloadBinding) {
        let Some(key) = binding_key(&object) else { return };
        let held = self
            .engine
            .upgrade()
            .and_then(|engine| engine.index.binding(&key));
        // One made anew under the same name is another.
        if held.is_none_or(|held| held.metadata.uid == object.metadata.uid) {
            self.lose(&key);
        }
    }

    fn listed(&self, keys: &HashSet<BindingKey>) {
        for key in self.known().iter().filter(|key| !keys.contains(key)) {
            self.lose(key);
        }
        // Kinds that something was placed of are followed too.
        if let Some(engine) = self.engine.upgrade() {
            engine.kinds.notify_one();
        }
    }
}

fn binding_key(binding: &WorkloadBinding) -> Option<BindingKey> {
    Some(BindingKey {
        namespace: NamespaceName::parse(&binding.namespace()?).ok()?,
        name: ObjectName::parse(&binding.name_any()).ok()?,
    })
}

/// Aggregated APIs come and go: then the hub API is asked again what it serves.
#[derive(Debug)]
struct Definitions;

impl<K> Sink<PartialObjectMeta<K>> for To<Definitions>
where
    PartialObjectMeta<K>: ResourceExt,
{
    type Key = String;

    fn seen(&self, object: PartialObjectMeta<K>) -> Option<String> {
        self.changed();
        Some(object.name_any())
    }

    fn key(&self, object: &PartialObjectMeta<K>) -> Option<String> {
        Some(object.name_any())
    }

    fn known(&self) -> Vec<String> {
        Vec::new() // that they changed is all that counts
    }

    fn lose(&self, _: &String) {
        self.changed();
    }
}

impl To<Definitions> {
    fn changed(&self) {
        if let Some(engine) = self.engine.upgrade() {
            engine.definitions.notify_one();
        }
    }
}
