//! Taints of members: cordon, drain, and what tolerates them.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Federation, Fleet, FleetOptions};
use crate::scenario::Scenario;
use crate::shop::{Shop, config_map, everywhere_kind, merge};

pub(crate) fn scenarios() -> Vec<Scenario> {
    let own = FleetOptions {
        nodes_per_member: 1,
        ..FleetOptions::default()
    };
    vec![Scenario::alone(
        "a_cordoned_member_gets_nothing_new_and_a_drained_one_keeps_only_what_tolerates_it",
        own,
        cordon_and_drain,
    )]
}

async fn cordon_and_drain(fleet: Fleet) {
    let federation = Federation::start(&fleet, env!("CARGO_BIN_EXE_hub"), &[])
        .await
        .unwrap();
    let shop = Shop::open(&fleet, &federation, "taints").await;
    let hub = &federation.hub;
    let [first, second] = [0, 1].map(|number| fleet.members()[number].name().to_owned());
    shop.apply_and_wait(&[config_map("early", "x")]).await;

    let answer = hub.run(&["cordon", &first]).await.unwrap().success();
    assert_eq!(answer.trim(), format!("{first} is cordoned"));
    let answer = hub.run(&["cordon", &first]).await.unwrap().success();
    assert_eq!(answer.trim(), format!("{first} is cordoned already"));
    shop.apply_and_wait(&[config_map("late", "x")]).await;
    assert!(
        shop.in_member(0, "ConfigMap")
            .get_opt("late")
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        shop.in_member(1, "ConfigMap")
            .get_opt("late")
            .await
            .unwrap()
            .is_some()
    );
    assert!(
        shop.in_member(0, "ConfigMap")
            .get_opt("early")
            .await
            .unwrap()
            .is_some()
    );
    let why = shop.run(&["explain", "configmap/late"]).await.success();
    assert!(
        why.contains("TaintToleration") && why.contains("hanse.dev/cordoned:NoSchedule"),
        "{why}"
    );
    hub.run(&["uncordon", &first]).await.unwrap().success();
    shop.everywhere(
        "ConfigMap",
        "late",
        "it comes when the member is open again",
        |_| true,
    )
    .await;

    let answer = hub
        .run(&["drain", &second, "--timeout", "30s"])
        .await
        .unwrap()
        .success();
    assert!(answer.contains(&format!("{second} is drained")), "{}", answer);
    for map in ["early", "late"] {
        assert!(
            shop.in_member(1, "ConfigMap")
                .get_opt(map)
                .await
                .unwrap()
                .is_none(),
            "{map}"
        );
        assert!(
            shop.in_member(2, "ConfigMap")
                .get_opt(map)
                .await
                .unwrap()
                .is_some(),
            "{map}"
        );
    }

    // What tolerates both taints comes back, the one that lasts for a while too, until its time is up.
    let tolerations = |seconds: Option<i64>| {
        let mut drained = json!({"key": "hanse.dev/drained", "operator": "Exists", "effect": "NoExecute"});
        if let Some(seconds) = seconds {
            drained["tolerationSeconds"] = json!(seconds);
        }
        json!({"spec": {"placement": {"tolerations": [{"key": "hanse.dev/cordoned", "operator": "Exists"}, drained]}}})
    };
    let policies = shop.on_hub("PropagationPolicy");
    merge(&policies, &shop.name, "owner", tolerations(None)).await;
    shop.everywhere(
        "ConfigMap",
        "early",
        "it tolerates that the member is drained",
        |_| true,
    )
    .await;
    let clusters = everywhere_kind(fleet.hub().admin(), "Cluster");
    let taint = |key: &str| {
        let added = hanse::model::clock::Clock::system().now().to_string();
        json!({"spec": {"taints": [{"key": key, "effect": "NoExecute", "timeAdded": added}]}})
    };
    merge(&clusters, &second, "owner", taint("hanse.dev/drained")).await;
    let added = Instant::now();
    merge(&policies, &shop.name, "owner", tolerations(Some(4))).await;
    shop.nowhere(&[1], "ConfigMap", "early").await;
    assert!(added.elapsed() > Duration::from_secs(3), "{:?}", added.elapsed());

    hub.run(&["uncordon", &second]).await.unwrap().success();
    shop.everywhere("ConfigMap", "early", "the member is used again", |_| true)
        .await;
    shop.close().await;
}
