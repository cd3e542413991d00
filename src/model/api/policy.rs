//! `PropagationPolicy` and `ClusterPropagationPolicy`: which templates go to which members, and how.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::is_default;
use super::placement::Placement;
use super::selector::ResourceSelector;
use crate::model::clock::GoDuration;
use crate::model::name::ClusterName;

/// Which templates go to which members, and how they are kept there.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "hanse.dev",
    version = "v1alpha1",
    kind = "PropagationPolicy",
    plural = "propagationpolicies",
    namespaced,
    shortname = "pp",
    category = "hanse",
    status = "PolicyStatus",
    derive = "PartialEq",
    doc = "Which templates of its namespace go to which members, and how they are kept there."
)]
#[serde(rename_all = "camelCase")]
pub struct PropagationPolicySpec {
    /// Precedence when several policies select a template: the highest priority wins, then a
    /// `PropagationPolicy` before a `ClusterPropagationPolicy`, then the more exact selector (name, labels,
    /// kind, `"*"`), then the older policy. Absent: 0.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(range(min = -2_147_483_648, max = 2_147_483_647))]
    pub priority: i32,
    /// What happens to a template that another policy governs already.
    #[serde(default, skip_serializing_if = "is_default")]
    pub takeover: Takeover,
    /// The templates it selects; a template is selected when one of them matches.
    #[schemars(length(min = 1, max = 64))]
    pub resource_selectors: Vec<ResourceSelector>,
    /// Where they go. Absent: a full copy to every member the tenant may use.
    #[serde(default, skip_serializing_if = "is_default")]
    pub placement: Placement,
    /// Whether what the templates need goes with them.
    #[serde(default, skip_serializing_if = "is_default")]
    pub dependencies: Dependencies,
    /// What happens when a member already has an object of that name that is not ours.
    #[serde(default, skip_serializing_if = "is_default")]
    pub conflict: ConflictMode,
    /// What happens when somebody edits a propagated object in a member.
    #[serde(default, skip_serializing_if = "is_default")]
    pub drift: Drift,
    /// What happens to the objects in members when their template or this policy goes.
    #[serde(default, skip_serializing_if = "is_default")]
    pub deletion: Deletion,
    /// Fields that members own: they are written once and then left alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub ignore_fields: Vec<IgnoreFields>,
    /// When work moves away from a lost member. Absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failover: Option<Failover>,
    /// Holds the work of the hub on these templates.
    #[serde(default, skip_serializing_if = "is_default")]
    pub suspend: Suspend,
}

/// The same as a `PropagationPolicy`, made by administrators for templates of any namespace.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "hanse.dev",
    version = "v1alpha1",
    kind = "ClusterPropagationPolicy",
    plural = "clusterpropagationpolicies",
    shortname = "cpp",
    category = "hanse",
    status = "PolicyStatus",
    derive = "PartialEq",
    doc = "Which templates of any hub namespace but kube-*, default and hanse-* go to which members. \
           In a tenant's namespace it acts as that tenant, elsewhere as hanse-admin."
)]
#[serde(transparent)]
pub struct ClusterPropagationPolicySpec {
    /// The fields of a `PropagationPolicy`, at the same place.
    pub policy: PropagationPolicySpec,
}

/// What happens to a template that another policy governs already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Takeover {
    /// A claim is kept while its policy still matches.
    #[default]
    WhenUnclaimed,
    /// The policy that wins by precedence takes over, and applies before anything is removed.
    Always,
}

/// Whether what a template needs goes with it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Dependencies {
    /// Only what a policy selects.
    #[default]
    Ignore,
    /// Also the `ConfigMaps`, Secrets, `ServiceAccounts` and claims that the rendered object names.
    Follow,
}

/// What happens when a member already has an object of that name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConflictMode {
    /// It is reported and left untouched.
    #[default]
    Abort,
    /// The hub takes it over.
    Adopt,
}

/// What happens when somebody edits a propagated object in a member.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Drift {
    /// Whether it is repaired. Absent: `Correct`.
    #[serde(default)]
    pub mode: DriftMode,
    /// What counts as drift. Absent: `Owned`.
    #[serde(default)]
    pub scope: DriftScope,
}

/// Whether drift is repaired.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DriftMode {
    /// The template's values are written again.
    #[default]
    Correct,
    /// It is only reported.
    Report,
}

/// What counts as drift.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DriftScope {
    /// Changes of fields that the template sets.
    #[default]
    Owned,
    /// Also fields that others added; those are reported and never removed.
    Whole,
}

/// What happens to the objects in members when what put them there goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Deletion {
    /// When the template is deleted. Absent: `Delete`.
    #[serde(default)]
    pub template: TemplateDeletion,
    /// When the policy is deleted or selects the template no more. Absent: `Keep`.
    #[serde(default)]
    pub policy: PolicyDeletion,
}

/// What a template's deletion does to its objects in members.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TemplateDeletion {
    /// They are deleted.
    #[default]
    Delete,
    /// They stay, without the hub's marks.
    Orphan,
}

/// What a policy's deletion does to the objects of its templates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PolicyDeletion {
    /// They are deleted.
    Delete,
    /// They stay, without the hub's marks.
    Orphan,
    /// They stay as they are, frozen, until another policy selects the template.
    #[default]
    Keep,
}

/// Fields of one kind that members own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IgnoreFields {
    /// The kind the pointers are for.
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    /// JSON pointers (RFC 6901) into the object. An item of a list is named by its key:
    /// `/spec/template/spec/containers/name=app/image`.
    #[schemars(length(min = 1, max = 32), inner(length(min = 1, max = 512)))]
    pub pointers: Vec<String>,
}

/// When work moves away from a lost member.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Failover {
    /// How long the member must be lost. Absent: 5m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<GoDuration>,
    /// Whether what ran in the lost member is removed, should it come back, only when its replacement is ready. Absent: as
    /// soon as the replacement is applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_replicas_until_ready: Option<bool>,
    /// Whether workloads with state of their own move too. Absent: `Never`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stateful: Option<StatefulFailover>,
}

/// Whether workloads with state of their own move away from a lost member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum StatefulFailover {
    /// They wait for the member.
    Never,
    /// They move like others; two copies may run when the member is alive after all.
    Move,
}

/// Holds the work of the hub on the templates of a policy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Suspend {
    /// The decision stays as it is.
    #[serde(default, skip_serializing_if = "is_default")]
    pub scheduling: bool,
    /// Nothing is written to members.
    #[serde(default, skip_serializing_if = "is_default")]
    pub applying: bool,
    /// Nothing is written to these members.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub clusters: Vec<ClusterName>,
}

/// Whether a policy is in force.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyStatus {
    /// Ready, and what keeps the policy from being it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// How many templates it governs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bindings: Option<u32>,
}
