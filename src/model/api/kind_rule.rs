//! `KindRule`: what the hub must know of a kind that is not built in.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::is_default;

/// What the hub must know of a kind that is not built in. Of several for one kind the oldest is in force.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "hanse.dev",
    version = "v1alpha1",
    kind = "KindRule",
    plural = "kindrules",
    shortname = "kr",
    category = "hanse",
    status = "KindRuleStatus",
    derive = "PartialEq",
    doc = "What the hub must know of a kind that is not built in: its health, its replicas, its pods, what it needs and \
           what is summed. Of several for one kind the oldest is in force."
)]
#[serde(rename_all = "camelCase")]
pub struct KindRuleSpec {
    /// The kind's API group. Kinds of Kubernetes itself and of the hub have their own rules, which stand.
    #[schemars(length(min = 1, max = 253))]
    pub group: String,
    /// The kind, like `Rollout`.
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    /// CEL that gives `'Healthy'`, `'Progressing'` or `'Degraded'` for `object`, which has `kind`, `metadata`
    /// (name, namespace, generation), `spec` and `status` as they are in the member. It is asked when the
    /// kind's controller has observed the object as it is now. Absent: the conventions of kstatus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub health: Option<String>,
    /// JSON pointer to the number of replicas, like `/spec/replicas`. Absent: that of the scale subresource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub replicas_path: Option<String>,
    /// JSON pointer to what has the `metadata` and `spec` of its pods, like `/spec/template`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub pod_template_path: Option<String>,
    /// CEL that gives a list of `{kind, name}` for `object`, the template: objects of its namespace that it
    /// cannot run without. Of another group than the core's: `{apiVersion, kind, name}`. What its pods name
    /// is found without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub dependencies: Option<String>,
    /// What the template's status shows of its members.
    #[serde(default, skip_serializing_if = "is_default")]
    pub status: KindRuleStatusRule,
}

/// What the template's status shows of its members.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KindRuleStatusRule {
    /// JSON pointers to whole numbers that are summed over all members, like `/status/readyReplicas`. The hub
    /// may write them where a `ClusterRole` labelled `hanse.dev/aggregate-to-hub: "true"` grants `patch` on
    /// the kind's `status` at the hub API.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(max = 256)))]
    pub sum: Vec<String>,
}

/// Whether the rule is in force.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KindRuleStatus {
    /// Ready: it compiles, is the only or the oldest one of its kind, and has not failed on any object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}
