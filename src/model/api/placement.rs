//! The placement of a policy: to which members, in which order, how many replicas in each.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cluster::TaintEffect;
use super::is_default;
use super::selector::ClusterSelector;

/// Where the templates of a policy go.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Placement {
    /// Choices of members in order of preference. Absent: one term that chooses all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub terms: Vec<PlacementTerm>,
    /// How a later term is used.
    #[serde(default, skip_serializing_if = "is_default")]
    pub fallback: Fallback,
    /// Whether work comes back to an earlier term.
    #[serde(default, rename = "return", skip_serializing_if = "is_default")]
    pub return_: Return,
    /// Taints of members that the templates tolerate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub tolerations: Vec<Toleration>,
    /// How the members must be spread.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub spread: Vec<Spread>,
    /// How many replicas each member gets.
    #[serde(default, skip_serializing_if = "is_default")]
    pub replicas: Replicas,
}

/// One choice of members.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlacementTerm {
    /// The members. Absent or empty: all that the tenant may use.
    #[serde(default, skip_serializing_if = "ClusterSelector::is_empty")]
    pub clusters: ClusterSelector,
}

/// How a later term is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Fallback {
    /// The first term that holds the whole workload.
    #[default]
    Whole,
    /// The first term is filled, then the next.
    Spill,
}

/// Whether work comes back to an earlier term.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Return {
    /// It stays where it is.
    #[default]
    Never,
    /// It comes back when there is room.
    WhenRoom,
}

/// A taint of members that is tolerated.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Toleration {
    /// Key of the taint. Absent, with `Exists`: every taint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 317))]
    pub key: Option<String>,
    /// How the value is compared. Absent: `Equal`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub operator: TolerationOperator,
    /// Value of the taint; only with `Equal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub value: Option<String>,
    /// Effect of the taint. Absent: every effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<TaintEffect>,
    /// How long a `NoExecute` taint is tolerated, in seconds from its `timeAdded`; nothing new comes meanwhile. Absent: for
    /// ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub toleration_seconds: Option<i64>,
}

/// How a toleration compares the value of a taint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TolerationOperator {
    /// The value is the same.
    #[default]
    Equal,
    /// Any value.
    Exists,
}

/// How the chosen members must be spread.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Spread {
    /// What makes a group: `region`, `zone`, `provider`, `cluster` or `label:<key>`.
    #[schemars(length(min = 1, max = 323))]
    pub by: String,
    /// The fewest groups to use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub min_groups: Option<u32>,
    /// The most groups to use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_groups: Option<u32>,
}

/// How many replicas each member gets.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Replicas {
    /// Whether members get all replicas each, or share them. Absent: `Duplicated`.
    #[serde(default)]
    pub mode: ReplicasMode,
    /// How replicas are shared: exactly one of the fields. Only with `Divided`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub divide: Option<Divide>,
    /// A member gets at least so many, or none. Only with `Divided`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub min_per_cluster: Option<u32>,
    /// A member gets at most so many. Only with `Divided`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub max_per_cluster: Option<u32>,
}

/// Whether members get all replicas each, or share them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ReplicasMode {
    /// Every member gets the template's replicas.
    #[default]
    Duplicated,
    /// The template's replicas are shared out.
    Divided,
}

/// How replicas are shared out: exactly one of the fields.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Divide {
    /// By free capacity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<ByCapacity>,
    /// By fixed weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub weighted: Option<Vec<Weight>>,
    /// Into as few members as hold them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packed: Option<Packed>,
}

/// Sharing by free capacity takes no settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ByCapacity {}

/// Packing takes no settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Packed {}

/// The weight of some members.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Weight {
    /// The members. Absent or empty: all.
    #[serde(default, skip_serializing_if = "ClusterSelector::is_empty")]
    pub clusters: ClusterSelector,
    /// Their weight against the others; 0: they get none. A member has the weight of the first item that chooses it, and
    /// none if no item does.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub weight: u32,
}
