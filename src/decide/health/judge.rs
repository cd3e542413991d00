//! How an object does, by what its member last said of it.
//!
//! Built-in kinds are judged as `kubectl rollout status` does, others by the conventions of kstatus:
//! `observedGeneration` first, then conditions.

use serde_json::Value;

use super::conditions::{self, Condition};
use crate::model::api::Health;
use crate::model::fleet::ObjectRow;
use crate::model::name::GroupKind;

/// How an object does, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// How it does.
    pub health: Health,
    /// Why, for people; may be empty.
    pub message: String,
}

fn verdict(health: Health, message: impl Into<String>) -> Verdict {
    let message = message.into();
    Verdict { health, message }
}

fn healthy(message: impl Into<String>) -> Verdict {
    verdict(Health::Healthy, message)
}

fn progressing(message: impl Into<String>) -> Verdict {
    verdict(Health::Progressing, message)
}

fn degraded(message: impl Into<String>) -> Verdict {
    verdict(Health::Degraded, message)
}

/// How an object does by what its member last said of it. Whether the member may still be believed is for the
/// caller to know.
#[must_use]
pub fn health(kind: &GroupKind, row: &ObjectRow) -> Verdict {
    if row.deleting {
        return progressing("it is being deleted");
    }
    let status = Status::of(row);
    match (&*kind.group, &*kind.kind) {
        ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet") if status.is_empty() => {
            progressing("its controller has not seen it yet")
        }
        _ if status.is_behind(row.generation) => {
            progressing("its controller has not seen the last change yet")
        }
        ("apps", "Deployment") => deployment(row, &status),
        ("apps", "StatefulSet") => stateful_set(row, &status),
        ("apps", "ReplicaSet") => replica_set(row, &status),
        ("apps", "DaemonSet") => daemon_set(&status),
        ("batch", "Job") => job(&status),
        ("", "Pod") => pod(&status),
        ("", "Service") => service(row, &status),
        ("", "PersistentVolumeClaim") => claim(&status),
        ("networking.k8s.io", "Ingress") => {
            let message = if status.has_load_balancer() {
                ""
            } else {
                "no load balancer serves it yet"
            };
            healthy(message)
        }
        ("autoscaling", "HorizontalPodAutoscaler") => autoscaler(&status),
        ("batch", "CronJob") | ("", "ConfigMap" | "Secret" | "ServiceAccount") => healthy(""),
        _ => by_convention(&status),
    }
}

/// Replicas that are ready, for kinds that have replicas or pods.
#[must_use]
pub fn ready_replicas(kind: &GroupKind, row: &ObjectRow) -> Option<i32> {
    let field = match (&*kind.group, &*kind.kind) {
        ("apps", "Deployment" | "StatefulSet" | "ReplicaSet") => "readyReplicas",
        ("apps", "DaemonSet") => "numberReady",
        ("batch", "Job") => "ready",
        _ => return None,
    };
    i32::try_from(Status::of(row).number(field)).ok()
}

/// A status, read on demand.
struct Status(Value);

impl Status {
    fn of(row: &ObjectRow) -> Self {
        let text = row.status.as_deref().unwrap_or("null");
        Self(serde_json::from_str(text).unwrap_or_default())
    }

    fn is_empty(&self) -> bool {
        self.0.as_object().is_none_or(serde_json::Map::is_empty)
    }

    fn is_behind(&self, generation: i64) -> bool {
        let observed = self.0.get("observedGeneration").and_then(Value::as_i64);
        observed.is_some_and(|observed| observed < generation)
    }

    /// Zero when absent: that is how servers write zero.
    fn number(&self, field: &str) -> i64 {
        self.0.get(field).and_then(Value::as_i64).unwrap_or_default()
    }

    fn text(&self, field: &str) -> &str {
        self.0.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    fn condition(&self, of: &str) -> Option<Condition<'_>> {
        conditions::find(&self.0, of)
    }

    fn condition_is(&self, of: &str, status: &str) -> Option<Condition<'_>> {
        self.condition(of).filter(|condition| condition.status == status)
    }

    fn has_load_balancer(&self) -> bool {
        let ingress = self.0.pointer("/loadBalancer/ingress").and_then(Value::as_array);
        ingress.is_some_and(|list| !list.is_empty())
    }
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
    if updated < desired {
        return progressing(format!("{updated} of {desired} replicas are updated"));
    }
    if all > updated {
        return progressing(format!("{} old replicas are still there", all - updated));
    }
    if available < updated {
        return progressing(format!("{available} of {updated} replicas are available"));
    }
    healthy(format!("{available} of {desired} replicas are available"))
}

fn stateful_set(row: &ObjectRow, status: &Status) -> Verdict {
    let desired = row.replicas.unwrap_or(1);
    let [ready, updated] = ["readyReplicas", "updatedReplicas"].map(|field| status.number(field));
    if ready < desired {
        return progressing(format!("{ready} of {desired} replicas are ready"));
    }
    if status.text("currentRevision") != status.text("updateRevision") && updated < desired {
        return progressing(format!("{updated} of {desired} replicas are updated"));
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

fn daemon_set(status: &Status) -> Verdict {
    let fields = [
        "desiredNumberScheduled",
        "updatedNumberScheduled",
        "numberAvailable",
    ];
    let [desired, updated, available] = fields.map(|field| status.number(field));
    if updated < desired {
        return progressing(format!("{updated} of {desired} pods are updated"));
    }
    let message = format!("{available} of {desired} pods are available");
    if available < desired {
        progressing(message)
    } else {
        healthy(message)
    }
}

fn job(status: &Status) -> Verdict {
    let (active, succeeded) = (status.number("active"), status.number("succeeded"));
    if let Some(failed) = status.condition_is("Failed", "True") {
        return degraded(failed.to_string());
    }
    if status.condition_is("Complete", "True").is_some() {
        return healthy(format!("complete, {succeeded} pods succeeded"));
    }
    if status.condition_is("Suspended", "True").is_some() {
        return progressing("it is suspended");
    }
    progressing(format!("{active} pods are active, {succeeded} succeeded"))
}

fn pod(status: &Status) -> Verdict {
    let phase = status.text("phase");
    match phase {
        "Succeeded" => return healthy("it has ended"),
        "Failed" => return degraded(format!("it has failed: {}", status.text("message"))),
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
        "LoadBalancer" if !status.has_load_balancer() => healthy("no load balancer serves it yet"),
        _ => healthy(""),
    }
}

fn claim(status: &Status) -> Verdict {
    match status.text("phase") {
        "Bound" => healthy(""),
        "Lost" => degraded("its volume is lost"),
        _ => progressing("it is not bound yet"),
    }
}

/// An autoscaler that gets no metrics is in place all the same: what it scales has a health of its own.
fn autoscaler(status: &Status) -> Verdict {
    if let Some(unable) = status.condition_is("AbleToScale", "False") {
        return degraded(unable.to_string());
    }
    match status.condition_is("ScalingActive", "False") {
        Some(inactive) => healthy(inactive.to_string()),
        None => healthy(""),
    }
}

fn by_convention(status: &Status) -> Verdict {
    for of in ["Stalled", "Degraded", "Failed"] {
        if let Some(failing) = status.condition_is(of, "True") {
            return degraded(failing.to_string());
        }
    }
    if let Some(on_its_way) = status.condition_is("Reconciling", "True") {
        return progressing(on_its_way.to_string());
    }
    for of in ["Ready", "Available"] {
        if let Some(waiting) = status
            .condition(of)
            .filter(|condition| condition.status != "True")
        {
            return progressing(waiting.to_string());
        }
    }
    healthy("")
}

#[cfg(test)]
mod tests {
    use Health::{Degraded, Healthy, Progressing};
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn row(replicas: Option<i64>, status: &Value) -> ObjectRow {
        ObjectRow {
            uid: "u".to_owned(),
            resource_version: "1".to_owned(),
            generation: 2,
            intent: None,
            binding: None,
            stamp: None,
            owned: None,
            last_editor: None,
            replicas,
            cluster_ip: None,
            service_type: None,
            status: (!status.is_null()).then(|| status.to_string().into()),
            deleting: false,
        }
    }

    fn condition(of: &str, status: &str, reason: &str) -> Value {
        json!({"conditions": [{"type": of, "status": status, "reason": reason}]})
    }

    #[rstest]
    #[case::not_seen("apps/Deployment", json!(null), Progressing, "not seen it yet")]
    #[case::not_observed("apps/Deployment", json!({"observedGeneration": 1, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3}), Progressing, "last change")]
    #[case::not_updated("apps/Deployment", json!({"observedGeneration": 2, "updatedReplicas": 1, "replicas": 4}), Progressing, "1 of 3 replicas are updated")]
    #[case::old_ones("apps/Deployment", json!({"observedGeneration": 2, "updatedReplicas": 3, "replicas": 4}), Progressing, "1 old replicas")]
    #[case::not_available("apps/Deployment", json!({"observedGeneration": 2, "updatedReplicas": 3, "replicas": 3, "availableReplicas": 2}), Progressing, "2 of 3")]
    #[case::available("apps/Deployment", json!({"observedGeneration": 2, "updatedReplicas": 3, "replicas": 3, "availableReplicas": 3}), Healthy, "3 of 3")]
    #[case::stuck(
        "apps/Deployment",
        condition("Progressing", "False", "ProgressDeadlineExceeded"),
        Degraded,
        "ProgressDeadlineExceeded"
    )]
    #[case::refused_by_quota(
        "apps/Deployment",
        condition("ReplicaFailure", "True", "FailedCreate"),
        Degraded,
        "FailedCreate"
    )]
    #[case::set_in_rollout("apps/StatefulSet", json!({"readyReplicas": 3, "updatedReplicas": 1, "currentRevision": "a", "updateRevision": "b"}), Progressing, "1 of 3")]
    #[case::set_ready("apps/StatefulSet", json!({"readyReplicas": 3, "currentRevision": "a", "updateRevision": "a"}), Healthy, "3 of 3")]
    #[case::daemons("apps/DaemonSet", json!({"desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 1}), Progressing, "1 of 2")]
    #[case::replica_set("apps/ReplicaSet", json!({"availableReplicas": 3}), Healthy, "3 of 3")]
    #[case::job_runs("batch/Job", json!({"active": 1}), Progressing, "1 pods are active")]
    #[case::job_complete("batch/Job", condition("Complete", "True", ""), Healthy, "complete")]
    #[case::job_failed(
        "batch/Job",
        condition("Failed", "True", "BackoffLimitExceeded"),
        Degraded,
        "BackoffLimitExceeded"
    )]
    #[case::pod_waits("/Pod", json!({"phase": "Pending", "containerStatuses": [{"name": "app", "state": {"waiting": {"reason": "ImagePullBackOff"}}}]}), Degraded, "app waits: ImagePullBackOff")]
    #[case::pod_ready("/Pod", json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}), Healthy, "")]
    #[case::claim_bound("/PersistentVolumeClaim", json!({"phase": "Bound"}), Healthy, "")]
    #[case::claim_lost("/PersistentVolumeClaim", json!({"phase": "Lost"}), Degraded, "lost")]
    #[case::no_metrics(
        "autoscaling/HorizontalPodAutoscaler",
        condition("ScalingActive", "False", "FailedGetResourceMetric"),
        Healthy,
        "FailedGetResourceMetric"
    )]
    #[case::plain("/ConfigMap", json!(null), Healthy, "")]
    #[case::custom_without_status("example.com/Widget", json!(null), Healthy, "")]
    #[case::custom_not_observed("example.com/Widget", json!({"observedGeneration": 1}), Progressing, "last change")]
    #[case::custom_stalled(
        "example.com/Widget",
        condition("Stalled", "True", "Broken"),
        Degraded,
        "Broken"
    )]
    #[case::custom_not_ready(
        "example.com/Widget",
        condition("Ready", "False", "Waiting"),
        Progressing,
        "Waiting"
    )]
    #[case::custom_ready("example.com/Widget", condition("Ready", "True", "Fine"), Healthy, "")]
    fn an_object_does_as_its_status_says(
        #[case] kind: &str,
        #[case] status: Value,
        #[case] expected: Health,
        #[case] message: &str,
    ) {
        let (group, kind) = kind.split_once('/').unwrap();
        let found = health(&GroupKind::new(group, kind), &row(Some(3), &status));
        assert_eq!(found.health, expected, "{found:?}");
        assert!(found.message.contains(message), "{found:?}");
    }

    #[rstest]
    #[case::no_address(None, "ClusterIP", json!(null), Progressing, "no clusterIP")]
    #[case::address(Some("10.0.0.1"), "ClusterIP", json!({"loadBalancer": {}}), Healthy, "")]
    #[case::external_name(None, "ExternalName", json!(null), Healthy, "")]
    #[case::no_balancer(Some("10.0.0.1"), "LoadBalancer", json!({"loadBalancer": {}}), Healthy, "no load balancer")]
    fn a_service_is_healthy_when_it_has_an_address(
        #[case] address: Option<&str>,
        #[case] of: &str,
        #[case] status: Value,
        #[case] expected: Health,
        #[case] message: &str,
    ) {
        let row = ObjectRow {
            cluster_ip: address.map(str::to_owned),
            service_type: Some(of.to_owned()),
            ..row(None, &status)
        };
        let found = health(&GroupKind::new("", "Service"), &row);
        assert_eq!(found.health, expected);
        assert!(found.message.contains(message), "{found:?}");
    }

    #[test]
    fn what_is_being_deleted_is_on_its_way() {
        let row = ObjectRow {
            deleting: true,
            ..row(None, &json!(null))
        };
        assert_eq!(health(&GroupKind::new("", "ConfigMap"), &row).health, Progressing);
    }
}
