//! Tests of plans that share replicas out: spread, terms, room, failover; and the rules that all plans keep.

use std::sync::Arc;

use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use super::super::audit;
use super::*;
use crate::model::api::Failover;
use crate::model::fleet::{ApiKind, Apis, Reach, Resources};
use crate::model::name::GroupKind;
use crate::model::pod::{Amounts, NodeFacts, NodeRoom};

/// Members of a world, each with nodes that have so many CPUs free, of four.
#[derive(Clone)]
struct World(Vec<Member>);

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let free = |member: &Member| -> Option<Vec<u64>> {
            let nodes = member.room.as_ref()?.iter();
            Some(nodes.map(|at| at.free.base.cpu_milli / 1000).collect())
        };
        let told = |member: &Member| {
            (
                member.name.clone(),
                member.region.clone(),
                free(member),
                member.reach,
                member.leaving,
            )
        };
        f.debug_list().entries(self.0.iter().map(told)).finish()
    }
}

fn node(free: u64) -> NodeRoom {
    let amounts = |cpu: u64| Amounts {
        base: Resources {
            cpu_milli: cpu * 1000,
            memory: 1 << 40,
            pods: 110,
        },
        ..Amounts::default()
    };
    NodeRoom {
        node: Arc::new(NodeFacts {
            allocatable: amounts(4),
            ..NodeFacts::default()
        }),
        free: amounts(free),
    }
}

fn member(name: &str, region: &str, free: &[u64]) -> Member {
    let served = ApiKind {
        versions: vec!["v1".to_owned()],
        plural: String::new(),
        namespaced: true,
        verbs: ["list", "watch", "create"].map(str::to_owned).to_vec(),
        status: true,
    };
    Member {
        reach: Reach::Reachable,
        region: Some(region.to_owned()),
        room: Some(free.iter().map(|cpu| node(*cpu)).collect()),
        labels: [("tier".to_owned(), region.to_owned())].into(),
        apis: Arc::new(Apis {
            kinds: [(GroupKind::new("apps", "Deployment"), served)].into(),
            complete: true,
        }),
        ..Member::unheard(name.parse().unwrap())
    }
}

impl World {
    fn fleet(&self) -> Snapshot {
        let members = self
            .0
            .iter()
            .map(|member| (member.name.clone(), Arc::new(member.clone())));
        Snapshot {
            members: members.collect(),
        }
    }
}

/// Three members with room for eight pods of one CPU each, two of them in one region.
fn world() -> World {
    World(vec![
        member("a", "r1", &[4, 4]),
        member("b", "r1", &[4, 4]),
        member("c", "r2", &[4, 4]),
    ])
}

struct Asked {
    placement: Placement,
    replicas: u64,
    current: Vec<(&'static str, u64)>,
    failover: Option<Failover>,
    anew: bool,
    now: i64,
}

impl Asked {
    fn of(placement: Value, replicas: u64) -> Self {
        let placement = serde_json::from_value(placement).unwrap();
        Self {
            placement,
            replicas,
            current: Vec::new(),
            failover: None,
            anew: false,
            now: 0,
        }
    }

    fn with(self, current: &[(&'static str, u64)]) -> Self {
        Self {
            current: current.to_vec(),
            ..self
        }
    }

    fn plan(&self, world: &World) -> Plan {
        let fleet = world.fleet();
        let current: Vec<BindingCluster> = self
            .current
            .iter()
            .map(|(name, replicas)| BindingCluster {
                replicas: Some(i32::try_from(*replicas).unwrap()),
                ..BindingCluster::new(name.parse().unwrap())
            })
            .collect();
        let pod = PodShape::of(&json!({"containers": [{"resources": {"requests": {"cpu": "1"}}}]}));
        let now = Timestamp::from_second(self.now).unwrap();
        let mut rooms = Rooms::default();
        rooms.refresh(&fleet, &|_, _| 0, now);
        let request = Request {
            placement: Some(&self.placement),
            tenant: &ClusterSelector::default(),
            kinds: &[GroupVersionKind::new("apps", "v1", "Deployment")],
            current: &current,
            required: &[],
            workload: Workload {
                replicas: Some(self.replicas),
                pod: Some(&pod),
                ready: None,
                anew: self.anew,
            },
            moving: Moving {
                failover: self.failover.as_ref(),
                ..Moving::default()
            },
            rooms: &rooms,
            now,
        };
        let plan = place(&fleet, &request);
        assert_eq!(audit(&fleet, &request, &plan), Vec::<String>::new());
        plan
    }
}

fn shares(plan: &Plan) -> Vec<(&str, u64)> {
    let share = |placed: &'_ Placed| placed.replicas.unwrap_or(99);
    plan.clusters
        .iter()
        .map(|placed| (placed.name.as_str(), share(placed)))
        .collect()
}

fn by(how: &Value) -> Value {
    json!({"replicas": {"mode": "Divided", "divide": how}})
}

fn with(mut placement: Value, more: &Value) -> Value {
    for (field, value) in more.as_object().unwrap() {
        placement[field] = value.clone();
    }
    placement
}

#[rstest]
#[case::weighted_without_items(by(&json!({"weighted": [{"weight": 1}]})), 7, &[("a", 3), ("b", 2), ("c", 2)])]
#[case::weighted(by(&json!({"weighted": [{"clusters": {"names": ["c"]}, "weight": 2}, {"weight": 1}]})), 8, &[("a", 2), ("b", 2), ("c", 4)])]
#[case::weights_do_not_ask_for_room(by(&json!({"weighted": [{"weight": 1}]})), 30, &[("a", 10), ("b", 10), ("c", 10)])]
#[case::capacity(by(&json!({"capacity": {}})), 9, &[("a", 3), ("b", 3), ("c", 3)])]
#[case::packed(by(&json!({"packed": {}})), 9, &[("a", 8), ("b", 1)])]
#[case::spread_over_regions(with(by(&json!({"packed": {}})), &json!({"spread": [{"by": "region", "minGroups": 2}]})), 6, &[("a", 5), ("c", 1)])]
#[case::no_more_than_one_region(with(by(&json!({"capacity": {}})), &json!({"spread": [{"by": "region", "maxGroups": 1}]})), 6, &[("a", 3), ("b", 3)])]
#[case::by_a_label(with(by(&json!({"packed": {}})), &json!({"spread": [{"by": "label:tier", "minGroups": 2}]})), 6, &[("a", 5), ("c", 1)])]
fn replicas_are_divided(#[case] placement: Value, #[case] replicas: u64, #[case] expected: &[(&str, u64)]) {
    let plan = Asked::of(placement, replicas).plan(&world());
    assert_eq!((shares(&plan), &plan.waiting), (expected.to_vec(), &None));
}

#[test]
fn what_has_no_room_waits_and_says_so() {
    let plan = Asked::of(by(&json!({"capacity": {}})), 30).plan(&world());
    assert_eq!(shares(&plan), [("a", 8), ("b", 8), ("c", 8)]);
    let waiting = plan.waiting.unwrap();
    assert_eq!(waiting.replicas, Some(6));
    assert_eq!(
        waiting.message,
        "24 of 30 replicas are placed; 6 wait for room: the members can have a 8, b 8, c 8"
    );
    assert!(plan.wants_room);
}

/// A fragmented member: four CPUs, no two of them on one node.
#[test]
fn room_is_counted_per_node() {
    let world = World(vec![member("a", "r1", &[0, 0, 0]), member("b", "r1", &[3])]);
    assert_eq!(
        shares(&Asked::of(by(&json!({"capacity": {}})), 3).plan(&world)),
        [("b", 3)]
    );
}

#[test]
fn an_impossible_spread_places_nothing_new_and_takes_nothing_away() {
    let placement = with(
        by(&json!({"capacity": {}})),
        &json!({"spread": [{"by": "region", "minGroups": 3}]}),
    );
    let plan = Asked::of(placement.clone(), 6).plan(&world());
    assert!(plan.clusters.is_empty());
    let told = &plan.waiting.unwrap().message;
    assert!(
        told.contains("region needs 3 groups") && told.contains("r1, r2"),
        "{told}"
    );
    let plan = Asked::of(placement, 6).with(&[("a", 4)]).plan(&world());
    assert_eq!(shares(&plan), [("a", 4)]);
}

fn terms(fallback: &str, return_: &str) -> Value {
    with(
        by(&json!({"capacity": {}})),
        &json!({"terms": [{"clusters": {"names": ["a"]}}, {"clusters": {"names": ["b", "c"]}}], "fallback": fallback, "return": return_}),
    )
}

#[rstest]
#[case::the_first_that_holds_it("Whole", "Never", 5, &[], &[("a", 5)])]
#[case::the_second_when_the_first_is_too_small("Whole", "Never", 10, &[], &[("b", 5), ("c", 5)])]
#[case::it_stays_where_it_is("Whole", "Never", 5, &[("b", 5)], &[("b", 5)])]
#[case::it_comes_back_when_asked_to("Whole", "WhenRoom", 5, &[("b", 5)], &[("a", 5)])]
#[case::spilled("Spill", "Never", 10, &[], &[("a", 8), ("b", 1), ("c", 1)])]
#[case::spilled_stays("Spill", "Never", 5, &[("b", 5)], &[("b", 5)])]
#[case::spilled_comes_back("Spill", "WhenRoom", 5, &[("b", 5)], &[("a", 5)])]
#[case::the_whole_moves_rather_than_wait("Whole", "Never", 10, &[("a", 5)], &[("b", 5), ("c", 5)])]
fn terms_are_used_in_their_order(
    #[case] fallback: &str,
    #[case] return_: &str,
    #[case] replicas: u64,
    #[case] current: &[(&'static str, u64)],
    #[case] expected: &[(&str, u64)],
) {
    // What runs has taken its room already.
    let mut world = world();
    for (name, has) in current {
        let at = world
            .0
            .iter_mut()
            .find(|member| member.name.as_str() == *name)
            .unwrap();
        *at = member(name, at.region.as_deref().unwrap(), &[4, 4 - has.min(&4)]);
    }
    let plan = Asked::of(terms(fallback, return_), replicas)
        .with(current)
        .plan(&world);
    assert_eq!(shares(&plan), expected);
}

#[test]
fn nothing_moves_until_somebody_asks_for_it() {
    let placement = by(&json!({"weighted": [{"weight": 1}]}));
    let mut asked = Asked::of(placement, 6).with(&[("a", 6)]);
    assert_eq!(shares(&asked.plan(&world())), [("a", 6)]);
    asked.anew = true;
    assert_eq!(shares(&asked.plan(&world())), [("a", 2), ("b", 2), ("c", 2)]);
}

#[test]
fn scaled_to_nothing_it_stays_where_it_was() {
    let asked = Asked::of(by(&json!({"capacity": {}})), 0);
    assert_eq!(shares(&asked.plan(&world())), []);
    assert_eq!(
        shares(&asked.with(&[("a", 3), ("b", 1)]).plan(&world())),
        [("a", 0), ("b", 0)]
    );
}

#[rstest]
#[case::it_does_not_answer(Filter::Answers)]
#[case::none_of_its_nodes_is_ready(Filter::NodesReady)]
fn a_share_leaves_a_lost_member_after_its_time_and_nothing_else_moves(#[case] filter: Filter) {
    let mut world = world();
    let since = Some(Timestamp::UNIX_EPOCH);
    if filter == Filter::Answers {
        (world.0[1].reach, world.0[1].lost) = (Reach::Unreachable, since);
    } else {
        (world.0[1].room, world.0[1].unready) = (Some(Arc::default()), since);
    }
    let placement = with(
        by(&json!({"capacity": {}})),
        &json!({"spread": [{"by": "region", "minGroups": 2}]}),
    );
    let mut asked = Asked::of(placement, 6).with(&[("a", 2), ("b", 2), ("c", 2)]);
    asked.failover = Some(serde_json::from_value(json!({"after": "2m"})).unwrap());
    asked.now = 119;
    let early = asked.plan(&world);
    assert_eq!(shares(&early), [("a", 2), ("b", 2), ("c", 2)]);
    assert_eq!(early.until.map(Timestamp::as_second), Some(120));
    asked.now = 120;
    let late = asked.plan(&world);
    assert_eq!(shares(&late), [("a", 3), ("c", 3)]);
    assert!(late.fails_over);
    assert_eq!(late.reasons[0].filter, filter);
    // Back again, it gets nothing that is not needed.
    world.0[1] = member("b", "r1", &[4, 4]);
    let back = Asked {
        current: vec![("a", 3), ("c", 3)],
        ..asked
    }
    .plan(&world);
    assert_eq!(shares(&back), [("a", 3), ("c", 3)]);
}

#[test]
fn a_pod_that_fits_on_no_node_is_refused_with_the_reason_and_stays_where_it_runs() {
    let world = World(vec![member("a", "r1", &[4, 4])]);
    let fleet = world.fleet();
    let rooms = Rooms::default();
    let pod = PodShape::of(&json!({"containers": [{"resources": {"requests": {"cpu": "5"}}}]}));
    let current = [BindingCluster::new("a".parse().unwrap())];
    let ask = |current| {
        let request = Request {
            placement: Some(&Placement::default()),
            tenant: &ClusterSelector::default(),
            kinds: &[GroupVersionKind::new("apps", "v1", "Deployment")],
            current,
            required: &[],
            workload: Workload {
                pod: Some(&pod),
                ..Workload::default()
            },
            moving: Moving::default(),
            rooms: &rooms,
            now: Timestamp::UNIX_EPOCH,
        };
        place(&fleet, &request)
    };
    let plan = ask(&[]);
    assert!(plan.clusters.is_empty());
    assert!(
        plan.reasons[0]
            .message
            .contains("0/2 nodes fit: 2 insufficient cpu: 5000m asked, 4000m allocatable")
    );
    assert_eq!(ask(&current).clusters.len(), 1);
}

fn any_world() -> impl Strategy<Value = World> {
    let one = (
        0..3_usize,
        prop::collection::vec(0..5_u64, 0..3),
        0..8_u8,
        any::<bool>(),
    );
    prop::collection::vec(one, 1..6).prop_map(|members| {
        let members = members
            .into_iter()
            .enumerate()
            .map(|(number, (region, free, state, listed))| {
                let mut member = member(
                    ["a", "b", "c", "d", "e"][number],
                    ["r1", "r2", "r3"][region],
                    &free,
                );
                match state {
                    0 => member.reach = Reach::Unknown,
                    1 => (member.reach, member.lost) = (Reach::Unreachable, Some(Timestamp::UNIX_EPOCH)),
                    2 => member.leaving = true,
                    4 => (member.room, member.unready) = (Some(Arc::default()), Some(Timestamp::UNIX_EPOCH)),
                    3 if !listed => (member.room, member.region) = (None, None),
                    _ => {}
                }
                member
            });
        World(members.collect())
    })
}

fn any_placement() -> impl Strategy<Value = Value> {
    let how = prop_oneof![
        Just(json!({"weighted": [{"weight": 1}]})),
        Just(json!({"weighted": [{"clusters": {"names": ["a", "c"]}, "weight": 3}, {"weight": 1}]})),
        Just(json!({"capacity": {}})),
        Just(json!({"packed": {}})),
    ];
    let spread = prop_oneof![
        2 => Just(json!([])),
        1 => (1..4_u32).prop_map(|min| json!([{"by": "region", "minGroups": min}])),
        1 => (1..3_u32, 1..4_u32).prop_map(|(max, min)| json!([{"by": "region", "maxGroups": max}, {"by": "cluster", "minGroups": min}])),
    ];
    let terms = prop_oneof![
        Just(json!([])),
        Just(json!([{"clusters": {"names": ["a", "b"]}}, {}])),
        Just(json!([{"clusters": {"names": ["e"]}}, {"clusters": {"names": ["a", "b", "c", "d"]}}])),
    ];
    let words = (
        prop_oneof![Just("Whole"), Just("Spill")],
        prop_oneof![Just("Never"), Just("WhenRoom")],
    );
    (how, spread, terms, words, prop::option::of(1..4_u32), prop::option::of(3..9_u32)).prop_map(
        |(how, spread, terms, (fallback, return_), min, max)| {
            let mut replicas = json!({"mode": "Divided", "divide": how});
            for (field, bound) in [("minPerCluster", min), ("maxPerCluster", max)] {
                if let Some(bound) = bound {
                    replicas[field] = json!(bound);
                }
            }
            json!({"replicas": replicas, "spread": spread, "terms": terms, "fallback": fallback, "return": return_})
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    /// Whatever the fleet, the policy and what runs: no plan breaks a rule of the audit.
    #[test]
    fn every_plan_keeps_every_rule(
        world in any_world(), placement in any_placement(), replicas in 0..20_u64,
        current in prop::collection::btree_map(prop::sample::select(vec!["a", "b", "c", "d", "e", "gone"]), 1..9_u64, 0..5),
        failover in any::<bool>(), anew in any::<bool>(),
    ) {
        let mut asked = Asked::of(placement, replicas);
        asked.current = current.into_iter().collect();
        asked.failover = failover.then(|| serde_json::from_value(json!({"after": "1m"})).unwrap());
        (asked.anew, asked.now) = (anew, 60);
        asked.plan(&world);
    }

    /// Where all that run are well and enough, nothing moves, whatever room there is.
    #[test]
    fn nothing_moves_without_a_cause(
        free in prop::collection::vec(0..5_u64, 3), shares in prop::collection::vec(1..9_u64, 3), how in 0..3_usize
    ) {
        let how = [json!({"weighted": [{"weight": 1}]}), json!({"capacity": {}}), json!({"packed": {}})][how].clone();
        let names = ["a", "b", "c"];
        let world = World(names.iter().zip(&free).map(|(name, free)| member(name, "r1", &[*free])).collect());
        let current: Vec<_> = names.into_iter().zip(shares.iter().copied()).collect();
        let plan = Asked::of(by(&how), shares.iter().sum()).with(&current).plan(&world);
        prop_assert_eq!(self::shares(&plan), current);
    }

    /// A node more never places fewer.
    #[test]
    fn more_capacity_never_places_less(
        world in any_world(), placement in any_placement(), replicas in 1..20_u64, at in any::<prop::sample::Index>()
    ) {
        let placed = |plan: &Plan| plan.clusters.iter().filter_map(|placed| placed.replicas).sum::<u64>();
        let mut asked = Asked::of(placement, replicas);
        // Filling members with a least share is no longer monotone: as with boxes of a least size.
        asked.placement.replicas.min_per_cluster = None;
        let before = asked.plan(&world);
        let mut larger = world.clone();
        let member = &mut larger.0[at.index(world.0.len())];
        if let Some(room) = &member.room {
            member.room = Some(room.iter().cloned().chain([node(4)]).collect());
        }
        let after = asked.plan(&larger);
        prop_assert!(placed(&after) >= placed(&before), "{before:?} {after:?}");
    }
}
