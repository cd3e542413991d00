//! `Cluster`: a member, how to reach it, and what is known of it.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::is_default;
use crate::model::clock::GoDuration;
use crate::model::mark;
use crate::model::name::{NamespaceName, ObjectName};
use crate::model::quantity::Amount;

/// Amounts by resource name: `cpu`, `memory`, `requests.nvidia.com/gpu`.
pub type Resources = BTreeMap<String, Amount>;

/// How to reach a member, what it is like, and what it lends.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "hanse.dev",
    version = "v1alpha1",
    kind = "Cluster",
    plural = "clusters",
    shortname = "cl",
    category = "hanse",
    status = "ClusterStatus",
    derive = "PartialEq",
    doc = "A member: a Kubernetes cluster that the hub places objects in."
)]
#[serde(rename_all = "camelCase")]
pub struct ClusterSpec {
    /// How the hub reaches the member: exactly one way.
    pub connection: Connection,
    /// Region of the member. Absent: read from the label `topology.kubernetes.io/region` of its nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub region: Option<String>,
    /// Zone of the member. Absent: read from the label `topology.kubernetes.io/zone` of its nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub zone: Option<String>,
    /// Who runs the member, such as `aws` or `onprem`; policies may spread over providers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub provider: Option<String>,
    /// Taints that keep workloads without a toleration away.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["key", "effect"])
    )]
    pub taints: Vec<Taint>,
    /// What other members' pods may use here when they overflow. Absent: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lending: Option<Lending>,
    /// Short for a `NoSchedule` taint `hanse.dev/cordoned`: nothing new is placed here.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cordoned: bool,
}

impl ClusterSpec {
    /// The taints, and the one that `cordoned` stands for.
    #[must_use]
    pub fn all_taints(&self) -> Vec<Taint> {
        let cordoned = self.cordoned.then(|| Taint {
            key: mark::CORDONED.to_owned(),
            value: String::new(),
            effect: TaintEffect::NoSchedule,
            time_added: None,
        });
        self.taints.iter().cloned().chain(cordoned).collect()
    }
}

/// How the hub reaches a member: exactly one of the fields.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    /// A Secret of the hub API that holds a kubeconfig; `hub join` makes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubeconfig_secret: Option<KubeconfigSecret>,
    /// The member is the cluster the hub itself runs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_cluster: Option<InCluster>,
    /// An agent in the member calls the hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<Agent>,
}

/// Where a kubeconfig lies in the hub API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KubeconfigSecret {
    /// Namespace of the Secret, usually `hanse-system`.
    pub namespace: NamespaceName,
    /// Name of the Secret.
    pub name: ObjectName,
    /// Key in the Secret's data. Absent: `kubeconfig`.
    #[serde(default = "kubeconfig_key")]
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

fn kubeconfig_key() -> String {
    "kubeconfig".to_owned()
}

/// Reaching the cluster the hub runs in takes no settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InCluster {}

/// Being called by an agent takes no settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Agent {}

/// A mark on a member that keeps workloads without a matching toleration away.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Taint {
    /// Name of the taint, a label key.
    #[schemars(length(min = 1, max = 317))]
    pub key: String,
    /// Value of the taint, a label value.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 63))]
    pub value: String,
    /// What it does to workloads that do not tolerate it.
    pub effect: TaintEffect,
    /// When the taint was added; tolerations may be limited in time from here. Absent: it was always there, and such
    /// a time is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_added: Option<Time>,
}

/// What a taint does to workloads that do not tolerate it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum TaintEffect {
    /// Nothing new is placed there; what is there stays.
    NoSchedule,
    /// What is there is moved away too.
    NoExecute,
}

/// What a member lends to pods of other members.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Lending {
    /// Whether it lends at all.
    #[serde(default)]
    pub enabled: bool,
    /// Amounts that always stay free for the member's own pods.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub reserve: Resources,
    /// How many guests it takes at one time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_guests: Option<u32>,
    /// The longest grace period a guest gets when the room is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_cap: Option<GoDuration>,
}

/// What the hub knows of a member. Numbers move on a change of 5 % and at most every 30 s.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterStatus {
    /// Ready, Reachable, Joined and what else holds the member; Ready is Unknown when it was not heard of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Version of the member's API server, such as `v1.37.2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes_version: Option<String>,
    /// UID of the member's namespace `kube-system`: its identity. A change holds the member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// How many nodes it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<NodeCount>,
    /// What its Ready nodes offer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub allocatable: Resources,
    /// What its pods request.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub requested: Resources,
    /// Allocatable less requested.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub idle: Resources,
    /// The most that is idle on one node: the largest pod that fits.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub largest_gap: Resources,
    /// Pods of other members that run here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guests: Option<u32>,
    /// When Ready last changed: since then the member is what it is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// When the hub's credential in the member ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_expires: Option<Time>,
    /// The lifetime that the member granted to the hub's credential; it is renewed after a third of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_lifetime: Option<GoDuration>,
    /// Version of what `hub join` made in the member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join_version: Option<u32>,
}

/// How many nodes a member has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeCount {
    /// Nodes whose Ready condition is True.
    pub ready: u32,
    /// All nodes.
    pub total: u32,
}
