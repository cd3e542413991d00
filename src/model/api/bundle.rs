//! `Bundle`: many objects carried as one template.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::name::ObjectName;

/// Objects that go to members together. A policy selects it by `kind: Bundle`, and what it carries goes to each member
/// whole, in the order of kinds.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "hanse.dev",
    version = "v1alpha1",
    kind = "Bundle",
    plural = "bundles",
    namespaced,
    shortname = "bu",
    category = "hanse",
    status = "BundleStatus",
    derive = "PartialEq",
    doc = "Objects that go to members together, each as it stands here. A policy selects it by kind: Bundle."
)]
#[serde(rename_all = "camelCase")]
pub struct BundleSpec {
    /// The objects, whole. Those of kinds with namespaces are in the Bundle's own. Secrets, kinds of the hub and other
    /// Bundles have no place here.
    #[schemars(schema_with = "manifests")]
    pub manifests: Vec<Value>,
    /// Secrets of the Bundle's namespace that go to the same members.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub secrets: Vec<BundleSecret>,
}

/// A Secret that goes with the objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BundleSecret {
    /// Its name, in the Bundle's namespace.
    pub name: ObjectName,
}

/// What became of a Bundle.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BundleStatus {
    /// The generation that every member holds which it was decided for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Members that hold all of it, of those decided for: `2/3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub placed: Option<String>,
    /// Scheduled, Applied, Available, Progressing, Drifted: those of its binding.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// Whole objects of any kind: only what every object has can be checked here.
fn manifests(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "minItems": 1,
        "maxItems": 150,
        "x-kubernetes-list-type": "atomic",
        "items": {
            "type": "object",
            "required": ["apiVersion", "kind", "metadata"],
            "x-kubernetes-preserve-unknown-fields": true,
            "properties": {
                "apiVersion": {
                    "description": "Group and version of the kind, like apps/v1.",
                    "type": "string", "minLength": 1, "maxLength": 317,
                },
                "kind": {"description": "The kind.", "type": "string", "minLength": 1, "maxLength": 63},
                "metadata": {
                    "description": "Name, labels and annotations of the object.",
                    "type": "object",
                    "required": ["name"],
                    "x-kubernetes-preserve-unknown-fields": true,
                    "properties": {
                        "name": {"description": "Its name.", "type": "string", "minLength": 1, "maxLength": 253},
                        "namespace": {
                            "description": "The Bundle's own namespace, or absent.",
                            "type": "string", "maxLength": 63,
                        },
                    },
                },
            },
        },
    })
}
