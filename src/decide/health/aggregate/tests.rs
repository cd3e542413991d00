use proptest::prelude::*;
use rstest::rstest;

use super::*;

fn names() -> [ClusterName; 3] {
    ["a", "b", "c"].map(|name| ClusterName::parse(name).unwrap())
}

/// The sum over members a, b, c…, each of which has applied and observed generation 2.
fn sum(kind: &str, previous: &Value, statuses: &[Value]) -> Value {
    sum_at(
        kind,
        previous,
        &statuses
            .iter()
            .map(|status| (Some(2), true, status.clone()))
            .collect::<Vec<_>>(),
    )
}

fn sum_at(kind: &str, previous: &Value, members: &[(Option<i64>, bool, Value)]) -> Value {
    let (group, kind) = kind.split_once('/').unwrap();
    let kind = GroupKind::new(group, kind);
    let names = names();
    let texts: Vec<_> = members
        .iter()
        .map(|(_, _, status)| (!status.is_null()).then(|| status.to_string()))
        .collect();
    let members: Vec<_> = members
        .iter()
        .zip(&texts)
        .zip(&names)
        .map(
            |(((applied_generation, observed, _), text), cluster)| MemberStatus {
                cluster,
                applied_generation: *applied_generation,
                observed: *observed,
                status: text.as_deref(),
            },
        )
        .collect();
    let sums = ["/status/readyReplicas".into(), "/status/deep/count".into()];
    let facts = TemplateFacts {
        kind: &kind,
        generation: 2,
        service_type: Some("LoadBalancer"),
        previous: Some(previous),
        sums: &sums,
    };
    aggregate(&facts, &members).unwrap()
}

fn condition(of: &str, status: &str, at: &str) -> Value {
    json!({"type": of, "status": status, "reason": format!("R{at}"), "message": "m", "lastTransitionTime": at})
}

#[test]
fn replicas_are_summed_and_zeros_left_out() {
    let one = json!({"observedGeneration": 7, "replicas": 1, "readyReplicas": 1, "availableReplicas": 1, "updatedReplicas": 1});
    let none = json!({"observedGeneration": 1, "replicas": 1, "unavailableReplicas": 0});
    assert_eq!(
        sum("apps/Deployment", &json!(null), &[one.clone(), one, none]),
        json!({"observedGeneration": 2, "replicas": 3, "readyReplicas": 2, "availableReplicas": 2, "updatedReplicas": 2})
    );
}

#[rstest]
#[case::all_at_it(&[(Some(2), true), (Some(2), true)], Some(2))]
#[case::one_not_applied(&[(Some(1), true), (Some(2), true)], Some(1))]
#[case::one_not_observed(&[(Some(2), true), (Some(2), false)], Some(1))]
#[case::one_never_applied(&[(None, false), (Some(2), true)], Some(1))]
#[case::no_member(&[], Some(1))]
fn the_observed_generation_moves_only_when_all_have_applied_and_seen_it(
    #[case] members: &[(Option<i64>, bool)],
    #[case] expected: Option<i64>,
) {
    let members: Vec<_> = members
        .iter()
        .map(|(applied, observed)| (*applied, *observed, json!({"replicas": 1})))
        .collect();
    let status = sum_at("apps/Deployment", &json!({"observedGeneration": 1}), &members);
    assert_eq!(status.get("observedGeneration").and_then(Value::as_i64), expected);
}

#[test]
fn a_member_that_is_not_believed_holds_the_generation_and_is_not_counted() {
    let members = [
        (Some(2), true, json!({"replicas": 2})),
        (Some(2), true, json!(null)),
    ];
    let status = sum_at("apps/Deployment", &json!(null), &members);
    assert_eq!(status, json!({"replicas": 2}));
}

#[rstest]
#[case::all(&[Some("True"), Some("True")], Some("True"), "t2")]
#[case::one_not(&[Some("True"), Some("False")], Some("False"), "t2")]
#[case::both_not(&[Some("False"), Some("False")], Some("False"), "t1")]
#[case::one_silent(&[Some("True"), None], Some("Unknown"), "t1")]
#[case::nobody_says(&[None, None], None, "")]
fn a_condition_is_true_only_if_true_in_all(
    #[case] found: &[Option<&str>],
    #[case] expected: Option<&str>,
    #[case] since: &str,
    #[values("Available", "Progressing")] of: &str,
) {
    let statuses: Vec<Value> = found
        .iter()
        .zip(["t1", "t2"])
        .map(|(status, at)| {
            status.map_or(
                json!({}),
                |status| json!({"conditions": [condition(of, status, at)]}),
            )
        })
        .collect();
    let status = sum("apps/Deployment", &json!(null), &statuses);
    let condition = status.pointer("/conditions/0");
    assert_eq!(
        condition.and_then(|condition| condition["status"].as_str()),
        expected
    );
    assert_eq!(
        condition.map_or("", |condition| condition["lastTransitionTime"].as_str().unwrap()),
        since
    );
}

#[test]
fn a_condition_that_fails_names_its_member() {
    let (good, bad) = (
        condition("Available", "True", "t1"),
        condition("Available", "False", "t2"),
    );
    let status = sum(
        "apps/Deployment",
        &json!(null),
        &[json!({"conditions": [good]}), json!({"conditions": [bad]})],
    );
    assert_eq!(status["conditions"][0]["message"], "b: m");
    assert_eq!(status["conditions"][0]["reason"], "Rt2");
}

#[test]
fn required_counts_of_sets_are_written_even_when_zero() {
    let status = sum(
        "apps/DaemonSet",
        &json!(null),
        &[json!({"numberReady": 1, "desiredNumberScheduled": 1})],
    );
    let expected = json!({
        "observedGeneration": 2, "numberReady": 1, "desiredNumberScheduled": 1,
        "currentNumberScheduled": 0, "numberMisscheduled": 0,
    });
    assert_eq!(status, expected);
    let revision = |current: &str, update: &str| json!({"replicas": 1, "currentRevision": current, "updateRevision": update});
    let status = sum(
        "apps/StatefulSet",
        &json!(null),
        &[revision("w-2", "w-2"), revision("w-1", "w-2")],
    );
    let expected = json!({
        "observedGeneration": 2, "replicas": 2, "availableReplicas": 0,
        "currentRevision": "w-1", "updateRevision": "w-2",
    });
    assert_eq!(status, expected);
}

#[rstest]
#[case::load_balancer(Some("LoadBalancer"), json!([{"ip": "1.1.1.1"}, {"hostname": "x"}]))]
#[case::any_other(Some("ClusterIP"), json!(null))]
fn only_load_balancers_have_ingress_points(#[case] of: Option<&str>, #[case] expected: Value) {
    let names = names();
    let (one, both) = (
        json!({"loadBalancer": {"ingress": [{"ip": "1.1.1.1"}]}}).to_string(),
        json!({"loadBalancer": {"ingress": [{"ip": "1.1.1.1"}, {"hostname": "x"}]}}).to_string(),
    );
    let of_member = |cluster, status| MemberStatus {
        cluster,
        applied_generation: None,
        observed: false,
        status: Some(status),
    };
    let facts = TemplateFacts {
        kind: &GroupKind::new("", "Service"),
        generation: 0,
        service_type: of,
        previous: None,
        sums: &[],
    };
    let status = aggregate(&facts, &[of_member(&names[1], &both), of_member(&names[0], &one)]).unwrap();
    assert_eq!(
        status["loadBalancer"].get("ingress").cloned().unwrap_or_default(),
        expected
    );
}

fn job(end: &str, active: i64) -> Value {
    let mut job = json!({"startTime": "t1", "active": active, "succeeded": 1});
    if !end.is_empty() {
        job["conditions"] = json!([condition(end, "True", "t3")]);
        job["completionTime"] = "t3".into();
    }
    job
}

#[rstest]
#[case::one_still_runs(&[job("Complete", 0), job("", 1)], &[])]
#[case::all_complete(&[job("Complete", 0), job("Complete", 0)], &["SuccessCriteriaMet", "Complete"])]
#[case::one_failed(&[job("Complete", 0), job("Failed", 0)], &["FailureTarget", "Failed"])]
#[case::one_failed_and_one_runs(&[job("", 1), job("Failed", 0)], &[])]
#[case::one_is_silent(&[job("Complete", 0), json!(null)], &[])]
fn a_job_ends_when_it_has_ended_everywhere(#[case] jobs: &[Value], #[case] expected: &[&str]) {
    let status = sum("batch/Job", &json!(null), jobs);
    let found = status
        .get("conditions")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let types: Vec<_> = found
        .iter()
        .map(|condition| condition["type"].as_str().unwrap())
        .collect();
    assert_eq!(types, expected);
    assert_eq!(
        status.get("completionTime").is_some(),
        expected.contains(&"Complete")
    );
}

#[test]
fn a_job_never_takes_back_what_was_written() {
    let before = json!({"startTime": "t0", "succeeded": 5, "failed": 2});
    let status = sum("batch/Job", &before, &[job("", 1)]);
    assert_eq!(
        status,
        json!({"startTime": "t0", "succeeded": 5, "failed": 2, "active": 1})
    );
    let ended = sum("batch/Job", &before, &[job("Complete", 0)]);
    assert_eq!(sum("batch/Job", &ended, &[job("", 1), job("Complete", 0)]), ended);
}

#[test]
fn other_kinds_are_not_summed() {
    let facts = TemplateFacts {
        kind: &GroupKind::new("", "ConfigMap"),
        generation: 1,
        service_type: None,
        previous: None,
        sums: &[],
    };
    assert_eq!(aggregate(&facts, &[]), None);
}

fn any_status() -> impl Strategy<Value = (Option<i64>, bool, Value)> {
    let status = (0..5i64, 0..5i64, any::<bool>()).prop_map(|(all, ready, available)| {
        json!({"replicas": all, "readyReplicas": ready.min(all),
            "conditions": [condition("Available", if available { "True" } else { "False" }, "t1")]})
    });
    (
        proptest::option::of(1..3i64),
        any::<bool>(),
        prop_oneof![4 => status, 1 => Just(json!(null))],
    )
}

proptest! {
    #[test]
    fn sums_conserve_replicas_and_answering_the_answer_changes_nothing(
        members in proptest::collection::vec(any_status(), 0..=3),
        kind in prop_oneof![Just("apps/Deployment"), Just("apps/StatefulSet"), Just("batch/Job")],
    ) {
        let first = sum_at(kind, &json!(null), &members);
        prop_assert_eq!(&sum_at(kind, &first, &members), &first);
        if kind != "batch/Job" {
            let total: i64 = members.iter().filter_map(|(_, _, status)| status["replicas"].as_i64()).sum();
            let found = |field: &str| first.get(field).and_then(Value::as_i64).unwrap_or_default();
            prop_assert_eq!(found("replicas"), total);
            prop_assert!(found("readyReplicas") <= found("replicas"));
        }
    }
}

#[test]
fn a_rule_sums_what_it_names_and_leaves_the_rest_alone() {
    let previous = json!({"phase": "Up", "readyReplicas": 1, "deep": {"count": 4, "other": 5}});
    let one = json!({"observedGeneration": 7, "readyReplicas": 2, "deep": {"count": 3}, "phase": "Odd"});
    let other = json!({"observedGeneration": 1, "readyReplicas": 3});
    assert_eq!(
        sum("example.com/Widget", &previous, &[one, other, json!(null)]),
        json!({"phase": "Up", "readyReplicas": 5, "deep": {"count": 3, "other": 5}}),
        "not observed by all, since one says nothing",
    );
    let text = json!({"observedGeneration": "7", "readyReplicas": "many"});
    assert_eq!(
        sum("argoproj.io/Rollout", &previous, &[text]),
        json!({"observedGeneration": "2", "phase": "Up", "deep": {"other": 5}}),
    );
}

#[test]
fn a_template_that_is_nowhere_any_more_keeps_no_sums() {
    let kind = GroupKind::new("example.com", "Widget");
    let previous = json!({"phase": "Up", "readyReplicas": 1, "observedGeneration": 2});
    let mut facts = TemplateFacts {
        kind: &kind,
        generation: 2,
        service_type: None,
        previous: Some(&previous),
        sums: &["/status/readyReplicas".into()],
    };
    assert_eq!(cleared(&facts), Some(json!({"phase": "Up"})));
    facts.sums = &[];
    assert_eq!(cleared(&facts), None);
}
