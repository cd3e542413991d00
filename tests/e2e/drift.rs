//! PROTOCOL §4: what others change in a member.

use std::time::Duration;

use kube::api::DeleteParams;
use serde_json::json;

use crate::harness::{Federation, Fleet, NotYet, eventually};
use crate::scenario::Scenario;
use crate::shop::{INTRUDER, SOON, Shop, config_map, deployment, hub_entry, image, service};

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::federated("an_edit_in_a_member_is_repaired_and_its_manager_named", edits),
        Scenario::federated("what_is_deleted_in_a_member_is_made_again", deletions),
        Scenario::federated("what_others_add_in_a_member_stays", additions),
        Scenario::federated(
            "a_field_that_the_template_drops_is_dropped_in_members",
            dropped_fields,
        ),
        Scenario::federated("a_fight_over_a_field_slows_down", fight),
    ]
}

async fn edits(fleet: &Fleet, federation: &Federation) {
    let shop = Shop::open(fleet, federation, "edits").await;
    shop.apply_and_wait(&[deployment("web"), config_map("text", "ours"), service("web")])
        .await;

    shop.meddle(0, "Deployment", "web", image("example.dev/other:1"))
        .await;
    shop.within(SOON, &[0], "Deployment", "web", "the image is repaired", |live| {
        live["spec"]["template"]["spec"]["containers"][0]["image"] == "example.dev/app:1"
    })
    .await;
    let note = shop.event("web", "DriftCorrected", INTRUDER).await;
    assert!(note.contains("member-1"), "{note}");

    shop.meddle(1, "ConfigMap", "text", json!({"data": {"text": "theirs"}}))
        .await;
    shop.within(SOON, &[1], "ConfigMap", "text", "the data is repaired", |live| {
        live["data"]["text"] == "ours"
    })
    .await;
    shop.event("text", "DriftCorrected", INTRUDER).await;

    // Labels and annotations move no generation.
    shop.meddle(2, "Service", "web", json!({"metadata": {"labels": {"hanse.dev/managed-by": null}, "annotations": {"hanse.dev/object": null}}}))
        .await;
    shop.within(SOON, &[2], "Service", "web", "our signs are back", |live| {
        live["metadata"]["labels"]["hanse.dev/managed-by"] == "hanse"
            && live["metadata"]["annotations"]["hanse.dev/object"].is_string()
    })
    .await;
    for (kind, name) in [("Deployment", "web"), ("ConfigMap", "text"), ("Service", "web")] {
        shop.condition(kind, name, "Drifted", "False", "AsDesired").await;
    }
    shop.close().await;
}

async fn deletions(fleet: &Fleet, federation: &Federation) {
    let shop = Shop::open(fleet, federation, "deleted").await;
    shop.apply_and_wait(&[deployment("web"), config_map("text", "ours")])
        .await;
    for (kind, name) in [("Deployment", "web"), ("ConfigMap", "text")] {
        let before = shop.seen(0, kind, name).await["metadata"]["uid"].clone();
        shop.in_member(0, kind)
            .delete(name, &DeleteParams::default())
            .await
            .unwrap();
        shop.within(SOON, &[0], kind, name, "it is made again", |live| {
            live["metadata"]["uid"] != before
        })
        .await;
        shop.event(name, "DriftCorrected", "deleted, by whom unknown")
            .await;
    }
    // And what was made again is known: it goes when its template does.
    shop.delete("ConfigMap", "text").await;
    shop.nowhere(&[0, 1, 2], "ConfigMap", "text").await;
    shop.close().await;
}

async fn additions(fleet: &Fleet, federation: &Federation) {
    let shop = Shop::open(fleet, federation, "added").await;
    shop.apply_and_wait(&[deployment("web"), config_map("text", "ours")])
        .await;
    shop.meddle(
        0,
        "ConfigMap",
        "text",
        json!({"data": {"more": "theirs"}, "metadata": {"labels": {"team": "blue"}}}),
    )
    .await;
    shop.meddle(0, "Deployment", "web", json!({"spec": {"minReadySeconds": 1}}))
        .await;
    shop.edit("ConfigMap", "text", json!({"data": {"text": "new"}}))
        .await;
    shop.edit("Deployment", "web", image("example.dev/app:2")).await;
    shop.everywhere("ConfigMap", "text", "the change arrives", |live| {
        live["data"]["text"] == "new"
    })
    .await;
    shop.everywhere("Deployment", "web", "the change arrives", |live| {
        live["spec"]["template"]["spec"]["containers"][0]["image"] == "example.dev/app:2"
    })
    .await;
    let live = shop.seen(0, "ConfigMap", "text").await;
    assert_eq!(
        (&live["data"]["more"], &live["metadata"]["labels"]["team"]),
        (&json!("theirs"), &json!("blue"))
    );
    assert_eq!(
        shop.seen(0, "Deployment", "web").await["spec"]["minReadySeconds"],
        1
    );
    shop.close().await;
}

async fn dropped_fields(fleet: &Fleet, federation: &Federation) {
    let shop = Shop::open(fleet, federation, "dropped").await;
    let mut map = config_map("text", "ours");
    map["data"]["old"] = json!("x");
    shop.apply_and_wait(&[map]).await;
    shop.edit("ConfigMap", "text", json!({"data": {"old": null}}))
        .await;
    shop.everywhere("ConfigMap", "text", "the key goes", |live| {
        live["data"].get("old").is_none()
    })
    .await;
    // What the hub owns is what the template says, and its own signs: no default of either API server.
    let live = shop.seen(0, "ConfigMap", "text").await;
    let owned = hub_entry(&live).unwrap()["fieldsV1"].clone();
    assert_eq!(owned["f:data"], json!({"f:text": {}}), "{owned}");
    shop.close().await;
}

async fn fight(fleet: &Fleet, federation: &Federation) {
    let shop = Shop::open(fleet, federation, "fight").await;
    shop.apply_and_wait(&[config_map("text", "ours")]).await;
    let ours = || shop.seen(0, "ConfigMap", "text");
    let started = std::time::Instant::now();
    let mut repairs = 0;
    while started.elapsed() < Duration::from_secs(8) {
        if ours().await["data"]["text"] == "ours" {
            repairs += 1;
            shop.meddle(0, "ConfigMap", "text", json!({"data": {"text": "theirs"}}))
                .await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!((2..=5).contains(&repairs), "{repairs} repairs in 8 s");
    let message = shop
        .condition("ConfigMap", "text", "Drifted", "True", "Drifted")
        .await;
    assert!(message.contains(INTRUDER), "{message}");
    eventually(Duration::from_secs(10), "peace is made", async || {
        if ours().await["data"]["text"] == "ours" {
            Ok(())
        } else {
            Err(NotYet::from("still theirs"))
        }
    })
    .await;
    shop.close().await;
}
