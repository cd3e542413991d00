//! `suspend`: what a policy holds back, and that all of it is caught up with.

use serde_json::{Value, json};

use crate::harness::{Federation, Fleet, NotYet, eventually};
use crate::scenario::Scenario;
use crate::shop::{SOON, Shop, config_map};

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::federated("nothing_is_written_while_applying_is_suspended", applying),
        Scenario::federated("one_member_can_be_suspended_alone", one_member),
        Scenario::federated("a_suspended_decision_stays_as_it_is", scheduling),
    ]
}

async fn suspend(shop: &Shop<'_>, suspend: Value) {
    shop.edit(
        "PropagationPolicy",
        &shop.name,
        json!({"spec": {"suspend": suspend}}),
    )
    .await;
}

async fn applying(fleet: &Fleet, federation: &Federation) {
    let shop = Shop::open(fleet, federation, "suspended").await;
    shop.apply_and_wait(&[
        config_map("text", "old"),
        config_map("gone", "x"),
        config_map("edited", "ours"),
    ])
    .await;
    suspend(&shop, json!({"applying": true})).await;
    for name in ["text", "gone", "edited"] {
        let message = shop
            .condition("ConfigMap", name, "Applied", "True", "Suspended")
            .await;
        assert!(
            message.contains("suspend.applying") && message.contains(&shop.name),
            "{message}"
        );
    }
    shop.edit("ConfigMap", "text", json!({"data": {"text": "new"}}))
        .await;
    shop.delete("ConfigMap", "gone").await;
    shop.apply(&[config_map("late", "x")]).await;
    shop.meddle(0, "ConfigMap", "edited", json!({"data": {"text": "theirs"}}))
        .await;
    let message = shop
        .condition("ConfigMap", "text", "Applied", "False", "Suspended")
        .await;
    assert!(message.contains("suspend.applying"), "{message}");
    shop.condition("ConfigMap", "late", "Applied", "False", "Suspended")
        .await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    for number in 0..3 {
        assert_eq!(
            shop.seen(number, "ConfigMap", "text").await["data"]["text"],
            "old"
        );
        shop.seen(number, "ConfigMap", "gone").await;
        let late = shop.in_member(number, "ConfigMap").get_opt("late").await.unwrap();
        assert!(late.is_none(), "{late:?}");
    }
    assert_eq!(
        shop.seen(0, "ConfigMap", "edited").await["data"]["text"],
        "theirs"
    );
    let binding = shop
        .binding("ConfigMap", "gone")
        .await
        .expect("it is still there");
    assert!(
        binding["status"]["clusters"]
            .to_string()
            .contains("suspend.applying"),
        "{binding}"
    );

    suspend(&shop, json!({"applying": false})).await;
    shop.everywhere("ConfigMap", "text", "the change is caught up with", |live| {
        live["data"]["text"] == "new"
    })
    .await;
    shop.everywhere("ConfigMap", "late", "it is made", |_| true).await;
    shop.nowhere(&[0, 1, 2], "ConfigMap", "gone").await;
    shop.within(
        SOON,
        &[0],
        "ConfigMap",
        "edited",
        "the drift is repaired",
        |live| live["data"]["text"] == "ours",
    )
    .await;
    shop.condition("ConfigMap", "text", "Applied", "True", "Applied")
        .await;
    shop.close().await;
}

async fn one_member(fleet: &Fleet, federation: &Federation) {
    let shop = Shop::open(fleet, federation, "onemember").await;
    shop.apply_and_wait(&[config_map("text", "old")]).await;
    suspend(&shop, json!({"clusters": ["member-2"]})).await;
    shop.condition("ConfigMap", "text", "Applied", "True", "Suspended")
        .await;
    shop.edit("ConfigMap", "text", json!({"data": {"text": "new"}}))
        .await;
    shop.within(SOON, &[0, 2], "ConfigMap", "text", "the others have it", |live| {
        live["data"]["text"] == "new"
    })
    .await;
    let message = shop
        .condition("ConfigMap", "text", "Applied", "False", "Suspended")
        .await;
    assert!(message.contains("suspend.clusters names member-2"), "{message}");
    assert_eq!(shop.seen(1, "ConfigMap", "text").await["data"]["text"], "old");
    // A template that goes is removed from the others, and from it when that ends.
    shop.delete("ConfigMap", "text").await;
    shop.nowhere(&[0, 2], "ConfigMap", "text").await;
    shop.seen(1, "ConfigMap", "text").await;
    suspend(&shop, json!(null)).await;
    shop.nowhere(&[1], "ConfigMap", "text").await;
    shop.close().await;
}

async fn scheduling(fleet: &Fleet, federation: &Federation) {
    let only = |names: &[&str]| json!({"terms": [{"clusters": {"names": names}}]});
    let more = json!({"placement": only(&["member-1"])});
    let shop = Shop::open_with(fleet, &federation.hub, "undecided", more).await;
    shop.apply_and_wait(&[config_map("text", "old")]).await;
    let change =
        json!({"spec": {"suspend": {"scheduling": true}, "placement": only(&["member-2", "member-3"])}});
    shop.edit("PropagationPolicy", &shop.name, change).await;
    let message = shop
        .condition("ConfigMap", "text", "Scheduled", "True", "Suspended")
        .await;
    assert!(message.contains("suspend.scheduling"), "{message}");
    // What is decided is kept up to date, and what is new is not decided.
    shop.edit("ConfigMap", "text", json!({"data": {"text": "new"}}))
        .await;
    shop.within(SOON, &[0], "ConfigMap", "text", "the change arrives", |live| {
        live["data"]["text"] == "new"
    })
    .await;
    shop.apply(&[config_map("late", "x")]).await;
    shop.condition("ConfigMap", "late", "Scheduled", "False", "Suspended")
        .await;
    shop.nowhere(&[1, 2], "ConfigMap", "text").await;
    shop.nowhere(&[0, 1, 2], "ConfigMap", "late").await;

    suspend(&shop, json!(null)).await;
    for name in ["text", "late"] {
        shop.within(SOON, &[1, 2], "ConfigMap", name, "it is decided anew", |_| true)
            .await;
        shop.nowhere(&[0], "ConfigMap", name).await;
    }
    eventually(SOON, "the decision is written", async || {
        let binding = shop.binding("ConfigMap", "text").await.unwrap();
        match binding["spec"]["clusters"].as_array().map(Vec::len) {
            Some(2) => Ok(()),
            _ => Err(NotYet(binding["spec"].to_string())),
        }
    })
    .await;
    shop.close().await;
}
