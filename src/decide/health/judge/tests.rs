use Health::{Degraded, Healthy, Progressing, Unknown};
use rstest::rstest;
use serde_json::json;

use super::*;
use crate::model::fleet::Pace;

/// At generation 2.
fn row(replicas: Option<i64>, status: &Value) -> ObjectRow {
    ObjectRow {
        generation: 2,
        stamp: Some("example.com/Widget/shop/w".to_owned()),
        replicas,
        status: (!status.is_null()).then(|| status.to_string().into()),
        ..ObjectRow::default()
    }
}

fn judged(kind: &str, row: &ObjectRow) -> Verdict {
    let (group, kind) = kind.split_once('/').unwrap();
    health(&Kinds::default(), &GroupKind::new(group, kind), row)
}

fn condition(of: &str, status: &str, reason: &str) -> Value {
    json!({"observedGeneration": 2, "conditions": [{"type": of, "status": status, "reason": reason}]})
}

const DEPLOYMENT: &str = "apps/Deployment";
const STATEFUL_SET: &str = "apps/StatefulSet";
const DAEMON_SET: &str = "apps/DaemonSet";
const HPA: &str = "autoscaling/HorizontalPodAutoscaler";
const BUDGET: &str = "policy/PodDisruptionBudget";
const CLAIM: &str = "/PersistentVolumeClaim";
const WIDGET: &str = "example.com/Widget";

#[rstest]
#[case::not_seen(DEPLOYMENT, json!(null), Progressing, "not seen it yet")]
#[case::not_observed(DEPLOYMENT, json!({"observedGeneration": 1, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3}), Progressing, "last change")]
#[case::nobody_says_what_was_seen(DEPLOYMENT, json!({"replicas": 3, "updatedReplicas": 3, "availableReplicas": 3}), Progressing, "not seen it yet")]
#[case::not_updated(DEPLOYMENT, json!({"observedGeneration": 2, "updatedReplicas": 1, "replicas": 4}), Progressing, "1 of 3 replicas are updated")]
#[case::old_ones(DEPLOYMENT, json!({"observedGeneration": 2, "updatedReplicas": 3, "replicas": 4}), Progressing, "1 old replicas")]
#[case::not_available(DEPLOYMENT, json!({"observedGeneration": 2, "updatedReplicas": 3, "replicas": 3, "availableReplicas": 2}), Progressing, "2 of 3")]
#[case::available(DEPLOYMENT, json!({"observedGeneration": 2, "updatedReplicas": 3, "replicas": 3, "availableReplicas": 3}), Healthy, "3 of 3")]
#[case::stuck(
    DEPLOYMENT,
    condition("Progressing", "False", "ProgressDeadlineExceeded"),
    Degraded,
    "ProgressDeadlineExceeded"
)]
#[case::stuck_before_the_last_change(DEPLOYMENT, json!({"observedGeneration": 1, "conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]}), Progressing, "last change")]
#[case::refused_by_quota(
    DEPLOYMENT,
    condition("ReplicaFailure", "True", "FailedCreate"),
    Degraded,
    "FailedCreate"
)]
#[case::not_ready(STATEFUL_SET, json!({"observedGeneration": 2, "readyReplicas": 2, "currentRevision": "a", "updateRevision": "a"}), Progressing, "2 of 3")]
#[case::in_rollout(STATEFUL_SET, json!({"observedGeneration": 2, "readyReplicas": 3, "updatedReplicas": 1, "currentRevision": "a", "updateRevision": "b"}), Progressing, "1 of 3")]
#[case::ready(STATEFUL_SET, json!({"observedGeneration": 2, "readyReplicas": 3, "currentRevision": "a", "updateRevision": "a"}), Healthy, "3 of 3")]
#[case::stale(STATEFUL_SET, json!({"observedGeneration": 1, "readyReplicas": 3, "currentRevision": "a", "updateRevision": "a"}), Progressing, "last change")]
#[case::not_updated(DAEMON_SET, json!({"observedGeneration": 2, "desiredNumberScheduled": 2, "updatedNumberScheduled": 1, "numberAvailable": 2}), Progressing, "1 of 2")]
#[case::not_available(DAEMON_SET, json!({"observedGeneration": 2, "desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 1}), Progressing, "1 of 2")]
#[case::no_nodes(DAEMON_SET, json!({"observedGeneration": 2, "desiredNumberScheduled": 0}), Healthy, "0 of 0")]
#[case::replica_set("apps/ReplicaSet", json!({"observedGeneration": 2, "availableReplicas": 3}), Healthy, "3 of 3")]
#[case::runs("batch/Job", json!({"active": 1}), Progressing, "1 pods are active")]
#[case::complete("batch/Job", condition("Complete", "True", ""), Healthy, "complete")]
#[case::failed(
    "batch/Job",
    condition("Failed", "True", "BackoffLimitExceeded"),
    Degraded,
    "BackoffLimitExceeded"
)]
#[case::about_to_fail(
    "batch/Job",
    condition("FailureTarget", "True", "PodFailurePolicy"),
    Degraded,
    "PodFailurePolicy"
)]
#[case::suspended(
    "batch/Job",
    condition("Suspended", "True", "JobSuspended"),
    Progressing,
    "suspended"
)]
#[case::cron_job("batch/CronJob", json!({"active": [{"name": "x"}]}), Healthy, "")]
#[case::waits("/Pod", json!({"phase": "Pending", "containerStatuses": [{"name": "app", "state": {"waiting": {"reason": "ImagePullBackOff"}}}]}), Degraded, "app waits: ImagePullBackOff")]
#[case::starts("/Pod", json!({"phase": "Pending", "containerStatuses": [{"name": "app", "state": {"waiting": {"reason": "ContainerCreating"}}}]}), Progressing, "Pending")]
#[case::does_not_fit("/Pod", json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}]}), Progressing, "0/3 nodes")]
#[case::evicted("/Pod", json!({"phase": "Failed", "reason": "Evicted"}), Degraded, "Evicted")]
#[case::ready("/Pod", json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}), Healthy, "")]
#[case::bound(CLAIM, json!({"phase": "Bound"}), Healthy, "")]
#[case::waits_for_its_first_consumer(CLAIM, json!({"phase": "Pending"}), Progressing, "not bound")]
#[case::lost(CLAIM, json!({"phase": "Lost"}), Degraded, "lost")]
#[case::ingress_without_address("networking.k8s.io/Ingress", json!({"loadBalancer": {}}), Healthy, "no load balancer")]
#[case::ingress("networking.k8s.io/Ingress", json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}), Healthy, "")]
#[case::no_metrics(
    HPA,
    condition("ScalingActive", "False", "FailedGetResourceMetric"),
    Degraded,
    "FailedGetResourceMetric"
)]
#[case::nothing_to_scale(
    HPA,
    condition("ScalingActive", "False", "ScalingDisabled"),
    Healthy,
    "ScalingDisabled"
)]
#[case::no_target(
    HPA,
    condition("AbleToScale", "False", "FailedGetScale"),
    Degraded,
    "FailedGetScale"
)]
#[case::not_seen(BUDGET, json!(null), Progressing, "not seen it yet")]
#[case::allows_none(
    BUDGET,
    condition("DisruptionAllowed", "False", "InsufficientPods"),
    Healthy,
    "InsufficientPods"
)]
#[case::uncountable(
    BUDGET,
    condition("DisruptionAllowed", "False", "SyncFailed"),
    Degraded,
    "SyncFailed"
)]
#[case::plain("/ConfigMap", json!(null), Healthy, "")]
#[case::without_status(WIDGET, json!(null), Healthy, "")]
#[case::without_conditions(WIDGET, json!({"phase": "Odd"}), Healthy, "")]
#[case::not_observed(WIDGET, json!({"observedGeneration": 1}), Progressing, "last change")]
#[case::not_observed_as_text(WIDGET, json!({"observedGeneration": "1", "conditions": [{"type": "Ready", "status": "True"}]}), Progressing, "last change")]
#[case::ready_for_an_older_generation(WIDGET, json!({"conditions": [{"type": "Ready", "status": "True", "observedGeneration": 1}]}), Progressing, "last change")]
#[case::stalled(WIDGET, condition("Stalled", "True", "Broken"), Degraded, "Broken")]
#[case::failed(WIDGET, condition("Failed", "True", "Broken"), Degraded, "Broken")]
#[case::reconciling(WIDGET, condition("Reconciling", "True", "Working"), Progressing, "Working")]
#[case::not_ready(WIDGET, condition("Ready", "False", "Waiting"), Progressing, "Waiting")]
#[case::perhaps_ready(WIDGET, condition("Ready", "Unknown", "Waiting"), Progressing, "Waiting")]
#[case::ready(WIDGET, condition("Ready", "True", "Fine"), Healthy, "")]
#[case::not_available(WIDGET, condition("Available", "False", "Waiting"), Progressing, "Waiting")]
fn an_object_does_as_its_status_says(
    #[case] kind: &str,
    #[case] status: Value,
    #[case] expected: Health,
    #[case] message: &str,
) {
    let found = judged(kind, &row(Some(3), &status));
    assert_eq!(found.health, expected, "{found:?}");
    assert!(found.message.contains(message), "{found:?}");
}

const HALF: &str = r#"{"observedGeneration": 2, "readyReplicas": 4, "updatedReplicas": 2, "currentRevision": "a", "updateRevision": "b"}"#;
const DAEMONS: &str = r#"{"observedGeneration": 2, "desiredNumberScheduled": 4, "updatedNumberScheduled": 2, "numberAvailable": 4}"#;

#[rstest]
#[case::rolling(STATEFUL_SET, HALF, Pace::default(), Progressing, "2 of 4")]
#[case::partition_reached(STATEFUL_SET, HALF, Pace { partition: 2, ..Pace::default() }, Healthy, "as the partition 2 says")]
#[case::partition_not_reached(STATEFUL_SET, HALF, Pace { partition: 1, ..Pace::default() }, Progressing, "2 of 3")]
#[case::partition_beyond_all(STATEFUL_SET, HALF, Pace { partition: 9, ..Pace::default() }, Healthy, "partition")]
#[case::set_on_delete(STATEFUL_SET, HALF, Pace { on_delete: true, ..Pace::default() }, Healthy, "when they are deleted")]
#[case::daemons(DAEMON_SET, DAEMONS, Pace::default(), Progressing, "2 of 4")]
#[case::daemons_on_delete(DAEMON_SET, DAEMONS, Pace { on_delete: true, ..Pace::default() }, Healthy, "2 are updated")]
#[case::paused(DEPLOYMENT, r#"{"observedGeneration": 2, "replicas": 4, "updatedReplicas": 1}"#, Pace { held: true, ..Pace::default() }, Progressing, "it is paused")]
#[case::suspended("batch/Job", "{}", Pace { held: true, ..Pace::default() }, Progressing, "suspended")]
#[case::suspended("batch/CronJob", "{}", Pace { held: true, ..Pace::default() }, Healthy, "suspended")]
fn a_workload_is_not_waited_for_longer_than_its_spec_says(
    #[case] kind: &str,
    #[case] status: &str,
    #[case] pace: Pace,
    #[case] expected: Health,
    #[case] message: &str,
) {
    let row = ObjectRow {
        pace,
        status: Some(status.into()),
        ..row(Some(4), &Value::Null)
    };
    let found = judged(kind, &row);
    assert_eq!(found.health, expected, "{found:?}");
    assert!(found.message.contains(message), "{found:?}");
}

#[rstest]
#[case::no_address(None, "ClusterIP", json!(null), Progressing, "no clusterIP")]
#[case::address(Some("10.0.0.1"), "ClusterIP", json!({"loadBalancer": {}}), Healthy, "")]
#[case::headless(Some("None"), "ClusterIP", json!({"loadBalancer": {}}), Healthy, "")]
#[case::external_name(None, "ExternalName", json!(null), Healthy, "")]
#[case::no_balancer(Some("10.0.0.1"), "LoadBalancer", json!({"loadBalancer": {}}), Progressing, "no load balancer")]
#[case::balancer(Some("10.0.0.1"), "LoadBalancer", json!({"loadBalancer": {"ingress": [{"hostname": "lb"}]}}), Healthy, "")]
fn a_service_is_healthy_when_it_can_be_reached(
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
    let found = judged("/Service", &row);
    assert_eq!(found.health, expected);
    assert!(found.message.contains(message), "{found:?}");
}

/// Whatever a status claims for an older generation, it is not believed.
#[rstest]
fn no_kind_is_healthy_by_a_status_of_an_older_generation(
    #[values(
        DEPLOYMENT,
        STATEFUL_SET,
        DAEMON_SET,
        "apps/ReplicaSet",
        "batch/Job",
        "/Pod",
        HPA,
        BUDGET,
        WIDGET
    )]
    kind: &str,
) {
    let conditions =
        ["Ready", "Available", "Complete", "ScalingActive"].map(|of| json!({"type": of, "status": "True"}));
    let all_is_well = json!({
        "observedGeneration": 1, "phase": "Running", "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3,
        "availableReplicas": 3, "desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 3,
        "conditions": conditions,
    });
    assert_eq!(judged(kind, &row(Some(3), &all_is_well)).health, Progressing);
    let now = ObjectRow {
        generation: 1,
        ..row(Some(3), &all_is_well)
    };
    assert_eq!(judged(kind, &now).health, Healthy);
}

#[test]
fn what_is_being_deleted_is_on_its_way() {
    let row = ObjectRow {
        deleting: true,
        ..row(None, &json!(null))
    };
    assert_eq!(judged("/ConfigMap", &row).health, Progressing);
}

#[rstest]
#[case::healthy(json!({"phase": "Up", "want": 3}), Healthy, "")]
#[case::its_own_words(json!({"phase": "Down", "message": "disk full"}), Degraded, "disk full")]
#[case::words_of_a_condition(json!({"phase": "Down", "conditions": [{"type": "Ready", "status": "False", "reason": "Broken"}]}), Degraded, "Ready is False: Broken")]
#[case::no_words(json!({"phase": "Down"}), Degraded, "KindRule widgets says so")]
#[case::over_convention(json!({"phase": "Up", "conditions": [{"type": "Ready", "status": "False"}]}), Healthy, "")]
#[case::not_observed(json!({"phase": "Up", "observedGeneration": 1}), Progressing, "last change")]
#[case::nothing_said_yet(json!({}), Progressing, "not seen it yet")]
#[case::fails(json!({"size": 1}), Unknown, "KindRule widgets: spec.health: no such key: phase")]
fn a_rule_is_asked_about_kinds_that_are_not_built_in(
    #[case] status: Value,
    #[case] expected: Health,
    #[case] message: &str,
) {
    let rule = Rule::read(json!({"metadata": {"name": "widgets"}, "spec": {
        "group": "example.com", "kind": "Widget",
        "health": "object.status.phase == 'Up' && object.spec.size == 3 && object.metadata.name == 'w' ? 'Healthy' : 'Degraded'",
    }}));
    let row = ObjectRow {
        spec: Some(r#"{"size": 3}"#.into()),
        ..row(None, &status)
    };
    let kinds = Kinds::new([rule], []);
    let found = health(&kinds, &GroupKind::new("example.com", "Widget"), &row);
    assert_eq!(found.health, expected, "{found:?}");
    assert!(found.message.contains(message), "{found:?}");
}

#[test]
fn a_rule_that_does_not_compile_leaves_health_unknown() {
    let rule = Rule::read(json!({"metadata": {"name": "widgets"}, "spec": {
        "group": "example.com", "kind": "Widget", "health": "object.status.",
    }}));
    let found = health(
        &Kinds::new([rule], []),
        &GroupKind::new("example.com", "Widget"),
        &row(
            None,
            &json!({"conditions": [{"type": "Ready", "status": "True"}]}),
        ),
    );
    assert_eq!(found.health, Unknown);
    assert!(found.message.contains("does not compile"), "{found:?}");
}

fn example(text: &str) -> Rule {
    let first = text.split("\n---\n").next().unwrap();
    let rule = Rule::of(&serde_saphyr::from_str(first).unwrap());
    assert!(rule.problems.is_empty(), "{:?}", rule.problems);
    rule
}

const ROLLOUT: &str = include_str!("../../../../examples/kinds/rollout.yaml");
const KNATIVE: &str = include_str!("../../../../examples/kinds/knative-service.yaml");
const PROMETHEUS: &str = include_str!("../../../../examples/kinds/prometheus.yaml");

/// Objects as their controllers write them, at generation 2.
#[rstest]
#[case::rollout(ROLLOUT, json!({"phase": "Healthy", "observedGeneration": "2", "readyReplicas": 3}), Healthy)]
#[case::rollout_on_its_way(ROLLOUT, json!({"phase": "Progressing", "message": "more replicas need to be updated", "observedGeneration": "2"}), Progressing)]
#[case::rollout_paused(ROLLOUT, json!({"phase": "Paused", "message": "CanaryPauseStep", "observedGeneration": "2"}), Progressing)]
#[case::rollout_aborted(ROLLOUT, json!({"phase": "Degraded", "message": "RolloutAborted: aborted", "observedGeneration": "2"}), Degraded)]
#[case::rollout_of_before(ROLLOUT, json!({"phase": "Healthy", "observedGeneration": "1"}), Progressing)]
#[case::rollout_new(ROLLOUT, json!({}), Progressing)]
#[case::knative(KNATIVE, json!({"observedGeneration": 2, "conditions": [{"type": "ConfigurationsReady", "status": "True"}, {"type": "Ready", "status": "True"}]}), Healthy)]
#[case::knative_on_its_way(KNATIVE, json!({"observedGeneration": 2, "conditions": [{"type": "Ready", "status": "Unknown", "reason": "RollingOut"}]}), Progressing)]
#[case::knative_broken(KNATIVE, json!({"observedGeneration": 2, "conditions": [{"type": "Ready", "status": "False", "reason": "RevisionMissing"}]}), Degraded)]
#[case::knative_of_before(KNATIVE, json!({"observedGeneration": 1, "conditions": [{"type": "Ready", "status": "True"}]}), Progressing)]
#[case::prometheus(PROMETHEUS, json!({"availableReplicas": 2, "conditions": [{"type": "Available", "status": "True", "observedGeneration": 2}, {"type": "Reconciled", "status": "True", "observedGeneration": 2}]}), Healthy)]
#[case::prometheus_half(PROMETHEUS, json!({"conditions": [{"type": "Available", "status": "Degraded", "observedGeneration": 2, "reason": "SomePodsNotReady"}]}), Degraded)]
#[case::prometheus_not_reconciled(PROMETHEUS, json!({"conditions": [{"type": "Available", "status": "True"}, {"type": "Reconciled", "status": "False", "reason": "ReconciliationFailed"}]}), Degraded)]
#[case::prometheus_of_before(PROMETHEUS, json!({"conditions": [{"type": "Available", "status": "True", "observedGeneration": 1}]}), Progressing)]
fn the_example_rules_judge_as_their_controllers_mean_it(
    #[case] text: &str,
    #[case] status: Value,
    #[case] expected: Health,
) {
    let rule = example(text);
    let kind = rule.kind.clone();
    let kinds = Kinds::new([std::sync::Arc::new(rule)], []);
    let found = health(&kinds, &kind, &row(None, &status));
    assert_eq!(found.health, expected, "{found:?}");
}

#[rstest]
#[case::rollout(ROLLOUT, json!({"spec": {
    "strategy": {"canary": {"stableService": "stable", "canaryService": "canary"}},
    "template": {"spec": {"containers": [{"envFrom": [{"secretRef": {"name": "db"}}]}]}},
}}), &["Secret/db", "Service/canary", "Service/stable"])]
#[case::plain_rollout(ROLLOUT, json!({"spec": {"replicas": 1}}), &[])]
#[case::knative(KNATIVE, json!({"spec": {"template": {"spec": {"serviceAccountName": "web"}}}}), &["ServiceAccount/web"])]
#[case::prometheus(PROMETHEUS, json!({"spec": {"serviceAccountName": "p", "secrets": ["tls"], "configMaps": ["rules"]}}), &["ConfigMap/rules", "Secret/tls", "ServiceAccount/p"])]
fn the_example_rules_find_what_their_kinds_need(
    #[case] text: &str,
    #[case] object: Value,
    #[case] expected: &[&str],
) {
    let rule = example(text);
    let kind = rule.kind.clone();
    let (found, fault) = Kinds::new([std::sync::Arc::new(rule)], []).dependencies(&kind, &object);
    assert_eq!(fault, None);
    let found: Vec<String> = found
        .iter()
        .map(|need| format!("{}/{}", need.kind, need.name))
        .collect();
    assert_eq!(found, expected);
}
