use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::decide::placement::audit;
use crate::model::api::PlacementReason;
use crate::model::fleet::{ApiKind, Apis, Held, Nodes, Reach};
use crate::model::name::GroupKind;

fn cluster(name: &str) -> ClusterName {
    ClusterName::parse(name).unwrap()
}

fn apis(kinds: &[(&str, &str)], complete: bool) -> Arc<Apis> {
    let served = ApiKind {
        versions: vec!["v1".to_owned()],
        plural: String::new(),
        namespaced: true,
        verbs: ["list", "watch", "create"].map(str::to_owned).to_vec(),
        status: true,
    };
    let kinds = kinds
        .iter()
        .map(|(group, kind)| (GroupKind::new(*group, *kind), served.clone()))
        .collect();
    Arc::new(Apis { kinds, complete })
}

fn member(name: &str) -> Member {
    Member {
        labels: BTreeMap::from([("env".to_owned(), "prod".to_owned())]),
        reach: Reach::Reachable,
        room: Some(Arc::default()),
        nodes: Nodes { ready: 3, total: 3 },
        apis: apis(&[("apps", "Deployment")], true),
        ..Member::unheard(cluster(name))
    }
}

fn fleet(members: impl IntoIterator<Item = Member>) -> Snapshot {
    let members = members
        .into_iter()
        .map(|member| (member.name.clone(), Arc::new(member)))
        .collect();
    Snapshot { members }
}

fn placement(clusters: &Value) -> Placement {
    serde_json::from_value(json!({"terms": [{"clusters": clusters}]})).unwrap()
}

fn deployment() -> GroupVersionKind {
    GroupVersionKind::new("apps", "v1", "Deployment")
}

/// Asks for a Deployment of a tenant that may use every member; tests change what they are about.
fn asking<'a>(current: &'a [BindingCluster], rooms: &'a Rooms) -> Request<'a> {
    static EVERY: std::sync::LazyLock<(ClusterSelector, GroupVersionKind, Placement)> =
        std::sync::LazyLock::new(|| (ClusterSelector::default(), deployment(), Placement::default()));
    Request {
        placement: Some(&EVERY.2),
        tenant: &EVERY.0,
        kinds: std::slice::from_ref(&EVERY.1),
        current,
        required: &[],
        workload: Workload::default(),
        moving: Moving::default(),
        rooms,
        now: Timestamp::UNIX_EPOCH,
    }
}

/// The plan, which breaks no rule.
fn audited(fleet: &Snapshot, request: &Request<'_>) -> Plan {
    let plan = place(fleet, request);
    assert_eq!(audit(fleet, request, &plan), Vec::<String>::new(), "{plan:#?}");
    plan
}

fn plan(fleet: &Snapshot, placement: &Placement, current: &[&str]) -> Plan {
    let current: Vec<_> = current
        .iter()
        .map(|name| BindingCluster::new(cluster(name)))
        .collect();
    let rooms = Rooms::default();
    let request = Request {
        placement: Some(placement),
        ..asking(&current, &rooms)
    };
    audited(fleet, &request)
}

fn names(plan: &Plan) -> Vec<&str> {
    plan.clusters.iter().map(|placed| placed.name.as_str()).collect()
}

#[rstest]
#[case::absent_is_all(json!({}), &["a", "b", "c"])]
#[case::names(json!({"names": ["a", "c"]}), &["a", "c"])]
#[case::exclude_wins_over_names(json!({"names": ["a", "c"], "exclude": ["c"]}), &["a"])]
#[case::labels(json!({"selector": {"matchLabels": {"env": "prod"}}}), &["a", "b"])]
#[case::expression(json!({"cel": "cluster.status.nodes.ready >= 3 && cluster.metadata.name != 'a'"}), &["b", "c"])]
#[case::all_parts_hold(json!({"names": ["a", "c"], "selector": {"matchLabels": {"env": "prod"}}}), &["a"])]
fn members_are_chosen_by_all_parts_of_the_selector(#[case] clusters: Value, #[case] expected: &[&str]) {
    let test = Member {
        labels: BTreeMap::from([("env".to_owned(), "test".to_owned())]),
        ..member("c")
    };
    let fleet = fleet([member("a"), member("b"), test]);
    assert_eq!(names(&plan(&fleet, &placement(&clusters), &[])), expected);
}

/// Something that keeps a member from getting anything new. `removes` says whether it also takes away what
/// is there.
#[rstest]
#[case::being_deleted(Member { leaving: true, ..member("a") }, json!({}), true, "Leaving", "is being deleted")]
#[case::without_the_kind(Member { apis: apis(&[], true), ..member("a") }, json!({}), true, "ApiEnabled", "a does not serve Deployment.apps")]
#[case::with_an_incomplete_discovery(Member { apis: apis(&[], false), ..member("a") }, json!({}), false, "ApiEnabled", "not known whether")]
#[case::never_heard_of(Member::unheard(cluster("a")), json!({}), false, "Heard", "not heard of yet")]
#[case::unreachable_with_old_numbers(Member { reach: Reach::Unreachable, nodes: Nodes::default(), ..member("a") }, json!({"cel": "cluster.status.nodes.ready > 0"}), false, "ClusterSelection", "cannot be told")]
#[case::held(Member { held: Some(Held::Claimed { by: "h2".to_owned() }), ..member("a") }, json!({}), false, "Held", "hub h2 claims it")]
#[case::held_with_the_kinds_of_another_cluster(Member { held: Some(Held::Unclaimed), apis: apis(&[], true), ..member("a") }, json!({}), false, "ApiEnabled", "not known whether")]
#[case::a_failing_expression(member("a"), json!({"cel": "cluster.metadata.labels.tier == 'x'"}), false, "ClusterSelection", "cluster.metadata.labels.tier")]
#[case::a_broken_expression(member("a"), json!({"cel": "cluster.("}), false, "ClusterSelection", "cluster.(")]
#[case::other_labels(member("a"), json!({"selector": {"matchLabels": {"env": "x"}}}), true, "ClusterSelection", "labels of a")]
fn nothing_new_comes_to_a_member_and_only_certainty_removes(
    #[case] member: Member,
    #[case] clusters: Value,
    #[case] removes: bool,
    #[case] filter: &str,
    #[case] message: &str,
) {
    let (fleet, placement) = (fleet([member]), placement(&clusters));
    let new = plan(&fleet, &placement, &[]);
    assert!(names(&new).is_empty());
    assert_eq!(new.reasons[0].filter.to_string(), filter);
    assert!(
        new.reasons[0].message.contains(message),
        "{}",
        new.reasons[0].message
    );
    assert_eq!(names(&plan(&fleet, &placement, &["a"])).is_empty(), removes);
}

#[test]
fn an_unreachable_member_stays_chosen() {
    let lost = Member {
        reach: Reach::Unreachable,
        ..member("a")
    };
    assert_eq!(names(&plan(&fleet([lost]), &Placement::default(), &[])), ["a"]);
}

#[test]
fn a_name_that_no_cluster_has_is_a_reason() {
    let plan = plan(
        &fleet([member("eu-1")]),
        &placement(&json!({"names": ["eu-1", "eu-9"]})),
        &[],
    );
    assert_eq!(names(&plan), ["eu-1"]);
    assert_eq!(plan.reasons[0].message, "no Cluster named eu-9");
}

#[test]
fn a_tenants_members_bound_the_policy_and_the_needs_of_others() {
    let fleet = fleet([member("a"), member("b"), member("c")]);
    let by = ["a", "c"].map(cluster).to_vec();
    let required = [RequiredBy {
        binding: crate::model::name::ObjectName::parse("deployment-x").unwrap(),
        clusters: by,
    }];
    let tenant = ClusterSelector::by_names(["a", "b"].map(cluster));
    let rooms = Rooms::default();
    let request = Request {
        placement: None,
        tenant: &tenant,
        required: &required,
        ..asking(&[], &rooms)
    };
    let plan = audited(&fleet, &request);
    assert_eq!(names(&plan), ["a"]);
    let filters: Vec<_> = plan.reasons.iter().map(|reason| reason.filter).collect();
    assert_eq!(filters, [Filter::ClusterSelection, Filter::Tenant]);
}

#[test]
fn what_is_being_removed_does_not_count_as_there() {
    let mut removing = BindingCluster::new(cluster("a"));
    removing.removing = true;
    let fleet = fleet([Member::unheard(cluster("a"))]);
    let (current, rooms) = ([removing], Rooms::default());
    assert!(audited(&fleet, &asking(&current, &rooms)).clusters.is_empty());
}

fn any_member(name: &'static str) -> impl Strategy<Value = Member> {
    let reach = prop_oneof![
        Just(Reach::Unknown),
        Just(Reach::Reachable),
        Just(Reach::Suspect),
        Just(Reach::Unreachable)
    ];
    (reach, any::<[bool; 5]>(), 0..5u32).prop_map(
        move |(reach, [leaving, held, served, complete, prod], ready)| Member {
            reach,
            leaving,
            held: held.then_some(Held::Unclaimed),
            apis: apis(if served { &[("apps", "Deployment")] } else { &[] }, complete),
            labels: BTreeMap::from([("env".to_owned(), if prod { "prod" } else { "test" }.to_owned())]),
            nodes: Nodes { ready, total: 5 },
            ..Member::unheard(cluster(name))
        },
    )
}

fn any_choice() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({})),
        Just(json!({"names": ["a", "b", "z"]})),
        Just(json!({"exclude": ["a"]})),
        Just(json!({"selector": {"matchLabels": {"env": "prod"}}})),
        Just(json!({"cel": "cluster.status.nodes.ready >= 3"})),
        Just(json!({"cel": "cluster.nothing > 3"})),
    ]
}

proptest! {
    #[test]
    fn a_plan_is_a_fixed_point_and_says_something_of_every_member(
        members in (any_member("a"), any_member("b"), any_member("c")),
        choice in any_choice(),
        current in proptest::sample::subsequence(vec!["a", "b", "c"], 0..=3),
    ) {
        let fleet = fleet([members.0, members.1, members.2]);
        let placement = placement(&choice);
        let first = plan(&fleet, &placement, &current);
        let again = plan(&fleet, &placement, &names(&first));
        prop_assert_eq!(names(&first), names(&again));
        for name in fleet.members.keys() {
            let placed = first.clusters.iter().filter(|placed| placed.name == *name).count();
            let refused = first.reasons.iter().filter(|reason| reason.cluster == *name).count();
            prop_assert_eq!(placed + refused, 1);
        }
    }
}

#[test]
fn a_refusal_by_an_expression_shows_the_numbers_it_compared() {
    let placement =
        placement(&json!({"cel": "cluster.status.nodes.ready >= 5 && cluster.metadata.name != 'x'"}));
    let reasons = plan(&fleet([member("a")]), &placement, &[]).reasons;
    let numbers: Vec<_> = reasons[0]
        .numbers
        .iter()
        .map(|(name, number)| format!("{name}={number}"))
        .collect();
    assert_eq!(numbers, ["status.nodes.ready=3"]);
}

#[test]
fn numbers_that_have_hardly_moved_are_not_told_again() {
    let reason = |ready: u32| {
        let numbers = [("n".to_owned(), ready.to_string().parse().unwrap())].into();
        let (cluster, message) = (cluster("a"), String::new());
        PlacementReason::from(Reason {
            cluster,
            filter: Filter::ClusterSelection,
            message,
            numbers,
        })
    };
    assert_eq!(reason(102).steadied_by(&[reason(100)]), reason(100));
    assert_eq!(reason(120).steadied_by(&[reason(100)]), reason(120));
}
