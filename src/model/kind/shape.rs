//! Where replicas and pod templates lie, and what autoscalers point at.

use serde_json::Value;

use crate::model::api;
use crate::model::name::GroupKind;

/// The groups of Kubernetes' own kinds whose names have a point. Other groups below `k8s.io` belong to custom
/// resources (Gateway API, snapshots).
const GROUPS: [&str; 17] = [
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "internal.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
];

/// Whether it is a kind of Kubernetes itself or of the hub, so that no custom resource and no `KindRule` is
/// about it.
#[must_use]
pub fn is_built_in(kind: &GroupKind) -> bool {
    !kind.group.contains('.') || GROUPS.contains(&&*kind.group) || *kind.group == *api::GROUP
}

/// Whether it serves only with what a cluster is given from outside, in minutes or never: addresses of load
/// balancers, metrics of autoscalers.
#[must_use]
pub fn is_given_from_outside(kind: &GroupKind) -> bool {
    matches!(
        (&*kind.group, &*kind.kind),
        ("", "Service") | ("networking.k8s.io", "Ingress") | ("autoscaling", "HorizontalPodAutoscaler")
    )
}

/// JSON pointer to the number of replicas, for kinds that have one.
#[must_use]
pub fn replicas_pointer(kind: &GroupKind) -> Option<&'static str> {
    match (&*kind.group, &*kind.kind) {
        ("apps", "Deployment" | "StatefulSet" | "ReplicaSet") | ("", "ReplicationController") => {
            Some("/spec/replicas")
        }
        _ => None,
    }
}

/// JSON pointer to the object that has the pod's `metadata` and `spec`; empty for a Pod itself.
#[must_use]
pub fn pod_template_pointer(kind: &GroupKind) -> Option<&'static str> {
    match (&*kind.group, &*kind.kind) {
        ("", "Pod") => Some(""),
        ("apps", "Deployment" | "StatefulSet" | "ReplicaSet" | "DaemonSet")
        | ("batch", "Job")
        | ("", "ReplicationController") => Some("/spec/template"),
        ("batch", "CronJob") => Some("/spec/jobTemplate/spec/template"),
        _ => None,
    }
}

/// Whether objects of the kind set the replicas of others.
#[must_use]
pub fn is_autoscaler(kind: &GroupKind) -> bool {
    matches!(
        (&*kind.group, &*kind.kind),
        ("autoscaling", "HorizontalPodAutoscaler") | ("keda.sh", "ScaledObject")
    )
}

/// Kind and name of the workload, in its own namespace, whose replicas an autoscaler sets.
#[must_use]
pub fn scale_target(kind: &GroupKind, object: &Value) -> Option<(GroupKind, String)> {
    if !is_autoscaler(kind) {
        return None;
    }
    let target = object.pointer("/spec/scaleTargetRef")?;
    let name = target.get("name")?.as_str()?;
    // KEDA's defaults; an HPA always has both.
    let api_version = target
        .get("apiVersion")
        .and_then(Value::as_str)
        .unwrap_or("apps/v1");
    let target_kind = target.get("kind").and_then(Value::as_str).unwrap_or("Deployment");
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    Some((GroupKind::new(group, target_kind), name.to_owned()))
}
