//! How built-in kinds do: as `kubectl rollout status` judges workloads, else as kstatus and controllers mean it.

use serde_json::Value;

use super::judge::{Verdict, degraded, healthy, progressing};
use super::status::Status;
use crate::model::fleet::ObjectRow;
use crate::model::name::GroupKind;

/// `None` for kinds without a rule here. Its controller has seen the object as it is now.
pub(super) fn health(kind: &GroupKind, row: &ObjectRow, status: &Status) -> Option<Verdict> {
    Some(match (&*kind.group, &*kind.kind) {
        ("apps", "Deployment") => deployment(row, status),
        ("apps", "StatefulSet") => stateful_set(row, status),
        ("apps", "ReplicaSet") => replica_set(row, status),
        ("apps", "DaemonSet") => daemon_set(row, status),
        ("batch", "Job") => job(row, status),
        ("batch", "CronJob") => healthy(if row.pace.held { "it is suspended" } else { "" }),
        ("", "Pod") => pod(status),
        ("", "Service") => service(row, status),
        ("", "PersistentVolumeClaim") => claim(status),
        ("networking.k8s.io", "Ingress") => ingress(status),
        ("autoscaling", "HorizontalPodAutoscaler") => autoscaler(status),
        ("policy", "PodDisruptionBudget") => budget(status),
        ("", "ConfigMap" | "Secret" | "ServiceAccount") => healthy(""),
        _ => return None,
    })
}

fn deployment(row: &ObjectRow, status: &Status) -> Verdict {
    let desired = row.replicas.unwrap_or(1);
    let [updated, all, available] =
        ["updatedReplicas", "replicas", "availableReplicas"].map(|field| status.number(field));
    if let Some(stuck) = status
        .condition("Progressing")
        .filter(|c| c.reason == "ProgressDeadlineExceeded")
    {
        return degraded(stuck.to_string());
    }
    if let Some(failure) = status.condition_is("ReplicaFailure", "True") {
        return degraded(failure.to_string());
    }
    let held = if row.pace.held { "; it is paused" } else { "" };
    if updated < desired {
        return progressing(format!("{updated} of {desired} replicas are updated{held}"));
    }
    if all > updated {
        return progressing(format!("{} old replicas are still there{held}", all - updated));
    }
    if available < updated {
        return progressing(format!("{available} of {updated} replicas are available{held}"));
    }
    healthy(format!("{available} of {desired} replicas are available{held}"))
}

fn stateful_set(row: &ObjectRow, status: &Status) -> Verdict {
    let desired = row.replicas.unwrap_or(1);
    let [ready, updated] = ["readyReplicas", "updatedReplicas"].map(|field| status.number(field));
    let in_rollout = status.text("currentRevision") != status.text("updateRevision");
    if ready < desired {
        return progressing(format!("{ready} of {desired} replicas are ready"));
    }
    if in_rollout && row.pace.on_delete && updated < desired {
        return healthy(format!(
            "{ready} of {desired} replicas are ready; {updated} are updated, the others when they are deleted"
        ));
    }
    // Those below the partition are to stay as they were.
    let partition = row.pace.partition.clamp(0, desired.max(0));
    if in_rollout && updated < desired - partition {
        return progressing(format!(
            "{updated} of {} replicas are updated",
            desired - partition
        ));
    }
    if in_rollout && partition > 0 {
        return healthy(format!(
            "{ready} of {desired} replicas are ready; {updated} are updated, as the partition {partition} says"
        ));
    }
    healthy(format!("{ready} of {desired} replicas are ready"))
}

fn replica_set(row: &ObjectRow, status: &Status) -> Verdict {
    let desired = row.replicas.unwrap_or(1);
    let available = status.number("availableReplicas");
    if let Some(failure) = status.condition_is("ReplicaFailure", "True") {
        return degraded(failure.to_string());
    }
    let message = format!("{available} of {desired} replicas are available");
    if available < desired {
        progressing(message)
    } else {
        healthy(message)
    }
}

fn daemon_set(row: &ObjectRow, status: &Status) -> Verdict {
    let fields = [
        "desiredNumberScheduled",
        "updatedNumberScheduled",
        "numberAvailable",
    ];
    let [desired, updated, available] = fields.map(|field| status.number(field));
    if updated < desired && !row.pace.on_delete {
        return progressing(format!("{updated} of {desired} pods are updated"));
    }
    let message = format!("{available} of {desired} pods are available");
    if available < desired {
        progressing(message)
    } else if updated < desired {
        healthy(format!(
            "{message}; {updated} are updated, the others when they are deleted"
        ))
    } else {
        healthy(message)
    }
}

fn job(row: &ObjectRow, status: &Status) -> Verdict {
    let (active, succeeded) = (status.number("active"), status.number("succeeded"));
    for of in ["Failed", "FailureTarget"] {
        if let Some(failed) = status.condition_is(of, "True") {
            return degraded(failed.to_string());
        }
    }
    if status.condition_is("Complete", "True").is_some() {
        return healthy(format!("complete, {succeeded} pods succeeded"));
    }
    if row.pace.held || status.condition_is("Suspended", "True").is_some() {
        return progressing("it is suspended");
    }
    progressing(format!("{active} pods are active, {succeeded} succeeded"))
}

fn pod(status: &Status) -> Verdict {
    let phase = status.text("phase");
    match phase {
        "Succeeded" => return healthy("it has ended"),
        "Failed" => {
            let why = [status.text("reason"), status.text("message")]
                .into_iter()
                .find(|text| !text.is_empty());
            return degraded(format!("it has failed: {}", why.unwrap_or("nobody said why")));
        }
        _ => {}
    }
    for list in ["initContainerStatuses", "containerStatuses"] {
        for container in status.0.get(list).and_then(Value::as_array).into_iter().flatten() {
            let reason = container
                .pointer("/state/waiting/reason")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let starting = matches!(reason, "" | "ContainerCreating" | "PodInitializing");
            if !starting {
                let name = container.get("name").and_then(Value::as_str).unwrap_or_default();
                return degraded(format!("container {name} waits: {reason}"));
            }
        }
    }
    if let Some(unscheduled) = status.condition_is("PodScheduled", "False") {
        return progressing(unscheduled.to_string());
    }
    match status.condition("Ready") {
        Some(ready) if ready.status == "True" => healthy(""),
        _ => progressing(format!(
            "its phase is {}",
            if phase.is_empty() { "not known" } else { phase }
        )),
    }
}

fn service(row: &ObjectRow, status: &Status) -> Verdict {
    let of = row.service_type.as_deref().unwrap_or("ClusterIP");
    let has_address = row
        .cluster_ip
        .as_deref()
        .is_some_and(|address| !address.is_empty());
    match of {
        "ExternalName" => healthy(""),
        _ if !has_address => progressing("it has no clusterIP yet"),
        "LoadBalancer" if !status.has_load_balancer() => progressing("no load balancer serves it yet"),
        _ => healthy(""),
    }
}

/// Many ingress controllers never say that they serve one, so that is no reason to wait for it.
fn ingress(status: &Status) -> Verdict {
    healthy(if status.has_load_balancer() {
        ""
    } else {
        "no load balancer serves it yet"
    })
}

/// A claim of a class that waits for its first consumer is Pending until a pod uses it.
fn claim(status: &Status) -> Verdict {
    match status.text("phase") {
        "Bound" => healthy(""),
        "Lost" => degraded("its volume is lost"),
        _ => progressing("it is not bound yet"),
    }
}

fn autoscaler(status: &Status) -> Verdict {
    if let Some(unable) = status.condition_is("AbleToScale", "False") {
        return degraded(unable.to_string());
    }
    match status.condition_is("ScalingActive", "False") {
        // Its target has no replicas by somebody's wish.
        Some(inactive) if inactive.reason == "ScalingDisabled" => healthy(inactive.to_string()),
        Some(inactive) => degraded(inactive.to_string()),
        None => healthy(""),
    }
}

/// A budget that allows nothing just now does its work; one whose pods cannot be counted does not.
fn budget(status: &Status) -> Verdict {
    if status.is_empty() || status.observed().is_none() {
        return progressing("its controller has not seen it yet");
    }
    match status.condition_is("DisruptionAllowed", "False") {
        Some(failed) if failed.reason == "SyncFailed" => degraded(failed.to_string()),
        Some(none) => healthy(none.to_string()),
        None => healthy(""),
    }
}
