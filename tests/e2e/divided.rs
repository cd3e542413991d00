//! Replicas divided over members: by room and spread, moved away from a lost member and not doubled by its return.

use std::time::{Duration, Instant};

use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use crate::harness::{ControlPlane, Federation, Fleet, FleetOptions, NodeSize, NotYet, eventually};
use crate::scenario::Scenario;
use crate::shop::{Shop, everywhere_kind, merge};

const SECOND: Duration = Duration::from_secs(1);
/// How long the lost member must be lost.
const AFTER: Duration = Duration::from_secs(20);

pub(crate) fn scenarios() -> Vec<Scenario> {
    let small = || FleetOptions {
        node: NodeSize::new("4", "16Gi", 110),
        ..FleetOptions::default()
    };
    vec![
        Scenario::alone(
            "a_lost_members_share_moves_and_its_return_removes_the_rest",
            small(),
            failover,
        ),
        Scenario::alone(
            "a_member_without_a_ready_node_is_left_and_can_be_used_again",
            small(),
            unready,
        ),
        Scenario::alone("replicas_wait_for_room_and_use_it_when_it_appears", small(), room),
    ]
}

fn deployment(name: &str, replicas: u32, cpu: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "app", "image": "registry.example/app:1", "resources": {"requests": {"cpu": cpu}}}]},
            },
        },
    })
}

/// Two members in r1, the third in r2.
async fn regions(fleet: &Fleet) {
    let clusters = everywhere_kind(fleet.hub().admin(), "Cluster");
    for (member, region) in fleet.members().iter().zip(["r1", "r1", "r2"]) {
        merge(
            &clusters,
            member.name(),
            "owner",
            json!({"spec": {"region": region}}),
        )
        .await;
    }
}

/// Replicas and ready replicas of the Deployment in a member; none if it is not there.
async fn counts(shop: &Shop<'_>, member: usize, name: &str) -> (i64, i64) {
    let Some(object) = shop.in_member(member, "Deployment").get_opt(name).await.unwrap() else {
        return (0, 0);
    };
    let number = |pointer: &str| {
        let object = serde_json::to_value(&object).unwrap();
        object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
    };
    (number("/spec/replicas"), number("/status/readyReplicas"))
}

/// Thirty replicas over three members and both regions, that move after a time; how many each member has.
async fn thirty<'a>(fleet: &'a Fleet, federation: &Federation, name: &str) -> (Shop<'a>, Vec<i64>) {
    regions(fleet).await;
    let placement = json!({
        "placement": {
            "spread": [{"by": "region", "minGroups": 2}],
            "replicas": {"mode": "Divided", "divide": {"capacity": {}}},
        },
        "failover": {"after": format!("{}s", AFTER.as_secs()), "keepReplicasUntilReady": true},
    });
    let shop = Shop::open_with(fleet, &federation.hub, name, placement).await;
    shop.apply_and_wait(&[deployment("web", 30, "500m")]).await;
    let mut before = Vec::new();
    for member in 0..3 {
        let (replicas, ready) = counts(&shop, member, "web").await;
        assert_eq!(replicas, ready);
        before.push(replicas);
    }
    assert_eq!(before.iter().sum::<i64>(), 30, "{before:?}");
    assert!(
        before.iter().all(|replicas| (9..=11).contains(replicas)),
        "{before:?}"
    );
    (shop, before)
}

/// Says of all nodes of a member that they are ready or not, and lets whoever plays them do so only while they are.
async fn say_ready(member: &ControlPlane, ready: bool) {
    // Named so differently that it is told apart from a node that nobody ever played.
    const PLAYED: [&str; 2] = ["type", "test.hanse.dev/was-of-type"];
    let nodes = everywhere_kind(member.admin(), "Node");
    let (from, to) = if ready { (1, 0) } else { (0, 1) };
    for node in nodes.list(&Default::default()).await.unwrap() {
        let name = node.metadata.name.unwrap();
        let played = node.metadata.labels.unwrap_or_default().remove(PLAYED[from]);
        if let Some(played) = played {
            let labels = json!({PLAYED[from]: null, PLAYED[to]: played});
            merge(&nodes, &name, "owner", json!({"metadata": {"labels": labels}})).await;
        }
    }
    // Who plays them may be at it for the last time.
    tokio::time::sleep(SECOND).await;
    for node in nodes.list(&Default::default()).await.unwrap() {
        let status = if ready { "True" } else { "False" };
        let condition = json!({"type": "Ready", "status": status, "reason": "Scenario", "message": ""});
        let patch = json!({"status": {"conditions": [condition]}});
        let params = PatchParams::default();
        nodes
            .patch_status(&node.metadata.name.unwrap(), &params, &Patch::Strategic(patch))
            .await
            .unwrap();
    }
}

/// Waits until the Cluster's condition `Ready` has this reason, and so many of its nodes are told: a change by a few comes later.
async fn cluster_says(shop: &Shop<'_>, name: &str, reason: &str, nodes: &str) {
    eventually(SECOND * 15, reason, async || {
        let told = shop.run(&["get", "clusters", name, "-o", "wide"]).await.success();
        if told.contains(reason) && told.contains(nodes) {
            Ok(())
        } else {
            Err(NotYet(told))
        }
    })
    .await;
}

async fn no_pods(shop: &Shop<'_>, member: usize) {
    eventually(SECOND * 30, "its pods are gone, too", async || {
        let pods = shop.in_member(member, "Pod").list(&Default::default()).await?;
        if pods.items.is_empty() {
            Ok(())
        } else {
            Err(NotYet(format!("{} pods", pods.items.len())))
        }
    })
    .await;
}

async fn unready(fleet: Fleet) {
    let federation = Federation::start(&fleet, env!("CARGO_BIN_EXE_hub"), &[])
        .await
        .unwrap();
    let (shop, before) = thirty(&fleet, &federation, "unready").await;
    let member = &fleet.members()[1];
    say_ready(member, false).await;
    let since = Instant::now();
    cluster_says(&shop, member.name(), "NoNodeReady", "0/3").await;
    eventually(
        AFTER + SECOND * 60,
        "its share runs elsewhere, and is gone there",
        async || {
            let there = shop.in_member(1, "Deployment").get_opt("web").await?;
            let mut sums = (0, 0);
            for member in [0, 2] {
                let (replicas, ready) = counts(&shop, member, "web").await;
                assert!(ready >= before[member], "member {member} has fewer than before");
                sums = (sums.0 + replicas, sums.1 + ready);
            }
            assert!(sums.0 <= 30, "{} are wanted beside the lost ones", sums.0);
            if since.elapsed() < AFTER - SECOND * 3 {
                assert_eq!(sums.0, before[0] + before[2], "not before its time");
            }
            let left = there.is_none();
            assert!(
                !left || sums == (30, 30),
                "it was removed before all ran elsewhere: {sums:?}"
            );
            if left {
                Ok(())
            } else {
                Err(NotYet(format!("{sums:?}")))
            }
        },
    )
    .await;
    println!(
        "moved and removed {:.1?} after no node was ready",
        since.elapsed()
    );
    let told = shop.run(&["explain", "deployment/web"]).await.success();
    assert!(
        told.contains("NodesReady") && told.contains("none of the 3 nodes of member-2 has been ready since"),
        "{told}"
    );

    // Its nodes are back: nothing moves by itself, and it can be used.
    say_ready(member, true).await;
    cluster_says(&shop, member.name(), "AsDesired", "/3").await;
    no_pods(&shop, 1).await;
    tokio::time::sleep(SECOND * 3).await;
    assert_eq!(counts(&shop, 1, "web").await, (0, 0));
    shop.run(&["rebalance", "deployment/web"]).await.success();
    eventually(SECOND * 60, "divided anew", async || {
        let mut all = Vec::new();
        for member in 0..3 {
            all.push(counts(&shop, member, "web").await);
        }
        let settled = |(replicas, ready): &(i64, i64)| replicas == ready && (9..=11).contains(replicas);
        if all.iter().all(settled) {
            Ok(())
        } else {
            Err(NotYet(format!("{all:?}")))
        }
    })
    .await;
}

async fn failover(fleet: Fleet) {
    let federation = Federation::start(&fleet, env!("CARGO_BIN_EXE_hub"), &[])
        .await
        .unwrap();
    let (shop, before) = thirty(&fleet, &federation, "failover").await;
    let lost = &fleet.members()[1];
    lost.stop().unwrap();
    let since = Instant::now();
    let elsewhere = [0, 2];
    eventually(AFTER + SECOND * 60, "its share runs elsewhere", async || {
        let mut sums = (0, 0);
        for member in elsewhere {
            let (replicas, ready) = counts(&shop, member, "web").await;
            assert!(ready >= before[member], "member {member} has fewer than before");
            sums = (sums.0 + replicas, sums.1 + ready);
        }
        assert!(sums.0 <= 30, "{} are wanted beside the lost ones", sums.0);
        if sums == (30, 30) {
            Ok(())
        } else {
            Err(NotYet(format!("{sums:?}")))
        }
    })
    .await;
    println!(
        "moved {:.1?} after the silence began, {AFTER:?} of it by policy",
        since.elapsed()
    );
    assert!(since.elapsed() > AFTER, "not before its time");
    let told = shop.run(&["explain", "deployment/web"]).await.success();
    assert!(
        told.contains("Answers") && told.contains("has not answered since"),
        "{told}"
    );

    lost.cont().unwrap();
    let back = Instant::now();
    eventually(SECOND * 60, "the rest is removed", async || {
        for member in elsewhere {
            assert!(counts(&shop, member, "web").await.1 >= before[member]);
        }
        match shop.in_member(1, "Deployment").get_opt("web").await? {
            None => Ok(()),
            Some(_) => Err(NotYet("still there".to_owned())),
        }
    })
    .await;
    println!("removed {:.1?} after the return", back.elapsed());
    let (first, third) = (counts(&shop, 0, "web").await, counts(&shop, 2, "web").await);
    assert_eq!((first.0 + third.0, first.1 + third.1), (30, 30));

    no_pods(&shop, 1).await;

    // Asked to, it comes back in equal shares, and at no time do fewer run.
    let answer = shop.run(&["rebalance", "deployment/web"]).await.success();
    assert!(
        answer.contains("was ") && answer.contains("and will be"),
        "{answer}"
    );
    eventually(SECOND * 60, "divided anew", async || {
        let mut all = Vec::new();
        for member in 0..3 {
            all.push(counts(&shop, member, "web").await);
        }
        let settled = all
            .iter()
            .all(|(replicas, ready)| replicas == ready && (9..=11).contains(replicas));
        if settled {
            Ok(())
        } else {
            Err(NotYet(format!("{all:?}")))
        }
    })
    .await;
}

async fn room(fleet: Fleet) {
    let federation = Federation::start(&fleet, env!("CARGO_BIN_EXE_hub"), &[])
        .await
        .unwrap();
    let placement = |divide: Value| json!({"placement": {"replicas": {"mode": "Divided", "divide": divide}}});
    let shop = Shop::open_with(
        &fleet,
        &federation.hub,
        "room",
        placement(json!({"capacity": {}})),
    )
    .await;
    // Nine nodes of four CPUs take three pods of 1300m each: 27.
    shop.apply(&[deployment("large", 30, "1300m")]).await;
    let sum = async |name: &str| {
        let mut sums = (0, 0);
        for member in 0..3 {
            let (replicas, ready) = counts(&shop, member, name).await;
            sums = (sums.0 + replicas, sums.1 + ready);
        }
        sums
    };
    eventually(SECOND * 30, "what fits runs", async || match sum("large").await {
        (27, 27) => Ok(()),
        other => Err(NotYet(format!("{other:?}"))),
    })
    .await;
    let told = shop.run(&["explain", "deployment/large"]).await.success();
    assert!(
        told.contains("27 of 30 replicas are placed; 3 wait for room"),
        "{told}"
    );
    assert!(told.contains("Unschedulable"), "{told}");

    // A node more in the first member.
    let nodes = everywhere_kind(fleet.members()[0].admin(), "Node");
    let any = nodes.list(&Default::default()).await.unwrap().items.remove(0);
    let mut more: DynamicObject = any.clone();
    more.metadata = kube::api::ObjectMeta {
        name: Some("one-more".to_owned()),
        labels: any.metadata.labels.clone(),
        annotations: any.metadata.annotations.clone(),
        ..Default::default()
    };
    more.data["spec"] = json!({});
    nodes.create(&Default::default(), &more).await.unwrap();
    let status = json!({"status": any.data["status"]});
    nodes
        .patch_status("one-more", &PatchParams::default(), &Patch::Merge(&status))
        .await
        .unwrap();
    let since = Instant::now();
    eventually(SECOND * 20, "the new node is used", async || {
        match sum("large").await {
            (30, 30) => Ok(()),
            other => Err(NotYet(format!("{other:?}"))),
        }
    })
    .await;
    println!(
        "all replicas ran {:.1?} after the node was there",
        since.elapsed()
    );

    // Fewer are taken away where they are.
    shop.edit("Deployment", "large", json!({"spec": {"replicas": 6}}))
        .await;
    eventually(SECOND * 20, "scaled down", async || match sum("large").await {
        (6, 6) => Ok(()),
        other => Err(NotYet(format!("{other:?}"))),
    })
    .await;
}
