//! What each watch of the hub API changes, and whom that concerns.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Weak},
};

use kube::{ResourceExt, api::DynamicObject};
use parking_lot::Mutex;

use super::{
    engine::Engine,
    follow::{Sink, Synced, follow, follow_dynamic},
    index::{Held, Namespace},
};
use crate::{
    act::{
        propagate::Note,
        wire::{Error as WireError, Tasks},
    },
    decide::policy::{Policy, PolicyId},
    model::{
        api::{Cluster, ClusterPropagationPolicy, PropagationPolicy, Tenant, WorkloadBinding},
        fleet::BindingKey,
        mark,
        name::{ClusterName, GroupKind, NamespaceName, ObjectKey, ObjectName},
        template::Template,
    },
};

/// A sink that belongs to the engine; it outlives neither.
#[derive(Debug)]
struct To<T> {
    engine: Weak<Engine>,
    of: T,
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
        Ok(vec![
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
                follow(hub, tasks, kube::Api::all, to(self, NamespacedPolicies))?,
            ),
            (
                "cluster policies",
                follow(hub, tasks, kube::Api::all, to(self, ClusterPolicies))?,
            ),
            (
                "bindings",
                follow(hub, tasks, kube::Api::all, to(self, Bindings))?,
            ),
        ])
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

    fn gone(&self, object: k8s_openapi::api::core::v1::Namespace) {
        if let Ok(name) = NamespaceName::parse(&object.name_any()) {
            self.lose(&name);
        }
    }

    fn listed(&self, keys: &HashSet<NamespaceName>) {
        let Some(engine) = self.engine.upgrade() else {
            return;
        };
        let lost: Vec<_> = engine
            .index
            .namespaces
            .iter()
            .map(|entry| entry.key().clone())
            .filter(|key| !keys.contains(key))
            .collect();
        for name in lost {
            self.lose(&name);
        }
    }
}

impl To<Namespaces> {
    fn lose(&self, name: &NamespaceName) {
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
        let news = before.is_none_or(|before| {
            before.metadata.deletion_timestamp.is_some() != leaving
                || before.finalizers() != cluster.finalizers()
        });
        if news {
            let names: Vec<_> = engine
                .index
                .clusters
                .iter()
                .map(|entry| entry.key().clone())
                .collect();
            engine.lanes.arrange(&engine, &names);
            engine.sweeps.add(name.clone());
            if leaving {
                engine.wake(None);
            }
        }
        Some(name)
    }

    fn gone(&self, object: Cluster) {
        if let Ok(name) = ClusterName::parse(&object.name_any()) {
            self.lose(&name);
        }
    }

    fn listed(&self, keys: &HashSet<ClusterName>) {
        let Some(engine) = self.engine.upgrade() else {
            return;
        };
        let lost: Vec<_> = engine
            .index
            .clusters
            .iter()
            .map(|entry| entry.key().clone())
            .filter(|key| !keys.contains(key))
            .collect();
        for name in lost {
            self.lose(&name);
        }
    }
}

impl To<Clusters> {
    fn lose(&self, name: &ClusterName) {
        let Some(engine) = self.engine.upgrade() else {
            return;
        };
        engine.index.clusters.remove(name);
        engine.fleet.remove(name);
        engine.enforcer.doubt_member(name);
        let names: Vec<_> = engine
            .index
            .clusters
            .iter()
            .map(|entry| entry.key().clone())
            .collect();
        engine.lanes.arrange(&engine, &names);
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

    fn gone(&self, object: Tenant) {
        if let Ok(name) = ObjectName::parse(&object.name_any()) {
            self.lose(&name);
        }
    }

    fn listed(&self, keys: &HashSet<ObjectName>) {
        let Some(engine) = self.engine.upgrade() else {
            return;
        };
        for name in engine
            .index
            .tenant_names()
            .into_iter()
            .filter(|name| !keys.contains(name))
        {
            self.lose(&name);
        }
    }
}

impl To<TenantObjects> {
    fn lose(&self, name: &ObjectName) {
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
struct NamespacedPolicies;

impl Sink<PropagationPolicy> for To<NamespacedPolicies> {
    type Key = PolicyId;

    fn seen(&self, object: PropagationPolicy) -> Option<PolicyId> {
        self.engine.upgrade()?.take_policy(Policy::of(&object).ok()?)
    }

    fn gone(&self, object: PropagationPolicy) {
        if let (Some(engine), Ok(policy)) = (self.engine.upgrade(), Policy::of(&object)) {
            engine.lose_policy(&policy.id);
        }
    }

    fn listed(&self, keys: &HashSet<PolicyId>) {
        if let Some(engine) = self.engine.upgrade() {
            engine.keep_policies(|id| id.namespace.is_none() || keys.contains(id));
        }
    }
}

#[derive(Debug)]
struct ClusterPolicies;

impl Sink<ClusterPropagationPolicy> for To<ClusterPolicies> {
    type Key = PolicyId;

    fn seen(&self, object: ClusterPropagationPolicy) -> Option<PolicyId> {
        self.engine
            .upgrade()?
            .take_policy(Policy::of_cluster(&object).ok()?)
    }

    fn gone(&self, object: ClusterPropagationPolicy) {
        if let (Some(engine), Ok(policy)) = (self.engine.upgrade(), Policy::of_cluster(&object)) {
            engine.lose_policy(&policy.id);
        }
    }

    fn listed(&self, keys: &HashSet<PolicyId>) {
        if let Some(engine) = self.engine.upgrade() {
            engine.keep_policies(|id| id.namespace.is_some() || keys.contains(id));
        }
    }
}

impl Engine {
    fn take_policy(&self, policy: Policy) -> Option<PolicyId> {
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
        Some(id)
    }

    fn lose_policy(&self, id: &PolicyId) {
        self.index.change_policies(|policies| {
            policies.remove(id);
        });
        self.policy_changed(id);
    }

    fn keep_policies(&self, keep: impl Fn(&PolicyId) -> bool) {
        let lost: Vec<PolicyId> = self
            .index
            .policies
            .load()
            .iter()
            .map(|policy| policy.id.clone())
            .filter(|id| !keep(id))
            .collect();
        for id in lost {
            self.lose_policy(&id);
        }
    }

    fn policy_changed(&self, id: &PolicyId) {
        self.kinds.notify_one();
        self.wake(id.namespace.as_ref());
    }
}

#[derive(Debug)]
struct Bindings;

impl Sink<WorkloadBinding> for To<Bindings> {
    type Key = BindingKey;

    fn seen(&self, object: WorkloadBinding) -> Option<BindingKey> {
        let engine = self.engine.upgrade()?;
        let key = binding_key(&object)?;
        engine.ledger.learn(&key, &object);
        for parent in &object.spec.required_by {
            let parent = BindingKey {
                namespace: key.namespace.clone(),
                name: parent.binding.clone(),
            };
            if !engine.is_active() {
                engine.index.seed_need(parent, key.clone());
            }
        }
        if engine.index.keep_binding(&key, Arc::new(object)) {
            engine.queue.add(key.clone());
        }
        Some(key)
    }

    fn gone(&self, object: WorkloadBinding) {
        if let (Some(engine), Some(key)) = (self.engine.upgrade(), binding_key(&object)) {
            let held = engine
                .index
                .binding(&key)
                .map(|binding| binding.metadata.uid.clone());
            if held.is_none_or(|uid| uid == object.metadata.uid) {
                engine.index.bindings.remove(&key);
            }
            engine.queue.add(key);
        }
    }

    fn listed(&self, keys: &HashSet<BindingKey>) {
        let Some(engine) = self.engine.upgrade() else {
            return;
        };
        let lost: Vec<_> = engine
            .index
            .bindings
            .iter()
            .map(|entry| entry.key().clone())
            .filter(|key| !keys.contains(key))
            .collect();
        for key in lost {
            engine.index.bindings.remove(&key);
            engine.queue.add(key);
        }
        engine.kinds.notify_one();
    }
}

fn binding_key(binding: &WorkloadBinding) -> Option<BindingKey> {
    Some(BindingKey {
        namespace: NamespaceName::parse(&binding.namespace()?).ok()?,
        name: ObjectName::parse(&binding.name_any()).ok()?,
    })
}

/// The watches of templates, one per kind that some policy may select.
#[derive(Debug, Default)]
pub(super) struct TemplateWatches(Mutex<HashMap<GroupKind, (String, Tasks, Synced)>>);

impl TemplateWatches {
    /// Starts and ends watches so that exactly the kinds that policies may select are followed.
    pub(super) fn arrange(&self, engine: &Arc<Engine>) -> Result<(), WireError> {
        let wanted: HashMap<_, _> = engine.index.template_kinds().into_iter().collect();
        let mut watches = self.0.lock();
        watches.retain(|kind, (version, tasks, _)| {
            let stays = wanted
                .get(kind)
                .is_some_and(|api| api.versions.first() == Some(version));
            if !stays {
                tasks.stop();
                let left: Vec<_> = engine
                    .index
                    .templates
                    .iter()
                    .filter(|held| held.template.key.group_kind() == *kind)
                    .map(|held| held.key().clone())
                    .collect();
                for key in left {
                    engine.index.templates.remove(&key);
                    engine.index.note_scaler(&key, None);
                    engine.queue.add(key);
                }
            }
            stays
        });
        for (kind, api) in wanted {
            let Some(version) = api.versions.first().filter(|_| !watches.contains_key(&kind)) else {
                continue;
            };
            let gvk = kube::core::GroupVersionKind::gvk(&kind.group, version, &kind.kind);
            let resource = kube::api::ApiResource::from_gvk_with_plural(&gvk, &api.plural);
            let tasks = engine.tasks.child();
            let sink = Arc::new(To {
                engine: Arc::downgrade(engine),
                of: Templates {
                    kind: kind.clone(),
                    api_version: kind.at(version.as_str()).api_version(),
                },
            });
            let synced = follow_dynamic::<DynamicObject, _>(&engine.hub, &tasks, &resource, sink)?;
            watches.insert(kind, (version.clone(), tasks, synced));
        }
        Ok(())
    }

    /// The kinds whose first list is not complete.
    pub(super) fn waiting(&self) -> Vec<String> {
        let watches = self.0.lock();
        watches
            .iter()
            .filter(|(_, (_, _, synced))| !synced.now())
            .map(|(kind, _)| kind.to_string())
            .collect()
    }
}

#[derive(Debug)]
struct Templates {
    kind: GroupKind,
    api_version: String,
}

impl Sink<DynamicObject> for To<Templates> {
    type Key = BindingKey;

    fn seen(&self, object: DynamicObject) -> Option<BindingKey> {
        let engine = self.engine.upgrade()?;
        let mut value = serde_json::to_value(object).ok()?;
        // Items of a list don't say what they are.
        value["apiVersion"] = self.of.api_version.as_str().into();
        value["kind"] = (&*self.of.kind.kind).into();
        let status = value.get("status").map(|status| Arc::from(status.to_string()));
        let template = match Template::from_object(&value, &|manager| engine.is_own_manager(manager)) {
            Ok(template) => Arc::new(template),
            Err(error) => {
                engine.refuse_template(&value, &error.to_string());
                return None;
            }
        };
        let key = BindingKey::of(&template.key)?;
        let scales = template.scales.clone();
        let before = engine.index.template(&key);
        let same = before.as_ref().is_some_and(|before| {
            let before = &before.template;
            before.hash == template.hash
                && before.uid == template.uid
                && before.labels == template.labels
                && before.deleting == template.deleting
                && before.controlled == template.controlled
                && before.generation == template.generation
        });
        let since = before
            .filter(|_| same)
            .map_or_else(tokio::time::Instant::now, |before| before.since);
        engine.index.templates.insert(
            key.clone(),
            Held {
                template,
                status,
                since,
            },
        );
        if !same {
            if let Some(workload) = engine.index.note_scaler(&key, scales.as_ref()) {
                engine.queue.add(workload);
            }
            engine.queue.add(key.clone());
        }
        Some(key)
    }

    fn gone(&self, object: DynamicObject) {
        if let (Some(engine), Some(key)) = (self.engine.upgrade(), self.key(&object)) {
            engine.lose_template(&key);
        }
    }

    fn listed(&self, keys: &HashSet<BindingKey>) {
        let Some(engine) = self.engine.upgrade() else {
            return;
        };
        let kind = &self.of.kind;
        let lost: Vec<_> = engine
            .index
            .templates
            .iter()
            .filter(|held| held.template.key.group_kind() == *kind && !keys.contains(held.key()))
            .map(|held| held.key().clone())
            .collect();
        for key in lost {
            engine.lose_template(&key);
        }
    }
}

impl To<Templates> {
    fn key(&self, object: &DynamicObject) -> Option<BindingKey> {
        let key = ObjectKey::parse(&self.of.kind, &object.namespace()?, &object.name_any()).ok()?;
        BindingKey::of(&key)
    }
}

impl Engine {
    /// What can't be a template is said where its author looks: on the object.
    fn refuse_template(&self, object: &serde_json::Value, why: &str) {
        let text = |pointer| {
            object
                .pointer(pointer)
                .and_then(serde_json::Value::as_str)
                .unwrap_or_default()
        };
        let kind = GroupKind::new(
            text("/apiVersion")
                .rsplit_once('/')
                .map_or("", |(group, _)| group),
            text("/kind"),
        );
        let about = ObjectKey::parse(&kind, text("/metadata/namespace"), text("/metadata/name"));
        if let Ok(about) = about.as_ref().map(Clone::clone)
            && self.is_active()
        {
            self.events.say(Note {
                about,
                api_version: text("/apiVersion").to_owned(),
                uid: text("/metadata/uid").to_owned(),
                reason: "TemplateRefused",
                warning: true,
                message: why.to_owned(),
            });
        }
        tracing::warn!(why, "an object of the hub API can't be propagated");
    }

    fn lose_template(&self, key: &BindingKey) {
        self.index.templates.remove(key);
        if let Some(workload) = self.index.note_scaler(key, None) {
            self.queue.add(workload);
        }
        self.queue.add(key.clone());
    }
}
