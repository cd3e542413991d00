//! How long planning takes: 10,000 workloads over 100 members of 20 nodes, of 200 pod shapes, half of them spread over
//! regions. Aims: all of it from nothing in under 2 s on one core, one changed workload in under 1 ms.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench fails by panicking and reports by printing"
)]

use std::{sync::Arc, time::Duration};

use criterion::{BatchSize, Criterion};
use hanse::{
    decide::placement::{Moving, Plan, Request, Rooms, Workload, place},
    model::{
        api::{BindingCluster, ClusterSelector, Placement},
        clock::Timestamp,
        fleet::{ApiKind, Apis, BindingKey, Member, Reach, Resources, Snapshot},
        name::{ClusterName, GroupKind, GroupVersionKind},
        pod::{Amounts, NodeFacts, NodeRoom, PodShape},
    },
};
use serde_json::json;

const WORKLOADS: usize = 10_000;
const MEMBERS: usize = 100;
const NODES: usize = 20;
const SHAPES: usize = 200;

fn fleet() -> Snapshot {
    let served = ApiKind {
        versions: vec!["v1".to_owned()],
        plural: "deployments".to_owned(),
        namespaced: true,
        verbs: ["list", "watch", "create"].map(str::to_owned).to_vec(),
        status: true,
    };
    let apis = Arc::new(Apis {
        kinds: [(GroupKind::new("apps", "Deployment"), served)].into(),
        complete: true,
    });
    let members = (0..MEMBERS).map(|number| {
        let room = (0..NODES).map(|node| {
            let amounts = |share: u64| Amounts {
                base: Resources {
                    cpu_milli: 640 * share,
                    memory: (1 << 28) * share,
                    pods: 250,
                },
                ..Amounts::default()
            };
            let labels = [
                ("kubernetes.io/arch", "amd64"),
                ("disk", if node % 2 == 0 { "ssd" } else { "hdd" }),
            ];
            let facts = NodeFacts {
                name: format!("node-{node}").into(),
                labels: labels
                    .map(|(key, value)| (key.to_owned(), value.to_owned()))
                    .into(),
                allocatable: amounts(100),
                ..NodeFacts::default()
            };
            NodeRoom {
                node: Arc::new(facts),
                free: amounts(40 + (node * 3 + number) as u64 % 60),
            }
        });
        let member = Member {
            reach: Reach::Reachable,
            region: Some(format!("region-{}", number % 5)),
            room: Some(room.collect()),
            apis: apis.clone(),
            ..Member::unheard(format!("member-{number:03}").parse().unwrap())
        };
        (member.name.clone(), Arc::new(member))
    });
    Snapshot {
        members: members.collect(),
    }
}

fn shapes() -> Vec<Arc<PodShape>> {
    let shape = |number: usize| {
        let mut spec = json!({
            "containers": [{"resources": {"requests": {"cpu": format!("{}m", 50 + number % 20 * 25), "memory": format!("{}Mi", 32 + number)}}}],
        });
        if number.is_multiple_of(4) {
            spec["nodeSelector"] = json!({"disk": "ssd"});
        }
        Arc::new(PodShape::of(&spec))
    };
    (0..SHAPES).map(shape).collect()
}

fn placements() -> [Placement; 2] {
    let divided = json!({"replicas": {"mode": "Divided", "divide": {"capacity": {}}}});
    let mut spread = divided.clone();
    spread["spread"] = json!([{"by": "region", "minGroups": 2, "maxGroups": 3}]);
    [divided, spread].map(|placement| serde_json::from_value(placement).unwrap())
}

struct World {
    fleet: Snapshot,
    shapes: Vec<Arc<PodShape>>,
    placements: [Placement; 2],
    every: ClusterSelector,
    kind: GroupVersionKind,
}

impl World {
    fn plan(&self, number: usize, replicas: u64, current: &[BindingCluster], rooms: &Rooms) -> Plan {
        let request = Request {
            placement: Some(&self.placements[number % 2]),
            tenant: &self.every,
            kinds: std::slice::from_ref(&self.kind),
            current,
            required: &[],
            workload: Workload {
                replicas: Some(replicas),
                pod: Some(&self.shapes[number % SHAPES]),
                ..Workload::default()
            },
            moving: Moving::default(),
            rooms,
            now: Timestamp::UNIX_EPOCH,
        };
        place(&self.fleet, &request)
    }

    /// Plans all of them, each with the room that those before it leave; how many replicas were placed.
    fn plan_all(&self) -> (u64, Rooms) {
        let mut rooms = Rooms::default();
        let mut placed = 0;
        for number in 0..WORKLOADS {
            rooms.refresh(&self.fleet, &|_, _| 0, Timestamp::UNIX_EPOCH);
            let plan = self.plan(number, 3 + number as u64 % 5, &[], &rooms);
            let shares: Vec<(ClusterName, u64)> = plan
                .clusters
                .iter()
                .map(|placed| (placed.name.clone(), placed.replicas.unwrap_or(0)))
                .collect();
            placed += shares.iter().map(|(_, replicas)| replicas).sum::<u64>();
            let key = BindingKey {
                namespace: "shop".parse().unwrap(),
                name: format!("deployment-{number}").parse().unwrap(),
            };
            let pod = &self.shapes[number % SHAPES];
            rooms.assume(&key, pod, &shares, &|_, _| 0, Timestamp::UNIX_EPOCH);
        }
        (placed, rooms)
    }
}

fn main() {
    let world = World {
        fleet: fleet(),
        shapes: shapes(),
        placements: placements(),
        every: ClusterSelector::default(),
        kind: GroupVersionKind::new("apps", "v1", "Deployment"),
    };
    let (placed, rooms) = world.plan_all();
    println!("{WORKLOADS} workloads over {MEMBERS} members of {NODES} nodes: {placed} replicas placed");
    let first = world.plan(1, 4, &[], &rooms);
    let current: Vec<BindingCluster> = first
        .clusters
        .iter()
        .map(|placed| BindingCluster {
            replicas: placed.replicas.map(|replicas| i32::try_from(replicas).unwrap()),
            ..BindingCluster::new(placed.name.clone())
        })
        .collect();
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("placement");
    group.sample_size(10).measurement_time(Duration::from_secs(20));
    group.bench_function("all from nothing (aim: 2 s)", |bencher| {
        bencher.iter_batched(|| (), |()| world.plan_all(), BatchSize::LargeInput);
    });
    group.measurement_time(Duration::from_secs(5)).sample_size(50);
    group.bench_function("one changed (aim: 1 ms)", |bencher| {
        bencher.iter(|| world.plan(1, 7, &current, &rooms));
    });
    group.finish();
    criterion.final_summary();
}
