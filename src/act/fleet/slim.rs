//! Nodes and pods decoded straight into what is kept of them: no annotations, no containers.

use std::{borrow::Cow, collections::BTreeMap};

use k8s_openapi::{
    ClusterResourceScope, NamespaceResourceScope, api::core::v1 as core,
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use serde::{Deserialize, Deserializer};

use crate::model::pod::{Amounts, NodeFacts, NodeTaint, PodSpec, ResourceList};

/// A node as the hub reads it.
#[derive(Debug, Clone)]
pub(super) struct SlimNode {
    /// Name and resourceVersion only.
    pub(super) metadata: ObjectMeta,
    pub(super) ready: bool,
    pub(super) schedulable: bool,
    pub(super) facts: NodeFacts,
}

/// A pod as the hub reads it.
#[derive(Debug, Clone)]
pub(super) struct SlimPod {
    /// Names, uid and resourceVersion only.
    pub(super) metadata: ObjectMeta,
    pub(super) node: Option<Box<str>>,
    pub(super) finished: bool,
    /// What it asks for; it counts itself.
    pub(super) requests: Amounts,
}

impl SlimPod {
    /// The uid as a number; uids that are none are hashed.
    pub(super) fn id(&self) -> u128 {
        let uid = self.metadata.uid.as_deref().unwrap_or_default();
        let digits: String = uid.chars().filter(|digit| *digit != '-').collect();
        u128::from_str_radix(&digits, 16).unwrap_or_else(|_| {
            let hash = crate::model::hash::Hash::of_bytes(uid.as_bytes()).to_string();
            u128::from_str_radix(hash.get(..32).unwrap_or_default(), 16).unwrap_or_default()
        })
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Meta {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
}

impl From<Meta> for ObjectMeta {
    fn from(meta: Meta) -> Self {
        let Meta {
            name,
            namespace,
            uid,
            resource_version,
        } = meta;
        Self {
            name,
            namespace,
            uid,
            resource_version,
            ..Self::default()
        }
    }
}

impl<'de> Deserialize<'de> for SlimNode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct NodeMeta {
            #[serde(default)]
            labels: Option<BTreeMap<String, String>>,
            #[serde(default)]
            name: Option<String>,
            #[serde(default)]
            uid: Option<String>,
            #[serde(rename = "resourceVersion", default)]
            resource_version: Option<String>,
        }
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Spec {
            unschedulable: bool,
            taints: Option<Vec<Taint>>,
        }
        #[derive(Deserialize)]
        struct Taint {
            key: Box<str>,
            #[serde(default)]
            value: Box<str>,
            effect: Box<str>,
        }
        #[derive(Deserialize)]
        struct Condition<'a> {
            #[serde(rename = "type", borrow)]
            type_: Cow<'a, str>,
            #[serde(borrow)]
            status: Cow<'a, str>,
        }
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Status<'a> {
            allocatable: ResourceList,
            #[serde(borrow)]
            conditions: Option<Vec<Condition<'a>>>,
        }
        #[derive(Deserialize)]
        struct Raw<'a> {
            metadata: NodeMeta,
            #[serde(default)]
            spec: Spec,
            #[serde(default, borrow)]
            status: Status<'a>,
        }
        let raw = Raw::deserialize(deserializer)?;
        let strict = |taint: &Taint| matches!(&*taint.effect, "NoSchedule" | "NoExecute");
        let taints = raw.spec.taints.into_iter().flatten().filter(strict);
        let facts = NodeFacts {
            name: raw.metadata.name.as_deref().unwrap_or_default().into(),
            labels: raw.metadata.labels.unwrap_or_default(),
            taints: taints
                .map(|Taint { key, value, effect }| NodeTaint { key, value, effect })
                .collect(),
            allocatable: raw.status.allocatable.amounts,
        };
        let ready = |condition: &Condition| condition.type_ == "Ready" && condition.status == "True";
        Ok(Self {
            ready: raw.status.conditions.unwrap_or_default().iter().any(ready),
            schedulable: !raw.spec.unschedulable,
            facts,
            metadata: ObjectMeta {
                name: raw.metadata.name,
                uid: raw.metadata.uid,
                resource_version: raw.metadata.resource_version,
                ..ObjectMeta::default()
            },
        })
    }
}

impl<'de> Deserialize<'de> for SlimPod {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Status {
            phase: Option<String>,
        }
        #[derive(Deserialize)]
        struct Raw {
            metadata: Meta,
            #[serde(default)]
            spec: PodSpec,
            #[serde(default)]
            status: Status,
        }
        let raw = Raw::deserialize(deserializer)?;
        let mut requests = raw.spec.requests();
        requests.base.pods = 1;
        Ok(Self {
            metadata: raw.metadata.into(),
            node: raw.spec.node_name.filter(|node| !node.is_empty()),
            finished: matches!(raw.status.phase.as_deref(), Some("Succeeded" | "Failed")),
            requests,
        })
    }
}

macro_rules! resource {
    ($slim:ty, $full:ty, $scope:ty) => {
        impl kube::Resource for $slim {
            type DynamicType = ();
            type Scope = $scope;

            fn kind((): &()) -> Cow<'_, str> {
                <$full as k8s_openapi::Resource>::KIND.into()
            }
            fn group((): &()) -> Cow<'_, str> {
                <$full as k8s_openapi::Resource>::GROUP.into()
            }
            fn version((): &()) -> Cow<'_, str> {
                <$full as k8s_openapi::Resource>::VERSION.into()
            }
            fn plural((): &()) -> Cow<'_, str> {
                <$full as k8s_openapi::Resource>::URL_PATH_SEGMENT.into()
            }
            fn meta(&self) -> &ObjectMeta {
                &self.metadata
            }
            fn meta_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
        }
    };
}

resource!(SlimNode, core::Node, ClusterResourceScope);
resource!(SlimPod, core::Pod, NamespaceResourceScope);
