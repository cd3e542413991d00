//! `OverridePolicy` and `ClusterOverridePolicy`: what is different about an object in some members.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::is_default;
use super::selector::{ClusterSelector, ResourceSelector};

/// What is different about templates in some members.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "hanse.dev",
    version = "v1alpha1",
    kind = "OverridePolicy",
    plural = "overridepolicies",
    namespaced,
    shortname = "op",
    category = "hanse",
    status = "OverridePolicyStatus",
    derive = "PartialEq",
    doc = "What is different about templates of its namespace in some members."
)]
#[serde(rename_all = "camelCase")]
pub struct OverridePolicySpec {
    /// The order among all that select a template: lower first, so that the highest has the last word; at the same
    /// priority every `ClusterOverridePolicy` before every `OverridePolicy`, then by name. Absent: 0.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(range(min = -2_147_483_648, max = 2_147_483_647))]
    pub priority: i32,
    /// The templates it changes; a template is selected when one of them matches.
    #[schemars(length(min = 1, max = 64))]
    pub resource_selectors: Vec<ResourceSelector>,
    /// The changes, made one after the other.
    #[schemars(length(min = 1, max = 32))]
    pub rules: Vec<OverrideRule>,
}

/// The same as an `OverridePolicy`, made by administrators for templates of any namespace.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "hanse.dev",
    version = "v1alpha1",
    kind = "ClusterOverridePolicy",
    plural = "clusteroverridepolicies",
    shortname = "cop",
    category = "hanse",
    status = "OverridePolicyStatus",
    derive = "PartialEq",
    doc = "What is different about templates of any hub namespace in some members."
)]
#[serde(transparent)]
pub struct ClusterOverridePolicySpec {
    /// The fields of an `OverridePolicy`, at the same place.
    pub policy: OverridePolicySpec,
}

/// One change, for some members. Its parts are made in the order in which they stand here. In every text that it sets
/// `${cluster.name}`, `${cluster.region}`, `${cluster.zone}`, `${cluster.provider}` and `${cluster.labels['key']}` stand
/// for what the member has there; `$${` is written for a `${` that stays.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OverrideRule {
    /// The members. Absent or empty: all.
    #[serde(default, skip_serializing_if = "ClusterSelector::is_empty")]
    pub clusters: ClusterSelector,
    /// Parts of the images of containers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub image: Vec<ImageOverride>,
    /// Environment variables of containers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub env: Vec<EnvOverride>,
    /// Arguments of containers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub args: Vec<ArgsOverride>,
    /// Labels of the object itself, not of its pods.
    #[serde(default, skip_serializing_if = "is_default")]
    pub labels: MarksOverride,
    /// Annotations of the object itself, not of its pods.
    #[serde(default, skip_serializing_if = "is_default")]
    pub annotations: MarksOverride,
    /// Commands of containers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub command: Vec<CommandOverride>,
    /// A JSON patch (RFC 6902) of the object as people wrote it: what nobody set is not there to be replaced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub patch: Vec<PatchItem>,
}

/// Parts of an image reference `registry/repository:tag@digest`. Parts that are not named stay, but for these: a tag
/// without a digest removes the digest, a digest without a tag removes the tag.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageOverride {
    /// Name of a container or init container. Absent or `"*"`: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub container: Option<String>,
    /// Host of the registry, with its port and a path if need be; put in front of an image that names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub registry: Option<String>,
    /// The repository, such as `shop/web`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub repository: Option<String>,
    /// The tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub tag: Option<String>,
    /// The digest, such as `sha256:…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub digest: Option<String>,
}

/// Environment variables of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvOverride {
    /// Name of a container or init container. Absent or `"*"`: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub container: Option<String>,
    /// Variables to set, in place of those of the same name or after the others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub set: Vec<EnvVariable>,
    /// Variables to remove, before others are set. One that is not there is no mistake.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 256)))]
    pub remove: Vec<String>,
}

/// An environment variable with its value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvVariable {
    /// Its name.
    #[schemars(length(min = 1, max = 256))]
    pub name: String,
    /// Its value. Absent: empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub value: Option<String>,
}

/// Arguments of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ArgsOverride {
    /// Name of the container or init container.
    #[schemars(length(min = 1, max = 63))]
    pub container: String,
    /// Arguments to add at the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 4096)))]
    pub append: Vec<String>,
    /// Arguments to remove wherever they stand, before others are added. One that is not there is no mistake.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 4096)))]
    pub remove: Vec<String>,
}

/// The command of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommandOverride {
    /// Name of the container or init container.
    #[schemars(length(min = 1, max = 63))]
    pub container: String,
    /// The whole command.
    #[schemars(length(min = 1, max = 64), inner(length(max = 4096)))]
    pub set: Vec<String>,
}

/// Labels or annotations.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MarksOverride {
    /// Those to set. Those of the hub can't be changed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "marks")]
    pub set: BTreeMap<String, String>,
    /// Keys to remove, before others are set. One that is not there is no mistake.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 317)))]
    pub remove: Vec<String>,
}

/// One operation of a JSON patch (RFC 6902).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PatchItem {
    /// What is done.
    pub op: PatchOp,
    /// JSON pointer (RFC 6901) to where it is done.
    #[schemars(length(min = 1, max = 512), regex(pattern = "^/"))]
    pub path: String,
    /// JSON pointer to what is moved or copied. With `move` and `copy` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = "^/"))]
    pub from: Option<String>,
    /// The value, of any type but null. With `add`, `replace` and `test` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "anything")]
    pub value: Option<Value>,
}

/// What an operation of a JSON patch does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PatchOp {
    /// Adds a field, or an item to a list (`-` is behind its end).
    Add,
    /// Removes what is there.
    Remove,
    /// Replaces what is there.
    Replace,
    /// Takes what is at `from` away and adds it at `path`.
    Move,
    /// Adds what is at `from` at `path` too.
    Copy,
    /// Nothing; if another value is there, nothing of the object is applied to the member.
    Test,
}

/// Whether the overrides can be made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OverridePolicyStatus {
    /// Ready, and what keeps the policy from being it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

fn marks(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 64,
        "additionalProperties": {"type": "string", "maxLength": 4096},
    })
}

fn anything(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"x-kubernetes-preserve-unknown-fields": true})
}
