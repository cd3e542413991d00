//! `WorkloadBinding`: the persisted decision for one template, and the inventory of what it became in members.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::policy::{ConflictMode, Deletion, Drift, IgnoreFields};
use super::{Resources, is_default};
use crate::model::hash::Hash;
use crate::model::name::{
    self, ClusterName, GroupKind, GroupVersionKind, NamespaceName, ObjectKey, ObjectName, TenantName,
};
use crate::model::quantity::Amount;

/// The decision for one template. A member is named here before the first write there, and until every
/// object there is confirmed gone; what pruning needs is copied here, so no other object is needed for it.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "hanse.dev",
    version = "v1alpha1",
    kind = "WorkloadBinding",
    plural = "workloadbindings",
    namespaced,
    shortname = "wb",
    category = "hanse",
    status = "WorkloadBindingStatus",
    derive = "PartialEq",
    doc = "The decision for one template: which members, how many replicas, and why. Written by the hub, read by people."
)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadBindingSpec {
    /// The template. Its group, kind and name never change.
    pub template: TemplateRef,
    /// What a Bundle consists of: every object that may be in a member because of it. It is named here before its first
    /// write anywhere, and until it is confirmed gone everywhere. Absent for other templates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000))]
    pub items: Vec<BundledObject>,
    /// The tenant it acts as. Absent: it acts as `hanse-admin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantRef>,
    /// The policy that governs it. Absent for what is only here as a dependency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyRef>,
    /// The members it is, or will be, or still is in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 1000),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub clusters: Vec<BindingCluster>,
    /// Bindings that need this one where they are: its members are its own placement and all of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 1000),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["binding"])
    )]
    pub required_by: Vec<RequiredBy>,
    /// Copied from the policy.
    #[serde(default, skip_serializing_if = "is_default")]
    pub deletion: Deletion,
    /// Copied from the policy.
    #[serde(default, skip_serializing_if = "is_default")]
    pub conflict: ConflictMode,
    /// Copied from the policy.
    #[serde(default, skip_serializing_if = "is_default")]
    pub drift: Drift,
    /// Copied from the policy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub ignore_fields: Vec<IgnoreFields>,
    /// Hash of what the decision was made from; it is made again only when this changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs_hash: Option<Hash>,
}

/// A template in the hub API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TemplateRef {
    /// `apps/v1`
    #[schemars(length(min = 1, max = 317))]
    pub api_version: String,
    /// `Deployment`
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    /// Its name.
    pub name: ObjectName,
    /// Its uid. A template made again under the same name keeps its binding, so this may change.
    #[schemars(length(max = 128))]
    pub uid: String,
}

impl TemplateRef {
    /// Reads `apiVersion` and `kind`.
    pub fn group_version_kind(&self) -> Result<GroupVersionKind, name::Error> {
        GroupVersionKind::from_api_version(&self.api_version, &self.kind)
    }

    /// Its kind; `None` if `apiVersion` and `kind` can't be read.
    #[must_use]
    pub fn group_kind(&self) -> Option<GroupKind> {
        Some(self.group_version_kind().ok()?.group_kind())
    }

    /// The key of the template in that namespace.
    pub fn key(&self, namespace: &NamespaceName) -> Result<ObjectKey, name::Error> {
        let kind = self.group_version_kind()?.group_kind();
        Ok(ObjectKey::new(&kind, Some(namespace.clone()), self.name.clone()))
    }
}

/// One object of a Bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BundledObject {
    /// Empty for the core group.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 253))]
    pub group: String,
    /// Its kind.
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    /// Its name.
    pub name: ObjectName,
    /// It is no longer in the Bundle; the entry goes when it is confirmed gone everywhere.
    #[serde(default, skip_serializing_if = "is_default")]
    pub removing: bool,
}

impl BundledObject {
    /// An object that is wanted.
    #[must_use]
    pub fn new(key: &ObjectKey) -> Self {
        Self {
            group: key.group.to_string(),
            kind: key.kind.to_string(),
            name: key.name.clone(),
            removing: false,
        }
    }

    /// Whether it is this object, wherever that is.
    #[must_use]
    pub fn is(&self, key: &ObjectKey) -> bool {
        self.name == key.name && *self.kind == *key.kind && *self.group == *key.group
    }

    /// Its key, if its kind has namespaces.
    #[must_use]
    pub fn key(&self, namespace: &NamespaceName) -> ObjectKey {
        let kind = GroupKind::new(self.group.as_str(), self.kind.as_str());
        ObjectKey::new(&kind, Some(namespace.clone()), self.name.clone())
    }
}

/// A tenant, as it was when the decision was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TenantRef {
    /// Its name.
    pub name: TenantName,
    /// Its uid: a tenant made again under the same name is another one.
    #[schemars(length(max = 128))]
    pub uid: String,
}

/// The policy that governs a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyRef {
    /// Which of the two kinds of policy.
    pub kind: PolicyKind,
    /// Its name; a `PropagationPolicy` is in the binding's namespace.
    pub name: ObjectName,
    /// The generation of it that was used.
    pub generation: i64,
}

/// The kinds of policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum PolicyKind {
    /// Of the template's namespace.
    PropagationPolicy,
    /// Of an administrator.
    ClusterPropagationPolicy,
}

/// One member of a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BindingCluster {
    /// The member.
    pub name: ClusterName,
    /// How many replicas it gets. Absent: the template has none, or all are its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Of an autoscaler: between which numbers it may scale there, its part of what the template says. Absent: the template's
    /// own numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<ScaleRange>,
    /// The revision it gets; until rollouts exist, the template's generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub revision: Option<String>,
    /// The overrides that change it for this member, in the order in which they are made. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overrides: Option<Overridden>,
    /// It is no longer wanted there; the entry goes when every object is confirmed gone.
    #[serde(default, skip_serializing_if = "is_default")]
    pub removing: bool,
}

impl BindingCluster {
    /// A member that is wanted, with nothing said of replicas or revision.
    #[must_use]
    pub fn new(name: ClusterName) -> Self {
        Self {
            name,
            replicas: None,
            scale: None,
            revision: None,
            overrides: None,
            removing: false,
        }
    }
}

/// Between which numbers of replicas an autoscaler scales.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScaleRange {
    /// The fewest. Absent: what its kind does where none is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<i32>,
    /// The most.
    pub max: i32,
}

/// Which overrides change an object for one member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Overridden {
    /// Moves with what they say for this member.
    pub hash: Hash,
    /// The policies: `OverridePolicy/name`, `ClusterOverridePolicy/name`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub by: Vec<String>,
}

/// A binding that needs this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequiredBy {
    /// Name of the binding, in the same namespace.
    pub binding: ObjectName,
    /// The members it is in.
    #[schemars(length(max = 1000))]
    pub clusters: Vec<ClusterName>,
}

/// What became of the decision.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadBindingStatus {
    /// Per member.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 1000),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub clusters: Vec<BindingClusterStatus>,
    /// The first reason why each other member was not chosen; not all when there are many members.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub reasons: Vec<PlacementReason>,
    /// Scheduled, Applied, Available, Drifted, Progressing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Members where it is applied of those decided for, for people: `2/3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub placed: Option<String>,
}

/// What the decision became in one member.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BindingClusterStatus {
    /// The member.
    pub name: ClusterName,
    /// The member holds what the template says at `generation`.
    #[serde(default)]
    pub applied: bool,
    /// Generation of the template that was last applied there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// Replicas that are ready there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_replicas: Option<i32>,
    /// How it does there.
    #[serde(default)]
    pub health: Health,
    /// Why it is not applied, or how it does, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 32768))]
    pub message: String,
    /// When `applied` or `health` last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// Every object that was made there: the inventory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000))]
    pub objects: Vec<PlacedObject>,
}

impl BindingClusterStatus {
    /// A member of which nothing is known yet.
    #[must_use]
    pub fn new(name: ClusterName) -> Self {
        Self {
            name,
            applied: false,
            generation: None,
            ready_replicas: None,
            health: Health::Unknown,
            message: String::new(),
            since: None,
            objects: Vec::new(),
        }
    }
}

/// How an object does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Health {
    /// As its template wants it.
    Healthy,
    /// On its way.
    Progressing,
    /// Failing.
    Degraded,
    /// The member was not heard of, or the object says nothing.
    #[default]
    Unknown,
}

/// One object that the hub made in a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlacedObject {
    /// Empty for the core group.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 253))]
    pub group: String,
    /// Its kind.
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    /// Its namespace; absent for cluster-scoped objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<NamespaceName>,
    /// Its name.
    pub name: ObjectName,
    /// Its uid in the member: only this object is ever deleted. Absent while the first write is on its way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub uid: Option<String>,
    /// Hash of the intent that was last applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<Hash>,
    /// Hash of our entry in its managedFields after the last apply: drift is seen against it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owned: Option<Hash>,
    /// How it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
}

impl PlacedObject {
    /// An object that is about to be written for the first time.
    #[must_use]
    pub fn new(key: &ObjectKey) -> Self {
        Self {
            group: key.group.to_string(),
            kind: key.kind.to_string(),
            namespace: key.namespace.clone(),
            name: key.name.clone(),
            uid: None,
            hash: None,
            owned: None,
            health: None,
        }
    }

    /// The key of the object in its member.
    #[must_use]
    pub fn key(&self) -> ObjectKey {
        let kind = GroupKind::new(self.group.as_str(), self.kind.as_str());
        ObjectKey::new(&kind, self.namespace.clone(), self.name.clone())
    }

    /// Whether that is its key.
    #[must_use]
    pub fn is(&self, key: &ObjectKey) -> bool {
        self.name == key.name
            && *self.kind == *key.kind
            && *self.group == *key.group
            && self.namespace == key.namespace
    }
}

/// Why a member was not chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlacementReason {
    /// The member.
    pub cluster: ClusterName,
    /// The filter that refused it first, such as `TaintToleration`.
    #[schemars(length(max = 63))]
    pub filter: String,
    /// The numbers and names it used, for people.
    #[schemars(length(max = 1024))]
    pub message: String,
    /// The numbers of the member that it compared, such as `status.nodes.ready`; written anew on a change of 5 %.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    pub numbers: Resources,
}

impl PlacementReason {
    /// The same, with the numbers that were shown before unless one has moved by 5 %: those of a member move with
    /// every pod.
    #[must_use]
    pub fn steadied_by(mut self, before: &[Self]) -> Self {
        let same = before.iter().find(|before| {
            before.cluster == self.cluster
                && before.filter == self.filter
                && before.message == self.message
                && before.numbers.keys().eq(self.numbers.keys())
        });
        if let Some(same) = same {
            let moved = |(name, now): (&String, &Amount)| {
                same.numbers.get(name).is_none_or(|old| now.has_moved_from(*old))
            };
            if !self.numbers.iter().any(moved) {
                self.numbers.clone_from(&same.numbers);
            }
        }
        self
    }
}

impl WorkloadBinding {
    /// The status, or an empty one.
    #[must_use]
    pub fn status_or_default(&self) -> WorkloadBindingStatus {
        self.status.clone().unwrap_or_default()
    }

    /// Everything that may be in a member because of it: the template itself, or what the Bundle consists of. Objects
    /// without namespaces have one here all the same: only a member's discovery tells them apart.
    #[must_use]
    pub fn objects(&self, namespace: &NamespaceName) -> Vec<ObjectKey> {
        if self.spec.items.is_empty() {
            return self.spec.template.key(namespace).into_iter().collect();
        }
        self.spec.items.iter().map(|item| item.key(namespace)).collect()
    }

    /// Whether one of these objects is of that kind.
    #[must_use]
    pub fn has_kind(&self, kind: &GroupKind) -> bool {
        if self.spec.items.is_empty() {
            return self.spec.template.group_kind().as_ref() == Some(kind);
        }
        let mut items = self.spec.items.iter();
        items.any(|item| *item.kind == *kind.kind && *item.group == *kind.group)
    }

    /// The members that are wanted, without those that are being left.
    pub fn wanted(&self) -> impl Iterator<Item = &BindingCluster> {
        self.spec.clusters.iter().filter(|cluster| !cluster.removing)
    }

    /// What `status.placed` must say for this status: `2/3`.
    #[must_use]
    pub fn placed(&self, clusters: &[BindingClusterStatus]) -> String {
        let applied = |wanted: &&BindingCluster| clusters.iter().any(|c| c.name == wanted.name && c.applied);
        format!(
            "{}/{}",
            self.wanted().filter(applied).count(),
            self.wanted().count()
        )
    }
}
