//! Rows, sums and what is decoded into them.

use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;

use super::{
    facts::Facts,
    objects::{Objects, Stream},
    slim::{SlimNode, SlimPod},
};
use crate::model::{
    fleet::{ObjectRow, Resources},
    name::{GroupKind, ObjectKey},
};

fn everywhere() -> Stream {
    Stream {
        kind: GroupKind::new("apps", "Deployment"),
        namespace: None,
    }
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::parse(&everywhere().kind, "shop", name).unwrap()
}

fn row(version: u64) -> ObjectRow {
    ObjectRow {
        uid: "u".into(),
        resource_version: version.to_string(),
        generation: 1,
        binding: Some("web".into()),
        replicas: Some(i64::try_from(version).unwrap()),
        ..ObjectRow::default()
    }
}

fn listed(objects: &Objects, rows: &[(&str, u64)]) -> (Vec<String>, usize) {
    objects.begin(&everywhere());
    for (name, version) in rows {
        objects.saw(&everywhere(), key(name), row(*version), None);
    }
    let (gone, unsure) = objects.finish(&everywhere());
    (
        gone.into_iter()
            .map(|folded| folded.key.name.to_string())
            .collect(),
        unsure.len(),
    )
}

#[test]
fn a_row_is_gone_only_when_a_complete_list_does_not_have_it() {
    let objects = Objects::default();
    assert_eq!(listed(&objects, &[("a", 1), ("b", 2)]), (vec![], 0));
    objects.begin(&everywhere());
    objects.saw(&everywhere(), key("a"), row(1), None);
    // The list broke off here.
    assert!(objects.row(&key("b")).is_some());
    assert_eq!(listed(&objects, &[("a", 1)]), (vec!["b".to_owned()], 0));
    assert!(objects.row(&key("b")).is_none() && objects.row(&key("a")).is_some());
}

#[test]
fn what_the_hub_wrote_while_a_list_was_made_is_not_taken_for_gone() {
    let objects = Objects::default();
    listed(&objects, &[("a", 1)]);
    objects.begin(&everywhere());
    objects.wrote(&key("new"), row(7), None);
    let (gone, unsure) = objects.finish(&everywhere());
    assert_eq!((gone.len(), unsure), (1, vec![key("new")]));
    assert!(objects.row(&key("new")).is_some());
}

#[test]
fn a_late_event_never_undoes_a_newer_write() {
    let objects = Objects::default();
    listed(&objects, &[("a", 5)]);
    objects.wrote(&key("a"), row(10), None);
    assert_eq!(objects.saw(&everywhere(), key("a"), row(9), None), None);
    assert_eq!(objects.lost(&key("a"), "9"), None);
    assert_eq!(objects.row(&key("a")).unwrap().resource_version, "10");
    objects.wrote(&key("a"), row(8), None);
    assert_eq!(objects.row(&key("a")).unwrap().resource_version, "10");
    assert!(objects.lost(&key("a"), "11").is_some_and(|folded| folded.gone));
}

#[test]
fn a_member_restored_from_a_backup_counts_from_an_older_version() {
    let objects = Objects::default();
    listed(&objects, &[("a", 1_000)]);
    listed(&objects, &[("a", 10)]);
    assert_eq!(objects.row(&key("a")).unwrap().resource_version, "10");
}

#[test]
fn only_what_matters_is_told() {
    let objects = Objects::default();
    listed(&objects, &[("a", 5)]);
    let same = ObjectRow {
        resource_version: "6".into(),
        ..row(5)
    };
    assert_eq!(objects.saw(&everywhere(), key("a"), same, None), None);
    assert_eq!(objects.row(&key("a")).unwrap().resource_version, "6");
    assert!(objects.saw(&everywhere(), key("a"), row(7), None).is_some());
}

#[test]
fn nothing_is_known_to_be_missing_after_the_connection_was_made_anew() {
    let objects = Objects::default();
    let kind = everywhere().kind;
    assert!(!objects.is_synced(&kind, None));
    listed(&objects, &[]);
    let shop = "shop".parse().unwrap();
    assert!(objects.is_synced(&kind, None) && objects.is_synced(&kind, Some(&shop)));
    objects.unsync_all();
    assert!(!objects.is_synced(&kind, None) && !objects.is_synced(&kind, Some(&shop)));
}

fn pod(spec: &serde_json::Value) -> SlimPod {
    serde_json::from_value(
        json!({"metadata": {"name": "p", "uid": "0a"}, "spec": spec, "status": {"phase": "Running"}}),
    )
    .unwrap()
}

fn asks(cpu: &str) -> serde_json::Value {
    json!({"name": "c", "resources": {"requests": {"cpu": cpu, "memory": "1Mi"}}})
}

fn with_restart(mut container: serde_json::Value) -> serde_json::Value {
    container["restartPolicy"] = "Always".into();
    container
}

/// As the scheduler counts (component-helpers, `resource.PodRequests`).
#[rstest]
#[case::containers_add_up(json!({"containers": [asks("100m"), asks("0.2")]}), 300)]
#[case::without_requests(json!({"containers": [{"name": "c"}]}), 0)]
#[case::init_is_the_peak(json!({"containers": [asks("100m")], "initContainers": [asks("500m"), asks("1")]}), 1000)]
#[case::sidecars_stay(json!({"containers": [asks("100m")], "initContainers": [with_restart(asks("50m"))]}), 150)]
#[case::init_runs_beside_earlier_sidecars(json!({"containers": [asks("100m")], "initContainers": [with_restart(asks("50m")), asks("1")]}), 1050)]
#[case::overhead(json!({"containers": [asks("100m")], "overhead": {"cpu": "10m"}}), 110)]
#[case::the_whole_pod_has_the_last_word(json!({"containers": [asks("100m")], "resources": {"requests": {"cpu": "2"}}}), 2000)]
fn a_pod_is_charged_as_the_scheduler_charges_it(#[case] spec: serde_json::Value, #[case] cpu_milli: u64) {
    assert_eq!(pod(&spec).requests.base.cpu_milli, cpu_milli);
}

fn node(name: &str, ready: bool, zone: &str) -> SlimNode {
    let status = if ready { "True" } else { "False" };
    serde_json::from_value(json!({
        "metadata": {"name": name, "labels": {"topology.kubernetes.io/region": "eu", "topology.kubernetes.io/zone": zone}},
        "spec": {},
        "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"}, "conditions": [{"type": "Ready", "status": status}]}
    }))
    .unwrap()
}

fn running(id: u64, node: &str, phase: &str) -> SlimPod {
    serde_json::from_value(json!({
        "metadata": {"name": "p", "uid": format!("{id:x}")},
        "spec": {"nodeName": node, "containers": [asks("500m")]}, "status": {"phase": phase}
    }))
    .unwrap()
}

#[test]
fn sums_are_of_ready_nodes_and_place_is_what_the_nodes_agree_on() {
    let mut facts = Facts::default();
    facts.saw_node(&node("n1", true, "a"));
    facts.saw_node(&node("n2", false, "b"));
    facts.saw_node(&node("hanse-eu-2", true, "z"));
    facts.saw_pod(&running(1, "n1", "Running"));
    facts.saw_pod(&running(2, "n1", "Succeeded"));
    facts.saw_pod(&running(3, "hanse-eu-2", "Running"));
    facts.saw_pod(&running(4, "", "Pending"));
    let sums = facts.sums();
    assert_eq!((sums.nodes.ready, sums.nodes.total), (1, 2));
    assert_eq!(sums.allocatable.cpu_milli, 4000);
    assert_eq!(
        sums.requested,
        Resources {
            cpu_milli: 500,
            memory: 1 << 20,
            pods: 1
        }
    );
    assert_eq!(sums.largest_gap.cpu_milli, 3500);
    assert_eq!((sums.region.as_deref(), sums.zone), (Some("eu"), None));
}

#[derive(Debug, Clone)]
enum Step {
    Saw(u64, u8, bool),
    Lost(u64),
    Listed(Vec<(u64, u8)>),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..20_u64, 0..4_u8, any::<bool>()).prop_map(|(id, node, done)| Step::Saw(id, node, done)),
        2 => (0..20_u64).prop_map(Step::Lost),
        1 => prop::collection::vec((0..20_u64, 0..4_u8), 0..8).prop_map(Step::Listed),
    ]
}

proptest! {
    /// Sums move by differences: they must never part from what is there.
    #[test]
    fn sums_are_always_those_of_the_pods_that_are_there(steps in prop::collection::vec(step(), 0..60)) {
        let mut facts = Facts::default();
        let mut truth = std::collections::BTreeMap::new();
        for step in steps {
            match step {
                Step::Saw(id, node, done) => {
                    facts.saw_pod(&running(id, &format!("n{node}"), if done { "Failed" } else { "Running" }));
                    if done { truth.remove(&id); } else { truth.insert(id, node); }
                }
                Step::Lost(id) => {
                    facts.lost_pod(running(id, "n", "Running").id());
                    truth.remove(&id);
                }
                Step::Listed(pods) => {
                    facts.begin_pods();
                    truth.clear();
                    for (id, node) in pods {
                        facts.saw_pod(&running(id, &format!("n{node}"), "Running"));
                        truth.insert(id, node);
                    }
                    facts.finish_pods();
                }
            }
            prop_assert_eq!(facts.sums().requested.pods, truth.len() as u64);
            prop_assert_eq!(facts.sums().requested.cpu_milli, 500 * truth.len() as u64);
        }
    }
}
