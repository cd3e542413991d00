//! What is read of a member's object: metadata without the bulk, a few fields of the spec, the status.
//!
//! Objects are decoded straight into this, so that a watch event costs a fraction of the whole object and
//! nothing else of it is ever held. Of managedFields one hash per hub manager is kept, and who edited last.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};
use kube::api::ApiResource;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::model::hash::Hash;

/// A member's object as the hub reads it.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "Raw")]
pub struct Observed {
    /// Names, stamps and owners; only the hub's annotations, no managedFields.
    pub metadata: ObjectMeta,
    /// What managedFields say, folded.
    pub managers: Managers,
    /// The few fields of a spec that are ever compared.
    pub spec: Spec,
    /// The spec as the member wrote it.
    pub raw_spec: Option<Box<RawValue>>,
    /// The status as the member wrote it.
    pub status: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Raw {
    metadata: Meta,
    #[serde(default)]
    spec: Option<Box<RawValue>>,
    #[serde(default)]
    status: Option<Box<RawValue>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Meta {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    generation: Option<i64>,
    deletion_timestamp: Option<Time>,
    labels: Option<BTreeMap<String, String>>,
    #[serde(deserialize_with = "hub_annotations")]
    annotations: BTreeMap<String, String>,
    owner_references: Option<Vec<OwnerReference>>,
    managed_fields: Managers,
}

impl From<Raw> for Observed {
    fn from(
        Raw {
            metadata,
            spec,
            status,
        }: Raw,
    ) -> Self {
        let Meta {
            managed_fields: managers,
            ..
        } = metadata;
        Self {
            metadata: ObjectMeta {
                name: metadata.name,
                namespace: metadata.namespace,
                uid: metadata.uid,
                resource_version: metadata.resource_version,
                generation: metadata.generation,
                deletion_timestamp: metadata.deletion_timestamp,
                labels: metadata.labels,
                annotations: Some(metadata.annotations),
                owner_references: metadata.owner_references,
                ..ObjectMeta::default()
            },
            managers,
            spec: lenient(spec.as_deref()),
            raw_spec: spec,
            status,
        }
    }
}

/// The few fields of any spec that the hub compares.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Spec {
    /// Of workloads.
    pub replicas: Option<i64>,
    /// Of Jobs.
    pub completions: Option<i64>,
    /// Of Services.
    #[serde(rename = "clusterIP")]
    pub cluster_ip: Option<String>,
    /// Of Services: `ClusterIP`, `NodePort`, `LoadBalancer`, `ExternalName`.
    #[serde(rename = "type")]
    pub type_: Option<String>,
    /// Of Deployments.
    pub paused: Option<bool>,
    /// Of Jobs and `CronJobs`.
    pub suspend: Option<bool>,
    /// Of `StatefulSets` and `DaemonSets`.
    pub update_strategy: Option<UpdateStrategy>,
    /// Of autoscalers: Kubernetes' own and KEDA's.
    pub scale_target_ref: Option<ScaleTarget>,
}

/// How pods are changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UpdateStrategy {
    /// `RollingUpdate` or `OnDelete`.
    #[serde(rename = "type")]
    pub type_: Option<String>,
    /// Of the former.
    pub rolling_update: Option<RollingUpdate>,
}

/// How far pods are changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct RollingUpdate {
    /// So many pods of a `StatefulSet` stay as they were.
    pub partition: Option<i64>,
}

/// Whom an autoscaler scales.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScaleTarget {
    /// Empty means `apps/v1` (KEDA's default).
    #[serde(default)]
    pub api_version: String,
    /// KEDA leaves it out for a Deployment.
    #[serde(default = "deployment")]
    pub kind: String,
    /// In the autoscaler's namespace.
    pub name: String,
}

fn deployment() -> String {
    "Deployment".to_owned()
}

/// managedFields, folded into what drift needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Managers {
    /// For each manager named `hanse-…` that applied: a hash of its fields and time.
    pub hubs: BTreeMap<String, Hash>,
    /// The manager with the newest time among all others, without subresources.
    pub last_editor: Option<Editor>,
    /// Hash of what all others have, without subresources: what they add shows in it. `None` when there are none.
    pub others: Option<Hash>,
}

/// Who wrote, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Editor {
    /// The field manager's name.
    pub manager: String,
    /// RFC 3339, as the server wrote it.
    pub time: String,
}

impl<'de> Deserialize<'de> for Managers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        #[derive(Default)]
        struct Entry {
            manager: String,
            operation: String,
            subresource: String,
            time: Option<String>,
            fields_v1: Option<Box<RawValue>>,
        }
        let mut managers = Self::default();
        for entry in Option::<Vec<Entry>>::deserialize(deserializer)?.unwrap_or_default() {
            if !entry.subresource.is_empty() {
                continue;
            }
            let time = entry.time.unwrap_or_default();
            if entry.manager.starts_with("hanse-") {
                if entry.operation == "Apply" {
                    let fields = entry.fields_v1.as_ref().map_or("", |raw| raw.get());
                    managers.hubs.insert(
                        entry.manager,
                        Hash::of_bytes(format!("{time} {fields}").as_bytes()),
                    );
                }
                continue;
            }
            let fields = entry.fields_v1.as_ref().map_or("", |raw| raw.get());
            let before = managers.others.map(|hash| hash.to_string()).unwrap_or_default();
            managers.others = Some(Hash::of_bytes(
                format!("{before} {} {} {time} {fields}", entry.manager, entry.operation).as_bytes(),
            ));
            if managers.last_editor.as_ref().is_none_or(|last| last.time <= time) {
                managers.last_editor = Some(Editor {
                    manager: entry.manager,
                    time,
                });
            }
        }
        Ok(managers)
    }
}

fn hub_annotations<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let mut all = Option::<BTreeMap<String, String>>::deserialize(deserializer)?.unwrap_or_default();
    all.retain(|key, _| key.starts_with("hanse.dev/"));
    Ok(all)
}

/// A spec of a kind nobody knows may hold anything under these names: what does not fit is not read.
fn lenient(raw: Option<&RawValue>) -> Spec {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok())
        .unwrap_or_default()
}

impl kube::Resource for Observed {
    type DynamicType = ApiResource;
    type Scope = kube::core::DynamicResourceScope;

    fn kind(resource: &ApiResource) -> std::borrow::Cow<'_, str> {
        resource.kind.as_str().into()
    }
    fn group(resource: &ApiResource) -> std::borrow::Cow<'_, str> {
        resource.group.as_str().into()
    }
    fn version(resource: &ApiResource) -> std::borrow::Cow<'_, str> {
        resource.version.as_str().into()
    }
    fn plural(resource: &ApiResource) -> std::borrow::Cow<'_, str> {
        resource.plural.as_str().into()
    }
    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_read_without_its_bulk() {
        let observed: Observed = serde_json::from_value(serde_json::json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "shop", "uid": "u", "resourceVersion": "7", "generation": 3,
                "annotations": {"hanse.dev/intent": "abc", "deployment.kubernetes.io/revision": "1"},
                "managedFields": [
                    {"manager": "hanse-0123abcd", "operation": "Apply", "time": "2026-01-01T00:00:00Z", "fieldsV1": {"f:spec": {}}},
                    {"manager": "kubectl-edit", "operation": "Update", "time": "2026-01-02T00:00:00Z", "fieldsV1": {"f:spec": {}}},
                    {"manager": "kube-controller-manager", "operation": "Update", "subresource": "status", "time": "2026-01-03T00:00:00Z"}]},
            "spec": {"replicas": 2, "template": {"spec": {"containers": []}}},
            "status": {"readyReplicas": 2}
        }))
        .unwrap();
        assert_eq!(observed.spec.replicas, Some(2));
        assert_eq!(
            observed.managers.hubs.keys().collect::<Vec<_>>(),
            ["hanse-0123abcd"]
        );
        assert_eq!(
            observed.managers.last_editor.as_ref().unwrap().manager,
            "kubectl-edit"
        );
        assert_eq!(observed.metadata.annotations.unwrap().len(), 1);
    }

    #[test]
    fn a_spec_that_means_something_else_is_not_read() {
        let observed: Observed = serde_json::from_value(serde_json::json!({
            "metadata": {"name": "x"}, "spec": {"replicas": "many", "type": {"a": 1}}
        }))
        .unwrap();
        assert_eq!(observed.spec, Spec::default());
    }
}
