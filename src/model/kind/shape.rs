//! Where replicas and pod templates lie, and what autoscalers point at.

use serde_json::Value;

use super::known::put_number;
use crate::model::api::{self, ScaleRange};
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

/// Where an autoscaler has the fewest and the most replicas.
fn scale_pointers(kind: &GroupKind) -> Option<(&'static str, &'static str)> {
    match (&*kind.group, &*kind.kind) {
        ("autoscaling", "HorizontalPodAutoscaler") => Some(("/spec/minReplicas", "/spec/maxReplicas")),
        ("keda.sh", "ScaledObject") => Some(("/spec/minReplicaCount", "/spec/maxReplicaCount")),
        _ => None,
    }
}

/// What KEDA takes for the most replicas where nothing is said (its reference of `ScaledObject`).
const KEDA_MOST: i32 = 100;

/// Between which numbers an autoscaler scales; `None` for other kinds, and for one that says no number.
#[must_use]
pub fn scale_range(kind: &GroupKind, object: &Value) -> Option<ScaleRange> {
    let (min, max) = scale_pointers(kind)?;
    let number = |pointer| object.pointer(pointer)?.as_i64()?.try_into().ok();
    let max = number(max).or_else(|| (&*kind.group == "keda.sh").then_some(KEDA_MOST))?;
    Some(ScaleRange {
        min: number(min),
        max,
    })
}

/// Has an autoscaler scale between these numbers.
pub fn put_scale_range(kind: &GroupKind, object: &mut Value, range: ScaleRange) {
    let Some((min, max)) = scale_pointers(kind) else {
        return;
    };
    if let Some(fewest) = range.min {
        put_number(object, min, fewest.into());
    }
    put_number(object, max, range.max.into());
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
