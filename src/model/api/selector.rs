//! How policies and tenants name members: one shape everywhere.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::model::name::{ClusterName, ObjectName};

/// A choice of members. All parts must hold; empty means all members the tenant may use.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterSelector {
    /// Members by name. Empty: any name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub names: Vec<ClusterName>,
    /// Members that are never chosen, also when another part chooses them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub exclude: Vec<ClusterName>,
    /// A label selector on the labels of the Cluster object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "label_selector")]
    pub selector: Option<LabelSelector>,
    /// A CEL expression on `cluster` (the Cluster object) that is true for members to choose, such as
    /// `cluster.status.nodes.ready >= 3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub cel: Option<String>,
}

impl ClusterSelector {
    /// True when it chooses by nothing, so that it chooses every member.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }

    /// A choice by name alone.
    #[must_use]
    pub fn by_names(names: impl IntoIterator<Item = ClusterName>) -> Self {
        Self {
            names: names.into_iter().collect(),
            ..Self::default()
        }
    }
}

/// A choice of templates. `apiVersion` and `kind` may be `"*"`: every namespaced kind that a tenant may
/// propagate, except kinds of the hub.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceSelector {
    /// `apps/v1`, `v1`, or `"*"`. The version does not matter for the match, only the group.
    #[schemars(length(min = 1, max = 317))]
    pub api_version: String,
    /// `Deployment`, or `"*"`.
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    /// One template by name. Absent: any name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<ObjectName>,
    /// Templates by their labels. Absent: any labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "label_selector")]
    pub label_selector: Option<LabelSelector>,
}

const LABEL_KEY: &str = "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$";
const LABEL_VALUE: &str = "^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$";

/// The schema of a label selector with the checks that Kubernetes makes in code: its published schema has
/// none, and a selector that means nothing would be found only when it is used.
fn label_selector(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "x-kubernetes-map-type": "atomic",
        "properties": {
            "matchLabels": {
                "description": "Labels that must all be there with these values.",
                "type": "object",
                "maxProperties": 64,
                "additionalProperties": {"type": "string", "maxLength": 63, "pattern": LABEL_VALUE},
                "x-kubernetes-validations": [{
                    "rule": format!("self.all(key, key.size() <= 317 && key.matches('{LABEL_KEY}'))"),
                    "message": "every key is a label key: an optional prefix and /, then letters, digits, - _ and .",
                }],
            },
            "matchExpressions": {
                "description": "Requirements that must all hold.",
                "type": "array",
                "maxItems": 32,
                "items": {
                    "type": "object",
                    "required": ["key", "operator"],
                    "properties": {
                        "key": {
                            "description": "The label the requirement is about.",
                            "type": "string", "minLength": 1, "maxLength": 317, "pattern": LABEL_KEY,
                        },
                        "operator": {
                            "description": "How the label relates to the values.",
                            "type": "string", "enum": ["In", "NotIn", "Exists", "DoesNotExist"],
                        },
                        "values": {
                            "description": "Values for In and NotIn; absent for Exists and DoesNotExist.",
                            "type": "array", "maxItems": 64,
                            "items": {"type": "string", "maxLength": 63, "pattern": LABEL_VALUE},
                        },
                    },
                    "x-kubernetes-validations": [{
                        "rule": "(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)",
                        "message": "In and NotIn need values; Exists and DoesNotExist have none",
                    }],
                },
            },
        },
    })
}
