//! Where replicas and pod templates lie, and what autoscalers point at.

use serde_json::Value;

use crate::model::name::GroupKind;

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
