//! `Tenant`: a team, what is its own, and what it may use.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cluster::Resources;
use super::is_default;
use super::selector::ClusterSelector;
use crate::model::name::{ClusterName, NamespaceName};
use crate::model::quantity::Amount;

/// Who the team is, which namespaces are its own, and what it may use.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "hanse.dev",
    version = "v1alpha1",
    kind = "Tenant",
    plural = "tenants",
    shortname = "tn",
    category = "hanse",
    status = "TenantStatus",
    derive = "PartialEq",
    doc = "A team: its owners, its namespaces in the hub and in members, and the members it may use."
)]
#[serde(rename_all = "camelCase")]
pub struct TenantSpec {
    /// Who may edit templates and policies in the tenant's hub namespaces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub owners: Vec<Owner>,
    /// The hub namespaces that are the tenant's, and the namespaces of the same names in members. Missing
    /// ones are made, none is ever deleted. `default`, `kube-*` and `hanse-*` belong to nobody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), extend("x-kubernetes-list-type" = "set"))]
    pub namespaces: Vec<NamespaceName>,
    /// The members it may use. Absent or empty: all.
    #[serde(default, skip_serializing_if = "ClusterSelector::is_empty")]
    pub clusters: ClusterSelector,
    /// What it may use in all members together. Absent: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<Quota>,
    /// Requests and limits for containers that name none; becomes a `LimitRange`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defaults: Option<ContainerDefaults>,
    /// How it is kept apart from other tenants.
    #[serde(default, skip_serializing_if = "is_default")]
    pub isolation: Isolation,
    /// What its objects may refer to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guardrails: Option<Guardrails>,
    /// Nothing new of it is placed anywhere.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cordoned: bool,
    /// Whether its pods may run abroad when their member is full.
    #[serde(default, skip_serializing_if = "is_default")]
    pub overflow: TenantOverflow,
}

/// One owner of a tenant: a subject of the hub API's RBAC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Owner {
    /// What sort of subject.
    pub kind: OwnerKind,
    /// Name of the user, group or `ServiceAccount`.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Namespace of a `ServiceAccount`; absent for users and groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<NamespaceName>,
}

/// The sorts of owners.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OwnerKind {
    /// A user name.
    User,
    /// A group.
    Group,
    /// A `ServiceAccount` of the hub API.
    ServiceAccount,
}

/// What a tenant may use in all members together.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Quota {
    /// The cohort it borrows from and lends to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub cohort: Option<String>,
    /// Its fair share when the cohort is contended. Absent: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// Who lowers what a member counts as used.
    #[serde(default, skip_serializing_if = "is_default")]
    pub enforcement: QuotaEnforcement,
    /// Amounts of compute resources.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub resources: Vec<QuotaResource>,
    /// Counts of objects by kind, such as `pods`, `services.loadbalancers`, `count/jobs.batch`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub objects: BTreeMap<String, u32>,
}

/// Who lowers what a member counts as used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum QuotaEnforcement {
    /// The member's own controller: works without the hub, may overshoot for seconds under churn.
    #[default]
    Native,
    /// The hub alone: exact under churn, but nothing is freed while the hub is away.
    Exact,
}

/// One resource of a quota.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuotaResource {
    /// `requests.cpu`, `requests.memory`, `requests.nvidia.com/gpu`.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// What is always its own.
    pub nominal: Amount,
    /// What it may borrow on top. Absent: all that the cohort has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub borrowing_limit: Option<Amount>,
    /// What of its own it lends when idle. Absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lending_limit: Option<Amount>,
}

/// Requests and limits for containers that name none.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainerDefaults {
    /// Requests of a container that names none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub requests: Resources,
    /// Limits of a container that names none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub limits: Resources,
}

/// How a tenant is kept apart from others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Isolation {
    /// The pod security level that its namespaces enforce in members. Absent: `baseline`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_security: Option<PodSecurity>,
    /// Whose traffic reaches its pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkIsolation>,
}

/// A pod security level of Kubernetes that a tenant may run at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PodSecurity {
    /// Nothing that is known to escalate.
    Baseline,
    /// Hardened pods only.
    Restricted,
}

/// Whose traffic reaches a tenant's pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum NetworkIsolation {
    /// The tenant's own namespaces.
    Tenant,
    /// The same namespace only.
    Namespace,
    /// Everybody's: no network policy is made.
    None,
}

/// What a tenant's objects may refer to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Guardrails {
    /// Prefixes of images, each ending in `/`. Absent: any registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 50), inner(length(min = 2, max = 255)))]
    pub registries: Option<Vec<String>>,
    /// Priority classes its pods may name. Absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 50), inner(length(min = 1, max = 253)))]
    pub priority_classes: Option<Vec<String>>,
    /// Storage classes its claims may name. Absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 50), inner(length(min = 1, max = 253)))]
    pub storage_classes: Option<Vec<String>>,
    /// Whether its Services may open node ports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_ports: Option<bool>,
    /// Whether its Services may be load balancers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_balancers: Option<bool>,
    /// Host names its Ingresses and routes may claim; `*.` matches one label. Absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 50), inner(length(min = 1, max = 253)))]
    pub hostnames: Option<Vec<String>>,
}

/// Whether a tenant's pods may run abroad.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TenantOverflow {
    /// Whether its pods may leave home at all.
    #[serde(default)]
    pub borrow: bool,
}

/// How far the tenant's objects are in place.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TenantStatus {
    /// Ready, and what keeps the tenant from being it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Per member that it may use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub clusters: Vec<TenantClusterStatus>,
    /// What it has and uses in all members together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub quota: Vec<QuotaStatus>,
}

/// How far the tenant's objects are in place in one member.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TenantClusterStatus {
    /// The member.
    pub name: ClusterName,
    /// Generation of the Tenant that the member enforces. Absent: none yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforced_generation: Option<i64>,
    /// Whether the member is up to date.
    pub condition: EnforcementState,
    /// Why it is not Ready, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When `condition` last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// What the member may spend without asking.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lease: Resources,
    /// What it spends.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub used: Resources,
}

/// Whether a member enforces the tenant as it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum EnforcementState {
    /// All of the tenant's objects are in place.
    Ready,
    /// The member still enforces an older generation, or a part is missing.
    Stale,
    /// The member was not heard of: what it enforces is not known.
    Unreachable,
}

/// One resource of a tenant's quota, over all members.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuotaStatus {
    /// Name of the resource.
    pub name: String,
    /// What is its own.
    pub nominal: Amount,
    /// What it has from its cohort.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub borrowed: Option<Amount>,
    /// What the cohort has from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lent: Option<Amount>,
    /// What it uses.
    pub used: Amount,
    /// What it could still use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available: Option<Amount>,
}
