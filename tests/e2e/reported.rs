//! Drift that is told and not repaired, and what others add (PROTOCOL §4).

use std::time::Duration;

use kube::api::{DeleteParams, ListParams};
use serde_json::json;

use crate::harness::{Federation, Fleet};
use crate::scenario::Scenario;
use crate::shop::{INTRUDER, SOON, Shop, config_map, deployment, value};

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::federated(
            "a_drift_is_told_by_field_and_left_where_the_policy_says_so",
            reported,
        ),
        Scenario::federated("what_others_add_is_told_where_the_policy_asks_for_it", whole),
    ]
}

/// The container of the template with another image, and all else as it is.
fn container(image: &str) -> serde_json::Value {
    let mut web = deployment("web");
    let mut container = web["spec"]["template"]["spec"]["containers"][0].take();
    container["image"] = json!(image);
    json!({"spec": {"template": {"spec": {"containers": [container]}}}})
}

/// How often this was said of the template.
async fn said(shop: &Shop<'_>, name: &str, reason: &str) -> usize {
    let events = shop.on_hub("Event").list(&ListParams::default()).await.unwrap();
    let about = |event: &serde_json::Value| event["regarding"]["name"] == name && event["reason"] == reason;
    events.iter().map(value).filter(about).count()
}

async fn reported(fleet: &Fleet, federation: &Federation) {
    let more = json!({"drift": {"mode": "Report"}});
    let shop = Shop::open_with(fleet, &federation.hub, "reported", more).await;
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "password"}, "stringData": {"p": "hunter2"}});
    shop.apply_and_wait(&[deployment("web"), config_map("text", "ours"), secret])
        .await;

    shop.meddle(0, "Deployment", "web", container("example.dev/other:1"))
        .await;
    let message = shop
        .condition("Deployment", "web", "Drifted", "True", "Drifted")
        .await;
    for part in [
        "member-1",
        "/spec/template/spec/containers/0/image",
        "\"example.dev/other:1\" there",
        "\"example.dev/app:1\" at the hub",
        INTRUDER,
        "since 20",
    ] {
        assert!(message.contains(part), "no {part} in {message}");
    }
    shop.event("web", "DriftReported", "containers/0/image").await;
    // A Secret's values are nobody's business.
    shop.meddle(
        1,
        "Secret",
        "password",
        json!({"stringData": {"p": "theirs-and-secret"}}),
    )
    .await;
    let message = shop
        .condition("Secret", "password", "Drifted", "True", "Drifted")
        .await;
    assert!(
        message.contains("/data/p") && message.contains("not shown"),
        "{message}"
    );
    // Base64 of the two values.
    for bytes in ["aHVudGVyMg==", "dGhlaXJzLWFuZC1zZWNyZXQ="] {
        let binding = shop.binding("Secret", "password").await.unwrap().to_string();
        assert!(!binding.contains(bytes) && !federation.serve.log().contains(bytes));
    }
    // It is said once, and stays so whatever else happens.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(said(&shop, "web", "DriftReported").await, 1);
    assert_eq!(
        shop.seen(0, "Deployment", "web").await["spec"]["template"]["spec"]["containers"][0]["image"],
        "example.dev/other:1"
    );
    // Who changes it back makes peace, though the field stays his.
    shop.meddle(0, "Deployment", "web", container("example.dev/app:1"))
        .await;
    shop.condition("Deployment", "web", "Drifted", "False", "AsDesired")
        .await;
    // What was deleted stays away, until its template changes.
    shop.in_member(2, "ConfigMap")
        .delete("text", &DeleteParams::default())
        .await
        .unwrap();
    shop.condition("ConfigMap", "text", "Applied", "False", "Drifted")
        .await;
    shop.event("text", "DriftReported", "deleted, by whom unknown")
        .await;
    let there = shop.in_member(2, "ConfigMap").get_opt("text").await.unwrap();
    assert!(there.is_none(), "{there:?}");
    shop.edit("ConfigMap", "text", json!({"data": {"text": "newer"}}))
        .await;
    shop.everywhere("ConfigMap", "text", "a change is applied all the same", |live| {
        live["data"]["text"] == "newer"
    })
    .await;
    shop.condition("ConfigMap", "text", "Drifted", "False", "AsDesired")
        .await;
    // What was only told is repaired once the policy says so.
    shop.edit(
        "PropagationPolicy",
        &shop.name,
        json!({"spec": {"drift": {"mode": "Correct"}}}),
    )
    .await;
    shop.within(SOON, &[1], "Secret", "password", "it is repaired", |live| {
        live["data"]["p"] == "aHVudGVyMg=="
    })
    .await;
    shop.condition("Secret", "password", "Drifted", "False", "AsDesired")
        .await;
    shop.close().await;
}

async fn whole(fleet: &Fleet, federation: &Federation) {
    let more = json!({
        "drift": {"scope": "Whole"},
        "ignoreFields": [{"kind": "ConfigMap", "pointers": ["/metadata/labels/known"]}],
    });
    let shop = Shop::open_with(fleet, &federation.hub, "whole", more).await;
    shop.apply_and_wait(&[config_map("text", "ours")]).await;
    shop.meddle(
        0,
        "ConfigMap",
        "text",
        json!({"metadata": {"labels": {"known": "x", "team": "blue"}}, "data": {"more": "theirs"}}),
    )
    .await;
    let message = shop
        .condition("ConfigMap", "text", "Drifted", "True", "Drifted")
        .await;
    for part in [
        "/data/more was added, \"theirs\"",
        "/metadata/labels/team was added",
        INTRUDER,
    ] {
        assert!(message.contains(part), "no {part} in {message}");
    }
    assert!(
        !message.contains("known"),
        "what is ignored is no drift: {message}"
    );
    shop.event("text", "DriftReported", "/data/more").await;
    // What is ours is repaired as ever; what they added stays.
    shop.meddle(0, "ConfigMap", "text", json!({"data": {"text": "theirs"}}))
        .await;
    shop.within(SOON, &[0], "ConfigMap", "text", "ours is repaired", |live| {
        live["data"]["text"] == "ours" && live["data"]["more"] == "theirs"
    })
    .await;
    shop.condition("ConfigMap", "text", "Drifted", "True", "Drifted")
        .await;
    shop.meddle(
        0,
        "ConfigMap",
        "text",
        json!({"metadata": {"labels": {"team": null}}, "data": {"more": null}}),
    )
    .await;
    shop.condition("ConfigMap", "text", "Drifted", "False", "AsDesired")
        .await;
    shop.close().await;
}
