use rstest::rstest;
use serde_json::json;

use super::*;

fn view(object: &Value, pods: Vec<Value>) -> View<'_> {
    View {
        object,
        pods: pods.into_iter().map(Into::into).collect(),
        nodes: Vec::new(),
        claims: Vec::new(),
        now: Timestamp::UNIX_EPOCH,
    }
}

fn ended(phase: &str) -> Value {
    json!({"metadata": {"name": phase}, "status": {"phase": phase}})
}

#[rstest]
#[case::starts_as_many_as_may_run(json!({"parallelism": 2, "completions": 3}), vec![], 2, None)]
#[case::starts_the_last(json!({"parallelism": 2, "completions": 3}), vec!["Succeeded", "Succeeded"], 1, None)]
#[case::is_complete(json!({"parallelism": 1, "completions": 1}), vec!["Failed", "Succeeded"], 0, Some("Complete"))]
#[case::gives_up(json!({"completions": 1, "backoffLimit": 1}), vec!["Failed", "Failed"], 0, Some("Failed"))]
fn a_job(#[case] spec: Value, #[case] pods: Vec<&str>, #[case] made: usize, #[case] ends: Option<&str>) {
    let job = json!({"kind": "Job", "metadata": {"name": "once"}, "spec": spec});
    let plan = jobs::pass(&view(&job, pods.into_iter().map(ended).collect()));
    assert_eq!(plan.acts.len(), made);
    let last = plan.status["conditions"].as_array().and_then(|all| all.last());
    assert_eq!(last.and_then(|last| last["type"].as_str()), ends);
}

#[test]
fn a_stateful_set_waits_for_each_pod_before_it_makes_the_next() {
    let set = json!({"kind": "StatefulSet", "metadata": {"name": "db"}, "spec": {"replicas": 2}});
    let revision = format!("db-{}", revision(&set));
    let pod = |ready: &str| {
        json!({
            "metadata": {"name": "db-0", "labels": {REVISION: revision}},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]},
        })
    };
    let made = |pods: Vec<Value>| -> Vec<String> {
        let acts = stateful_sets::pass(&view(&set, pods)).acts.into_iter();
        acts.filter_map(|act| match act {
            Act::Create(_, pod) => Some(object::name(&pod).to_owned()),
            _ => None,
        })
        .collect()
    };
    assert_eq!(made(vec![]), ["db-0"]);
    assert!(made(vec![pod("False")]).is_empty());
    assert_eq!(made(vec![pod("True")]), ["db-1"]);
}
