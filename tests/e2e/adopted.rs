//! PROTOCOL §3.7: objects that somebody else made, taken over and given back.

use kube::api::{Api, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use crate::harness::{Federation, Fleet};
use crate::scenario::Scenario;
use crate::shop::{INTRUDER, SOON, Shop, config_map, create, deployment, hub_entry, image};

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::federated(
            "a_foreign_object_is_taken_over_with_all_that_the_template_says",
            taken,
        ),
        Scenario::federated("what_was_taken_over_can_be_left_again", left_again),
        Scenario::federated("what_somebody_else_keeps_is_never_taken_over", refused),
    ]
}

fn adopting() -> Value {
    json!({"conflict": "Adopt"})
}

/// The fields that managers other than the hub have.
fn theirs(live: &Value) -> String {
    let entries = live["metadata"]["managedFields"].as_array().unwrap().iter();
    let others = entries.filter(|entry| !entry["manager"].as_str().unwrap().starts_with("hanse-"));
    others.map(|entry| entry["fieldsV1"].to_string()).collect()
}

async fn server_side_apply(api: &Api<DynamicObject>, manager: &str, object: &Value) {
    let name = object["metadata"]["name"].as_str().unwrap();
    let mut object = object.clone();
    object["metadata"]["namespace"] = json!(null);
    api.patch(name, &PatchParams::apply(manager), &Patch::Apply(&object))
        .await
        .unwrap();
}

async fn taken(fleet: &Fleet, federation: &Federation) {
    let shop = Shop::open_with(fleet, &federation.hub, "taken", adopting()).await;
    // The first template makes the namespace in every member.
    shop.apply_and_wait(&[config_map("first", "x")]).await;
    let mut map = config_map("text", "theirs");
    map["data"]["mine"] = json!("kept");
    create(&shop.in_member(0, "ConfigMap"), map.clone()).await;
    map["data"] = json!({"text": "theirs", "applied": "kept"});
    server_side_apply(&shop.in_member(1, "ConfigMap"), "tool", &map).await;
    let mut web = deployment("web");
    web["spec"]["template"]["spec"]["containers"][0]["image"] = json!("example.dev/old:1");
    create(&shop.in_member(0, "Deployment"), web).await;
    let uid = shop.seen(0, "Deployment", "web").await["metadata"]["uid"].clone();
    let mut ours = config_map("text", "ours");
    ours["data"]["late"] = json!("x");
    shop.apply_and_wait(&[ours, deployment("web")]).await;

    for (number, key) in [(0, "mine"), (1, "applied")] {
        let live = shop.seen(number, "ConfigMap", "text").await;
        assert_eq!(live["data"]["text"], "ours");
        assert_eq!(
            live["data"][key], "kept",
            "what the template does not say stays theirs"
        );
        let theirs = theirs(&live);
        assert!(!theirs.contains("f:text") && theirs.contains(key), "{theirs}");
    }
    let live = shop.seen(0, "Deployment", "web").await;
    assert_eq!(live["metadata"]["uid"], uid, "it is the same object");
    assert_eq!(
        live["spec"]["template"]["spec"]["containers"][0]["image"],
        "example.dev/app:1"
    );
    assert!(!theirs(&live).contains("\"f:image\""), "{}", theirs(&live));
    let note = shop.event("text", "Adopted", "/data/text").await;
    assert!(
        note.contains("\"theirs\" there and \"ours\" at the hub"),
        "{note}"
    );
    shop.event("web", "Adopted", "example.dev/old:1").await;

    // It is the hub's now: a key that the template drops is dropped, a drift repaired.
    shop.edit("ConfigMap", "text", json!({"data": {"text": null}}))
        .await;
    shop.everywhere("ConfigMap", "text", "the key goes", |live| {
        live["data"].get("text").is_none() && live["data"]["late"] == "x"
    })
    .await;
    shop.meddle(0, "Deployment", "web", image("example.dev/other:1"))
        .await;
    shop.within(SOON, &[0], "Deployment", "web", "it is repaired", |live| {
        live["spec"]["template"]["spec"]["containers"][0]["image"] == "example.dev/app:1"
    })
    .await;
    shop.delete("ConfigMap", "text").await;
    shop.nowhere(&[0, 1, 2], "ConfigMap", "text").await;
    shop.close().await;
}

async fn left_again(fleet: &Fleet, federation: &Federation) {
    let mut more = adopting();
    more["deletion"] = json!({"template": "Orphan"});
    let shop = Shop::open_with(fleet, &federation.hub, "leftagain", more).await;
    shop.apply_and_wait(&[config_map("first", "x")]).await;
    let mut map = config_map("text", "theirs");
    map["data"]["mine"] = json!("kept");
    create(&shop.in_member(0, "ConfigMap"), map).await;
    let uid = shop.seen(0, "ConfigMap", "text").await["metadata"]["uid"].clone();
    shop.apply_and_wait(&[config_map("text", "ours")]).await;
    shop.delete("ConfigMap", "text").await;
    shop.everywhere("ConfigMap", "text", "it stays without our marks", |live| {
        hub_entry(live).is_none() && live["metadata"]["labels"].get("hanse.dev/managed-by").is_none()
    })
    .await;
    let live = shop.seen(0, "ConfigMap", "text").await;
    assert_eq!(live["metadata"]["uid"], uid);
    assert_eq!(
        (&live["data"]["text"], &live["data"]["mine"]),
        (&json!("ours"), &json!("kept"))
    );
    // And it can be taken over once more.
    shop.apply_and_wait(&[config_map("text", "again")]).await;
    shop.everywhere("ConfigMap", "text", "it is ours again", |live| {
        live["data"]["text"] == "again" && hub_entry(live).is_some()
    })
    .await;
    shop.close().await;
}

async fn refused(fleet: &Fleet, federation: &Federation) {
    let shop = Shop::open_with(fleet, &federation.hub, "kept", adopting()).await;
    shop.apply_and_wait(&[config_map("first", "x")]).await;
    let maps = shop.in_member(0, "ConfigMap");
    let mut stamped = config_map("stamped", "theirs");
    stamped["metadata"]["annotations"] = json!({"hanse.dev/hub": "another-hub"});
    create(&maps, stamped).await;
    create(&maps, config_map("owner", "x")).await;
    let owner = shop.seen(0, "ConfigMap", "owner").await["metadata"]["uid"].clone();
    let mut controlled = config_map("controlled", "theirs");
    controlled["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner, "controller": true}]);
    create(&maps, controlled).await;
    let mut other = deployment("selector");
    other["spec"]["selector"]["matchLabels"] = json!({"app": "other"});
    other["spec"]["template"]["metadata"]["labels"] = json!({"app": "other"});
    create(&shop.in_member(0, "Deployment"), other).await;
    let spec = shop.seen(0, "Deployment", "selector").await["spec"].clone();

    let mut made_again = deployment("selector");
    made_again["metadata"]["annotations"] = json!({"hanse.dev/recreate": "allowed"});
    shop.apply(&[
        config_map("stamped", "ours"),
        config_map("controlled", "ours"),
        made_again,
    ])
    .await;
    for (name, why) in [
        ("stamped", "another hub keeps it"),
        ("controlled", "ConfigMap owner controls it"),
    ] {
        let message = shop
            .condition("ConfigMap", name, "Applied", "False", "Conflict")
            .await;
        assert!(message.contains(why) && message.contains(INTRUDER), "{message}");
        let live = shop.seen(0, "ConfigMap", name).await;
        assert_eq!(live["data"]["text"], "theirs");
        assert!(hub_entry(&live).is_none(), "{live}");
    }
    // What can't be changed is not taken half, nor deleted: it was never ours.
    let message = shop
        .condition("Deployment", "selector", "Applied", "False", "ImmutableField")
        .await;
    assert!(message.contains("spec.selector"), "{message}");
    let live = shop.seen(0, "Deployment", "selector").await;
    assert_eq!(live["spec"], spec);
    assert!(hub_entry(&live).is_none(), "{live}");
    shop.close().await;
}
