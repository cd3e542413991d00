//! Single placements.

use rstest::rstest;

use super::*;

fn node(name: &str, spec: &Value, labels: &Value) -> Node {
    let node = json!({
        "metadata": {"name": name, "labels": labels}, "spec": spec,
        "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "2"}},
    });
    Node::new(&node, std::iter::empty())
}

fn plain(name: &str) -> Node {
    node(name, &json!({}), &json!({"zone": name}))
}

#[expect(clippy::needless_pass_by_value, reason = "its values are made on the spot")]
fn pod(spec: Value) -> Value {
    let mut pod = json!({"spec": spec});
    if pod["spec"]["containers"].is_null() {
        pod["spec"]["containers"] = json!([{"resources": {"requests": {"cpu": "1"}}}]);
    }
    pod
}

const NO_VICTIMS: &str =
    "preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.";
const NO_HELP: &str = "preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.";

#[rstest]
#[case(json!({"nodeSelector": {"zone": "b"}}), json!({}), "node(s) didn't match Pod's node affinity/selector", NO_HELP)]
#[case(json!({}), json!({"unschedulable": true}), "node(s) were unschedulable", NO_HELP)]
#[case(json!({}), json!({"taints": [{"key": "k", "effect": "NoSchedule"}]}), "node(s) had untolerated taint(s)", NO_HELP)]
#[case(json!({"containers": [{"resources": {"requests": {"cpu": "5"}}}]}), json!({}), "Insufficient cpu", NO_HELP)]
#[case(json!({"containers": [{"resources": {"limits": {"example.com/gpu": "1"}}}]}), json!({}),
       "Insufficient example.com/gpu", NO_HELP)]
fn a_refusal_has_upstreams_words(
    #[case] spec: Value,
    #[case] of_node: Value,
    #[case] reason: &str,
    #[case] preemption: &str,
) {
    let nodes = [node("a", &of_node, &json!({"zone": "a"}))];
    let refusals = place(&pod(spec), nodes.iter()).unwrap_err();
    assert_eq!(
        refusals.to_string(),
        format!("0/1 nodes are available: 1 {reason}. {preemption}")
    );
}

#[test]
fn what_pods_take_is_counted() {
    let mut full = plain("a");
    let big = pod(json!({"containers": [{"resources": {"requests": {"cpu": "3"}}}]}));
    full.take(&Request::of(&big));
    full.take(&Request::default());
    assert_eq!(
        place(&big, [&full].into_iter()).unwrap_err().to_string(),
        format!("0/1 nodes are available: 1 Insufficient cpu, 1 Too many pods. {NO_VICTIMS}")
    );
    full.give_back(&Request::of(&big));
    assert!(place(&big, [&full].into_iter()).is_ok());
}

#[test]
fn without_nodes_there_is_nothing_to_say_of_them() {
    let refusals = place(&pod(json!({})), std::iter::empty()).unwrap_err();
    assert_eq!(refusals.to_string(), "no nodes available to schedule pods");
}

#[rstest]
#[case(json!({"tolerations": [{"operator": "Exists"}]}), true)]
#[case(json!({"tolerations": [{"key": "k", "operator": "Equal", "value": "v", "effect": "NoSchedule"}]}), true)]
#[case(json!({"tolerations": [{"key": "k", "value": "v"}]}), true)]
#[case(json!({"tolerations": [{"key": "k", "operator": "Equal", "value": "w"}]}), false)]
#[case(json!({"tolerations": [{"key": "k", "operator": "Exists", "effect": "NoExecute"}]}), false)]
fn taints_are_tolerated_as_upstream_says(#[case] spec: Value, #[case] fits: bool) {
    let taints = json!({"taints": [{"key": "k", "value": "v", "effect": "NoSchedule"}]});
    let nodes = [node("a", &taints, &json!({}))];
    assert_eq!(place(&pod(spec), nodes.iter()).is_ok(), fits);
}

#[test]
fn the_emptiest_node_is_best_and_equals_go_by_name() {
    let mut nodes = [plain("a"), plain("b"), plain("c")];
    let one = pod(json!({}));
    assert_eq!(&*place(&one, nodes.iter()).unwrap().name, "a");
    nodes[0].take(&Request::of(&one));
    assert_eq!(&*place(&one, nodes.iter()).unwrap().name, "b");
}

#[test]
fn init_containers_count_when_they_ask_for_more_and_sidecars_always() {
    let cpu = |cpu: &str| json!({"requests": {"cpu": cpu}});
    let pod = json!({"spec": {
        "containers": [{"resources": cpu("1")}, {"resources": cpu("500m")}],
        "initContainers": [
            {"resources": cpu("250m"), "restartPolicy": "Always"},
            {"resources": cpu("2")},
        ],
        "overhead": {"cpu": "10m"},
    }});
    assert_eq!(Request::of(&pod).amounts["cpu"].milli().unwrap(), 2260);
}
