//! Nodes and pods decoded straight into what is kept of them: no labels, no annotations, no containers.

use std::borrow::Cow;

use k8s_openapi::{
    ClusterResourceScope, NamespaceResourceScope, api::core::v1 as core,
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use serde::{Deserialize, Deserializer};

use crate::model::{fleet::Resources, quantity::Amount};

/// A node as the hub reads it.
#[derive(Debug, Clone)]
pub(super) struct SlimNode {
    /// Name and resourceVersion only.
    pub(super) metadata: ObjectMeta,
    pub(super) allocatable: Resources,
    pub(super) ready: bool,
    pub(super) schedulable: bool,
    pub(super) region: Option<Box<str>>,
    pub(super) zone: Option<Box<str>>,
}

/// A pod as the hub reads it.
#[derive(Debug, Clone)]
pub(super) struct SlimPod {
    /// Names, uid and resourceVersion only.
    pub(super) metadata: ObjectMeta,
    pub(super) node: Option<Box<str>>,
    pub(super) finished: bool,
    pub(super) requests: Resources,
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
        #[derive(Default, Deserialize)]
        struct Labels {
            #[serde(rename = "topology.kubernetes.io/region", default)]
            region: Option<Box<str>>,
            #[serde(rename = "topology.kubernetes.io/zone", default)]
            zone: Option<Box<str>>,
        }
        #[derive(Deserialize)]
        struct NodeMeta {
            #[serde(default)]
            labels: Option<Labels>,
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
            allocatable: List,
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
        let labels = raw.metadata.labels.unwrap_or_default();
        let ready = |condition: &Condition| condition.type_ == "Ready" && condition.status == "True";
        Ok(Self {
            allocatable: raw.status.allocatable.resources(),
            ready: raw.status.conditions.unwrap_or_default().iter().any(ready),
            schedulable: !raw.spec.unschedulable,
            region: labels.region,
            zone: labels.zone,
            metadata: ObjectMeta {
                name: raw.metadata.name,
                uid: raw.metadata.uid,
                resource_version: raw.metadata.resource_version,
                ..ObjectMeta::default()
            },
        })
    }
}

/// A resource list, of which three are read.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct List {
    cpu: Option<Amount>,
    memory: Option<Amount>,
    pods: Option<Amount>,
}

impl List {
    fn resources(self) -> Resources {
        let milli =
            |amount: Option<Amount>| amount.and_then(|amount| amount.milli().ok()).unwrap_or_default();
        let units = |amount: Option<Amount>| amount.map_or(0, Amount::units);
        Resources {
            cpu_milli: milli(self.cpu).try_into().unwrap_or_default(),
            memory: units(self.memory).try_into().unwrap_or_default(),
            pods: units(self.pods).try_into().unwrap_or_default(),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Demand {
    requests: List,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Container {
    #[serde(default)]
    resources: Option<Demand>,
    #[serde(default)]
    restart_policy: Option<String>,
}

impl Container {
    fn requests(&self) -> Resources {
        self.resources
            .as_ref()
            .map(|demand| demand.requests.resources())
            .unwrap_or_default()
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PodSpec {
    node_name: Option<Box<str>>,
    containers: Option<Vec<Container>>,
    init_containers: Option<Vec<Container>>,
    overhead: List,
    resources: Option<Demand>,
}

impl PodSpec {
    /// What the scheduler charges: containers and sidecars together, or the hungriest moment of starting,
    /// whichever is more, plus overhead; a request of the whole pod replaces the sum
    /// (component-helpers `resource.PodRequests`).
    fn requests(&self) -> Resources {
        let most = |one: Resources, other: Resources| Resources {
            cpu_milli: one.cpu_milli.max(other.cpu_milli),
            memory: one.memory.max(other.memory),
            pods: 0,
        };
        let mut running = Resources::default();
        for container in self.containers.iter().flatten() {
            running = running.plus(container.requests());
        }
        let mut sidecars = Resources::default();
        let mut starting = Resources::default();
        for container in self.init_containers.iter().flatten() {
            if container.restart_policy.as_deref() == Some("Always") {
                sidecars = sidecars.plus(container.requests());
                starting = most(starting, sidecars);
            } else {
                starting = most(starting, sidecars.plus(container.requests()));
            }
        }
        let mut total = most(running.plus(sidecars), starting);
        if let Some(Demand { requests: whole }) = &self.resources {
            let asked = whole.resources();
            total.cpu_milli = whole.cpu.map_or(total.cpu_milli, |_| asked.cpu_milli);
            total.memory = whole.memory.map_or(total.memory, |_| asked.memory);
        }
        total.plus(Resources {
            pods: 0,
            ..self.overhead.resources()
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
        let requests = raw.spec.requests();
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
