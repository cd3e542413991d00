//! Replicas divided over members: by room and spread, moved away from a lost member and not doubled by its return.

use std::time::{Duration, Instant};

use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use crate::harness::{Federation, Fleet, FleetOptions, NodeSize, NotYet, eventually};
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

async fn failover(fleet: Fleet) {
    let federation = Federation::start(&fleet, env!("CARGO_BIN_EXE_hub"), &[])
        .await
        .unwrap();
    regions(&fleet).await;
    let placement = json!({
        "placement": {
            "spread": [{"by": "region", "minGroups": 2}],
            "replicas": {"mode": "Divided", "divide": {"capacity": {}}},
        },
        "failover": {"after": format!("{}s", AFTER.as_secs()), "keepReplicasUntilReady": true},
    });
    let shop = Shop::open_with(&fleet, &federation.hub, "failover", placement).await;
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

    eventually(SECOND * 30, "its pods are gone, too", async || {
        let pods = shop.in_member(1, "Pod").list(&Default::default()).await?;
        if pods.items.is_empty() {
            Ok(())
        } else {
            Err(NotYet(format!("{} pods", pods.items.len())))
        }
    })
    .await;

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
