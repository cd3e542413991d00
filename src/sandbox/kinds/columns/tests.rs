use std::sync::Arc;

use rstest::rstest;
use serde_json::{Value, json};

use super::path::Path;
use super::{Columns, cell};
use crate::model::clock::Timestamp;
use crate::sandbox::failure::qualified;
use crate::sandbox::kinds::{Origin, Resource, Version};

fn now() -> Timestamp {
    "2026-01-02T00:00:00Z".parse().unwrap()
}

/// The cells of a built-in kind, joined.
fn shown(group: &str, plural: &str, object: &Value) -> String {
    let cells = Columns::computed(super::builtin::of(&qualified(group, plural))).cells(object, now());
    let cells = cells.as_array().unwrap().iter().map(cell::plain);
    cells.collect::<Vec<String>>().join(" | ")
}

#[rstest]
#[case(-5, "<invalid>")]
#[case(-1, "0s")]
#[case(0, "0s")]
#[case(119, "119s")]
#[case(120, "2m")]
#[case(125, "2m5s")]
#[case(600, "10m")]
#[case(179 * 60, "179m")]
#[case(3 * 3600, "3h")]
#[case(3 * 3600 + 300, "3h5m")]
#[case(8 * 3600 + 300, "8h")]
#[case(47 * 3600, "47h")]
#[case(48 * 3600, "2d")]
#[case(51 * 3600, "2d3h")]
#[case(8 * 86_400, "8d")]
#[case(730 * 86_400, "2y")]
#[case(740 * 86_400, "2y10d")]
#[case(3000 * 86_400, "8y")]
fn durations_are_short(#[case] seconds: i64, #[case] expected: &str) {
    assert_eq!(cell::duration(seconds), expected);
}

#[rstest]
#[case::running(json!({"phase": "Running", "containerStatuses": [
    {"ready": true, "restartCount": 0, "state": {"running": {}}}]}), "1/1 | Running | 0")]
#[case::pending(json!({"phase": "Pending"}), "0/1 | Pending | 0")]
#[case::gated(json!({"phase": "Pending", "conditions": [
    {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]}), "0/1 | SchedulingGated | 0")]
#[case::waiting(json!({"phase": "Pending", "containerStatuses": [
    {"ready": false, "restartCount": 0, "state": {"waiting": {"reason": "ImagePullBackOff"}}}]}),
    "0/1 | ImagePullBackOff | 0")]
#[case::crashing(json!({"phase": "Running", "containerStatuses": [{"ready": false, "restartCount": 3,
    "lastState": {"terminated": {"finishedAt": "2026-01-01T23:59:00Z"}},
    "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}), "0/1 | CrashLoopBackOff | 3 (60s ago)")]
#[case::completed(json!({"phase": "Succeeded", "containerStatuses": [
    {"ready": false, "restartCount": 0, "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}]}),
    "0/1 | Completed | 0")]
#[case::exit(json!({"phase": "Failed", "containerStatuses": [
    {"ready": false, "restartCount": 0, "state": {"terminated": {"exitCode": 3}}}]}), "0/1 | ExitCode:3 | 0")]
#[case::evicted(json!({"phase": "Failed", "reason": "Evicted"}), "0/1 | Evicted | 0")]
#[case::init(json!({"phase": "Pending", "initContainerStatuses": [
    {"name": "i", "ready": false, "restartCount": 1, "state": {"running": {}}}]}), "0/1 | Init:0/1 | 1")]
#[case::init_error(json!({"phase": "Pending", "initContainerStatuses": [
    {"name": "i", "restartCount": 0, "state": {"terminated": {"exitCode": 1, "reason": "Error"}}}]}),
    "0/1 | Init:Error | 0")]
fn a_pod_is_told_in_one_word(#[case] status: Value, #[case] expected: &str) {
    let pod = json!({
        "metadata": {"name": "p", "creationTimestamp": "2026-01-01T23:59:30Z"},
        "spec": {"containers": [{"name": "c"}], "initContainers": [{"name": "i"}], "nodeName": "n"},
        "status": status,
    });
    let expected = format!("p | {expected} | 30s | <none> | n | <none> | <none>");
    assert_eq!(shown("", "pods", &pod), expected);
}

#[test]
fn a_pod_that_is_deleted_terminates_unless_it_has_ended() {
    let pod = |phase: &str| {
        let pod = json!({
            "metadata": {"name": "p", "deletionTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"containers": [{}]}, "status": {"phase": phase},
        });
        shown("", "pods", &pod).split(" | ").nth(2).unwrap().to_owned()
    };
    assert_eq!([pod("Running"), pod("Succeeded")], ["Terminating", "Succeeded"]);
}

#[rstest]
#[case::deployment("apps", "deployments", json!({
    "metadata": {"name": "web"},
    "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}},
        "template": {"spec": {"containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "y"}]}}},
    "status": {"readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 1}}),
    "web | 2/3 | 3 | 1 | <unknown> | a,b | x,y | app=web")]
#[case::service("", "services", json!({
    "metadata": {"name": "s"},
    "spec": {"type": "NodePort", "clusterIPs": ["10.0.0.1"],
        "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]}}),
    "s | NodePort | 10.0.0.1 | <none> | 80:30080/TCP,53/UDP | <unknown> | <none>")]
#[case::balancer("", "services", json!({
    "metadata": {"name": "s"}, "spec": {"type": "LoadBalancer"}}),
    "s | LoadBalancer | <none> | <pending> | <none> | <unknown> | <none>")]
#[case::node("", "nodes", json!({
    "metadata": {"name": "n", "labels": {"node-role.kubernetes.io/worker": "", "kubernetes.io/role": "a"}},
    "spec": {"unschedulable": true},
    "status": {"conditions": [{"type": "Ready", "status": "Unknown"}], "nodeInfo": {"kubeletVersion": "v1.37.2",
        "kernelVersion": "6", "architecture": "amd64"}}}),
    "n | NotReady,SchedulingDisabled | a,worker | <unknown> | v1.37.2 | <none> | <none> | <unknown> | 6 (amd64) | <unknown>")]
#[case::job("batch", "jobs", json!({
    "metadata": {"name": "j"}, "spec": {"completions": 2, "selector": {"matchLabels": {"a": "b"}}},
    "status": {"succeeded": 1, "startTime": "2026-01-01T23:58:00Z"}}),
    "j | Running | 1/2 | 2m | <unknown> |  |  | a=b")]
#[case::event("", "events", json!({
    "metadata": {"name": "e"}, "type": "Normal", "reason": "R", "message": " m ", "lastTimestamp": null,
    "involvedObject": {"kind": "Pod", "name": "p"}, "eventTime": "2026-01-01T23:59:00.123456Z",
    "reportingComponent": "c", "reportingInstance": "i"}),
    "59s | Normal | R | pod/p | m")]
#[case::quota("", "resourcequotas", json!({
    "metadata": {"name": "q"},
    "status": {"hard": {"pods": "3", "limits.cpu": "2", "count/x.y": "1"}, "used": {"pods": "1"}}}),
    "q | count/x.y: 0/1, pods: 1/3 | limits.cpu: 0/2 | <unknown>")]
#[case::autoscaler("autoscaling", "horizontalpodautoscalers", json!({
    "metadata": {"name": "h"},
    "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "d"}, "maxReplicas": 5, "minReplicas": 1, "metrics": [
        {"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 80}}}]},
    "status": {"currentMetrics": [{"resource": {"current": {"averageUtilization": 30}}}], "currentReplicas": 2}}),
    "h | Deployment/d | cpu: 30%/80% | 1 | 5 | 2 | <unknown>")]
fn other_kinds_look_as_upstream(
    #[case] group: &str,
    #[case] plural: &str,
    #[case] object: Value,
    #[case] expected: &str,
) {
    assert_eq!(shown(group, plural, &object), expected);
}

#[rstest]
#[case(json!({"matchLabels": {"b": "1", "a": "2"}}), "a=2,b=1")]
#[case(json!({"matchExpressions": [{"key": "z", "operator": "In", "values": ["y", "x"]},
    {"key": "c", "operator": "Exists"}, {"key": "d", "operator": "DoesNotExist"},
    {"key": "n", "operator": "NotIn", "values": ["q"]}]}), "c,!d,n notin (q),z in (x,y)")]
#[case(json!({}), "")]
fn selectors_are_one_line(#[case] selector: Value, #[case] expected: &str) {
    assert_eq!(cell::selector(&selector), expected);
}

#[rstest]
#[case(".spec.replicas", json!(3))]
#[case(".metadata.annotations.a\\.b/c", json!("dotted"))]
#[case(".metadata.annotations['a.b/c']", json!("dotted"))]
#[case(".status.conditions[?(@.type==\"Ready\")].status", json!("True"))]
#[case(".status.conditions[?(@.type=='Gone')].status", Value::Null)]
#[case(".status.conditions[0].type", json!("Other"))]
#[case(".status.conditions[*].type", json!("Other"))]
#[case(".nowhere.at.all", Value::Null)]
fn a_path_leads_to_its_first_value(#[case] path: &str, #[case] expected: Value) {
    let object = json!({
        "metadata": {"annotations": {"a.b/c": "dotted"}},
        "spec": {"replicas": 3},
        "status": {"conditions": [
            {"type": "Other", "status": "False", "weight": 1}, {"type": "Ready", "status": "True", "weight": 2}]},
    });
    let found = Path::parse(path).unwrap().first(&object).cloned();
    assert_eq!(found.unwrap_or_default(), expected);
}

#[rstest]
#[case(".a[")]
#[case(".a[1:2]")]
#[case(".a[?(@.b=~'x')]")]
#[case(".a[?(@.b>1)]")]
#[case("..")]
fn what_is_no_path_is_refused(#[case] path: &str) {
    assert_eq!(Path::parse(path), None);
}

#[test]
fn columns_of_a_custom_kind_have_their_types() {
    let column = |name: &str, kind: &str, path: &str| json!({"name": name, "type": kind, "jsonPath": path});
    let version = Version {
        name: "v1".into(),
        schema: None,
        verbs: Vec::new(),
        status: false,
        scale: None,
        others: Vec::new(),
        columns: vec![
            column("A", "integer", ".n"),
            column("B", "string", ".n"),
            column("C", "date", ".when"),
            column("D", "boolean", ".n"),
            column("E", "string", ".list"),
            column("F", "string", ".nothing"),
        ],
        openapi: None,
    };
    let resource = Resource {
        group: "example.com".into(),
        plural: "things".into(),
        singular: "thing".into(),
        kind: "Thing".into(),
        list_kind: "ThingList".into(),
        short_names: Vec::new(),
        categories: Vec::new(),
        namespaced: true,
        versions: vec![version],
        storage: "v1".into(),
        origin: Origin::Custom {
            definition: Arc::from("uid"),
        },
    };
    let object = json!({"metadata": {"name": "t"}, "n": 3, "when": "2026-01-01T00:00:00Z", "list": [1, "a"]});
    let columns = super::of(&resource, "v1");
    assert_eq!(
        columns.cells(&object, now()),
        json!(["t", 3, "3", "24h", null, "[1,\"a\"]", null])
    );
    assert_eq!(columns.definitions()[0]["format"], "name");
    assert_eq!(columns.definitions()[1]["type"], "integer");
}
