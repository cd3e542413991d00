//! What decides where a template goes and how it looks there: as the hub API says, with the files in their place.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::{Api, Resource, ResourceExt, api::ListParams};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::super::{context::Hub, failure::Failure};
use super::{member::Members, problem};
use crate::{
    act::{fleet::Claim, wire::HubIdentity},
    decide::{
        placement::{self, Moving, Request, Rooms, Workload, divide_range, shares_of},
        policy::{Override, OverrideId, Overrides, Policies, Policy, PolicyId},
        tenancy::{ActsAs, Tenants},
    },
    model::{
        api::{
            self, Cluster, ClusterOverridePolicy, ClusterPropagationPolicy, ClusterSelector, OverridePolicy,
            PlacedObject, PolicyKind, PropagationPolicy, ScaleRange, Tenant, WorkloadBinding,
        },
        fleet::{BindingKey, Snapshot},
        kind::scale_range,
        manifest::Document,
        mark,
        name::{ClusterName, NamespaceName, ObjectKey, ObjectName, binding_name},
        template::Template,
    },
};

/// The policies, tenants and members as they would be.
pub(super) struct World {
    pub(super) me: HubIdentity,
    pub(super) clusters: BTreeMap<ClusterName, Cluster>,
    pub(super) overrides: Overrides,
    policies: Policies,
    tenants: Tenants,
    /// Label `hanse.dev/tenant` of the hub's namespaces.
    labels: BTreeMap<String, String>,
    /// Those that stand in the files.
    new_policies: BTreeSet<PolicyId>,
    new_overrides: BTreeSet<OverrideId>,
    /// Something in the files may move templates.
    moves: bool,
}

/// Where a template would be, or be no more.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) cluster: ClusterName,
    pub(super) binding: ObjectName,
    pub(super) acts_as: ActsAs,
    /// None: all that the template has.
    pub(super) replicas: Option<i64>,
    /// An autoscaler's part of its range.
    pub(super) scale: Option<ScaleRange>,
    /// Whether it leaves the member.
    pub(super) leaves: bool,
    /// What the binding records there.
    pub(super) recorded: Vec<PlacedObject>,
    /// The template, where that is a Bundle.
    pub(super) bundle: Option<ObjectKey>,
}

impl Place {
    /// The uid that the binding records of an object there.
    pub(super) fn uid(&self, object: &ObjectKey) -> Option<&str> {
        let recorded = self.recorded.iter().find(|placed| placed.is(object))?;
        recorded.uid.as_deref()
    }
}

pub(super) fn is_override(document: &Document) -> bool {
    document.group() == api::GROUP && matches!(document.kind(), "OverridePolicy" | "ClusterOverridePolicy")
}

pub(super) fn is_policy(document: &Document) -> bool {
    document.group() == api::GROUP
        && matches!(document.kind(), "PropagationPolicy" | "ClusterPropagationPolicy")
}

/// The namespace a policy acts in; None for all.
pub(super) fn namespace_of(hub: &Hub, document: &Document) -> Option<NamespaceName> {
    if document.kind().starts_with("Cluster") || document.kind() == "Tenant" {
        return None;
    }
    let own = document.namespace().and_then(|namespace| namespace.parse().ok());
    Some(own.unwrap_or_else(|| hub.namespace.clone()))
}

/// All objects of a kind.
async fn all<K>(hub: &Hub, what: &str) -> Result<Vec<K>, Failure>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let listed = Api::<K>::all(hub.client.clone())
        .list(&ListParams::default())
        .await;
    listed
        .map(|list| list.items)
        .map_err(|error| Failure::hub(&format!("list {what}"), &error))
}

impl World {
    pub(super) async fn read(hub: &Hub, documents: &[Document]) -> Result<Self, Failure> {
        let maps: Api<ConfigMap> = Api::namespaced(hub.client.clone(), mark::SYSTEM_NAMESPACE);
        let map = maps
            .get(mark::HUB_IDENTITY)
            .await
            .map_err(|error| Failure::hub("read the hub's identity", &error))?;
        let id = map
            .data
            .and_then(|mut data| data.remove("id"))
            .unwrap_or_default();
        let claim = Claim {
            hub: id.clone(),
            api: String::new(),
        };
        let mut world = Self {
            me: HubIdentity {
                manager: claim.manager(),
                id,
            },
            clusters: BTreeMap::new(),
            overrides: Overrides::default(),
            policies: Policies::default(),
            tenants: Tenants::default(),
            labels: BTreeMap::new(),
            new_policies: BTreeSet::new(),
            new_overrides: BTreeSet::new(),
            moves: false,
        };
        for cluster in all::<Cluster>(hub, "clusters").await? {
            if let Ok(name) = cluster.name_any().parse() {
                world.clusters.insert(name, cluster);
            }
        }
        for policy in all(hub, "policies")
            .await?
            .iter()
            .filter_map(|policy| Policy::of(policy).ok())
        {
            world.policies.upsert(policy);
        }
        let wide: Vec<ClusterPropagationPolicy> = all(hub, "cluster policies").await?;
        for policy in wide.iter().filter_map(|policy| Policy::of_cluster(policy).ok()) {
            world.policies.upsert(policy);
        }
        for policy in all(hub, "override policies")
            .await?
            .iter()
            .filter_map(|policy| Override::of(policy).ok())
        {
            world.overrides.upsert(policy);
        }
        let wide: Vec<ClusterOverridePolicy> = all(hub, "cluster override policies").await?;
        for policy in wide.iter().filter_map(|policy| Override::of_cluster(policy).ok()) {
            world.overrides.upsert(policy);
        }
        let mut tenants: BTreeMap<String, Tenant> = all::<Tenant>(hub, "tenants")
            .await?
            .into_iter()
            .map(|tenant| (tenant.name_any(), tenant))
            .collect();
        let namespaces = Api::<Namespace>::all(hub.client.clone())
            .list_metadata(&ListParams::default())
            .await
            .map_err(|error| Failure::hub("list namespaces", &error))?;
        world.labels = namespaces
            .into_iter()
            .filter_map(|namespace| {
                Some((
                    namespace.name_any(),
                    namespace.labels().get(mark::TENANT)?.clone(),
                ))
            })
            .collect();
        for document in documents.iter().filter(|document| document.group() == api::GROUP) {
            world.take(hub, document, &mut tenants);
        }
        world.tenants = Tenants::new(tenants.into_values().map(Arc::new));
        Ok(world)
    }

    /// What the file says stands in the place of what the hub API says.
    fn take(&mut self, hub: &Hub, document: &Document, tenants: &mut BTreeMap<String, Tenant>) {
        fn read<T: DeserializeOwned>(document: &Document, namespace: Option<&NamespaceName>) -> Option<T> {
            let mut object = document.object.clone();
            if let Some(namespace) = namespace {
                object["metadata"]["namespace"] = json!(namespace);
            }
            serde_json::from_value(object).ok()
        }
        let namespace = namespace_of(hub, document);
        let namespace = namespace.as_ref();
        match document.kind() {
            "Tenant" => {
                if let Some(mut tenant) = read::<Tenant>(document, None) {
                    // Its age and its uid decide what is its own.
                    if let Some(live) = tenants.get(document.name()) {
                        tenant.metadata = live.metadata.clone();
                    }
                    self.moves |= tenants
                        .get(document.name())
                        .is_none_or(|live| live.spec != tenant.spec);
                    tenants.insert(document.name().to_owned(), tenant);
                }
            }
            "PropagationPolicy" | "ClusterPropagationPolicy" => {
                let policy = if namespace.is_some() {
                    read::<PropagationPolicy>(document, namespace).and_then(|policy| Policy::of(&policy).ok())
                } else {
                    read::<ClusterPropagationPolicy>(document, None)
                        .and_then(|policy| Policy::of_cluster(&policy).ok())
                };
                if let Some(mut policy) = policy {
                    let live = self.policies.get(&policy.id);
                    self.moves |= live.is_none_or(|live| live.spec != policy.spec);
                    policy.created = live.and_then(|live| live.created);
                    self.new_policies.insert(policy.id.clone());
                    self.policies.upsert(policy);
                }
            }
            "OverridePolicy" | "ClusterOverridePolicy" => {
                let policy = if namespace.is_some() {
                    read::<OverridePolicy>(document, namespace).and_then(|policy| Override::of(&policy).ok())
                } else {
                    read::<ClusterOverridePolicy>(document, None)
                        .and_then(|policy| Override::of_cluster(&policy).ok())
                };
                if let Some(policy) = policy {
                    self.new_overrides.insert(policy.id.clone());
                    self.overrides.upsert(policy);
                }
            }
            _ => {}
        }
    }

    /// Whether it is one of the hub's own field managers.
    pub(super) fn is_hubs(&self, manager: &str) -> bool {
        manager == self.me.manager || manager == self.me.second_manager()
    }

    /// Whether a policy or an override of the files is about the template.
    pub(super) fn reaches(&self, template: &Template) -> bool {
        let items = template.items().iter();
        let overrides: Vec<_> = items.flat_map(|item| self.overrides.of_template(item)).collect();
        let governed = self.policies.govern(template, None);
        overrides
            .iter()
            .any(|policy| self.new_overrides.contains(&policy.id))
            || governed.is_some_and(|governed| self.new_policies.contains(&governed.policy.id))
    }

    /// Where the template would be. What is placed stays where it is, unless the files hold what may move it.
    pub(super) async fn places(
        &self,
        hub: &Hub,
        members: &mut Members<'_>,
        template: &Template,
    ) -> Result<Vec<Place>, Failure> {
        let (Some(namespace), Some(key)) = (template.namespace(), BindingKey::of(&template.key)) else {
            return Ok(Vec::new());
        };
        let bindings: Api<WorkloadBinding> = Api::namespaced(hub.client.clone(), namespace);
        let binding = bindings
            .get_opt(&key.name)
            .await
            .map_err(|error| Failure::hub(&format!("read binding {key}"), &error))?;
        let claim = binding.as_ref().and_then(|binding| binding.spec.policy.as_ref());
        let governed = self.policies.govern(template, claim);
        let required = binding
            .as_ref()
            .map_or(&[][..], |binding| &binding.spec.required_by);
        if governed.is_none() && required.is_empty() {
            return Ok(Vec::new());
        }
        let kind = governed
            .as_ref()
            .map_or(PolicyKind::ClusterPropagationPolicy, |governed| {
                governed.policy.id.kind
            });
        let label = self.labels.get(namespace.as_str());
        let labels = label.map(|tenant| (mark::TENANT.to_owned(), tenant.clone()));
        let acts_as = self
            .tenants
            .acts_as(namespace, &labels.into_iter().collect(), kind);
        if let ActsAs::Nobody { reason } = acts_as {
            return Err(problem(format!("{key}: {reason}")));
        }
        let place = |cluster: &ClusterName, replicas: Option<i64>, leaves: bool| {
            let status = binding.as_ref().and_then(|binding| binding.status.as_ref());
            let there = status.and_then(|status| status.clusters.iter().find(|there| there.name == *cluster));
            Place {
                cluster: cluster.clone(),
                binding: key.name.clone(),
                acts_as: acts_as.clone(),
                replicas,
                scale: None,
                leaves,
                recorded: there.map(|there| there.objects.clone()).unwrap_or_default(),
                bundle: template.bundle.is_some().then(|| template.key.clone()),
            }
        };
        let placement = governed.as_ref().map(|governed| &governed.policy.spec.placement);
        if let Some(binding) = &binding
            && !self.moves
            && is_divided_so(binding, template)
        {
            let wanted = binding.wanted();
            let places = wanted.map(|entry| place(&entry.name, entry.replicas.map(i64::from), false));
            return narrow(hub, template, places.collect()).await;
        }
        let everywhere = ClusterSelector::default();
        let tenant = match &acts_as {
            ActsAs::Tenant(tenant) => self.tenants.get(&tenant.name),
            _ => None,
        };
        let current = binding.as_ref().map_or(&[][..], |binding| &binding.spec.clusters);
        let fleet: Snapshot = members.all().await;
        let now = hub.clock.now();
        let mut rooms = Rooms::default();
        rooms.refresh(&fleet, &|_, _| 0, now);
        let kinds = template.kinds();
        let plan = placement::place(
            &fleet,
            &Request {
                placement,
                tenant: tenant.map_or(&everywhere, |tenant| &tenant.spec.clusters),
                kinds: &kinds,
                current,
                required,
                workload: Workload {
                    replicas: template.replicas.and_then(|replicas| replicas.try_into().ok()),
                    pod: template.pod.as_deref(),
                    ..Workload::default()
                },
                // Nothing moves because it can't be reached from here.
                moving: Moving::default(),
                rooms: &rooms,
                now,
            },
        );
        let stays = plan.clusters.iter().map(|placed| {
            place(
                &placed.name,
                placed.replicas.and_then(|replicas| replicas.try_into().ok()),
                false,
            )
        });
        let left = current
            .iter()
            .filter(|had| !plan.clusters.iter().any(|placed| placed.name == had.name))
            .map(|had| place(&had.name, None, true));
        narrow(hub, template, stays.chain(left).collect()).await
    }
}

/// Of an autoscaler, only the places where the workload has replicas, each with its part of the range.
async fn narrow(hub: &Hub, template: &Template, mut places: Vec<Place>) -> Result<Vec<Place>, Failure> {
    let (Some((kind, name)), Some(namespace)) = (&template.scales, template.namespace()) else {
        return Ok(places);
    };
    let bindings: Api<WorkloadBinding> = Api::namespaced(hub.client.clone(), namespace);
    let binding = bindings
        .get_opt(&binding_name(kind, name))
        .await
        .map_err(|error| Failure::hub(&format!("read the binding of {} {name}", kind.kind), &error))?;
    let Some(shares) = binding.as_ref().and_then(shares_of) else {
        return Ok(places);
    };
    let range = scale_range(&template.key.group_kind(), &template.value());
    let parts = range
        .map(|range| divide_range(range, &shares))
        .unwrap_or_default();
    for place in &mut places {
        place.scale = parts.get(&place.cluster).copied();
        place.leaves |= place.scale.is_none();
    }
    Ok(places)
}

/// Whether the binding shares out as many replicas as the template has.
fn is_divided_so(binding: &WorkloadBinding, template: &Template) -> bool {
    let each = binding.wanted().filter_map(|entry| entry.replicas);
    let sum = each.map(i64::from).reduce(i64::saturating_add);
    sum.is_none() || sum == template.replicas
}
