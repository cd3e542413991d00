//! PROTOCOL §3: whose an object in a member is.

use kube::api::ListParams;
use serde_json::json;

use crate::harness::{Federation, Fleet, NotYet, eventually};
use crate::scenario::Scenario;
use crate::shop::{
    INTRUDER, SOON, Shop, config_map, create, deployment, everywhere_kind, hub_entry, merge, value,
};

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::federated(
            "an_object_of_somebody_else_is_a_conflict_and_left_untouched",
            foreign_object,
        ),
        Scenario::federated(
            "a_namespace_of_somebody_else_is_used_only_with_its_owners_word",
            foreign_namespace,
        ),
        Scenario::federated("what_another_hub_wrote_is_not_taken", another_hub),
        Scenario::federated("an_orphaned_object_stays_without_our_marks", orphan),
        Scenario::federated("a_template_made_again_keeps_its_objects", made_again),
        Scenario::federated(
            "a_namespace_that_moves_to_another_tenant_keeps_what_runs_in_it",
            moved_namespace,
        ),
        Scenario::federated("copied_labels_and_annotations_prove_nothing", copied_marks),
    ]
}

async fn foreign_object(fleet: &Fleet, federation: &Federation) {
    let shop = Shop::open(fleet, federation, "foreign").await;
    // The first template makes the namespace in every member.
    shop.apply_and_wait(&[config_map("first", "x")]).await;
    create(&shop.in_member(1, "ConfigMap"), config_map("taken", "theirs")).await;
    let before = shop.seen(1, "ConfigMap", "taken").await;
    shop.apply(&[config_map("taken", "ours")]).await;
    let message = shop
        .condition("ConfigMap", "taken", "Applied", "False", "Conflict")
        .await;
    assert!(
        message.contains("member-2") && message.contains(INTRUDER),
        "{message}"
    );
    shop.within(
        SOON,
        &[0, 2],
        "ConfigMap",
        "taken",
        "elsewhere it is ours",
        |live| live["data"]["text"] == "ours",
    )
    .await;
    shop.edit("ConfigMap", "taken", json!({"data": {"text": "newer"}}))
        .await;
    shop.within(
        SOON,
        &[0, 2],
        "ConfigMap",
        "taken",
        "elsewhere it changes",
        |live| live["data"]["text"] == "newer",
    )
    .await;
    assert_eq!(
        shop.seen(1, "ConfigMap", "taken").await,
        before,
        "the first write never merges"
    );
    shop.delete("ConfigMap", "taken").await;
    shop.nowhere(&[0, 2], "ConfigMap", "taken").await;
    assert_eq!(
        shop.seen(1, "ConfigMap", "taken").await,
        before,
        "nothing foreign is deleted"
    );
    shop.close().await;
}

async fn foreign_namespace(fleet: &Fleet, federation: &Federation) {
    let name = fleet.namespace("lodger");
    let namespaces = everywhere_kind(fleet.members()[0].admin(), "Namespace");
    create(
        &namespaces,
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}),
    )
    .await;
    let shop = Shop {
        fleet,
        hub: federation.hub.clone(),
        name: name.clone(),
    };
    shop.apply(&[
        json!({"apiVersion": "hanse.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": name}, "spec": {"namespaces": [name]}}),
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}),
        json!({"apiVersion": "hanse.dev/v1alpha1", "kind": "PropagationPolicy", "metadata": {"name": name},
               "spec": {"resourceSelectors": [{"apiVersion": "v1", "kind": "ConfigMap"}]}}),
        config_map("text", "ours"),
    ])
    .await;
    let message = shop
        .condition("ConfigMap", "text", "Applied", "False", "NamespaceNotOurs")
        .await;
    let command = format!("kubectl annotate namespace {name} hanse.dev/adopt={name}");
    assert!(message.contains(&command), "{message}");
    shop.within(SOON, &[1, 2], "ConfigMap", "text", "it is in the others", |_| {
        true
    })
    .await;
    assert!(
        shop.in_member(0, "ConfigMap")
            .get_opt("text")
            .await
            .unwrap()
            .is_none()
    );

    merge(
        &namespaces,
        &name,
        "owner",
        json!({"metadata": {"annotations": {"hanse.dev/adopt": name}}}),
    )
    .await;
    shop.within(
        SOON * 13,
        &[0],
        "ConfigMap",
        "text",
        "with the owner's word it is there",
        |_| true,
    )
    .await;
    shop.delete("ConfigMap", "text").await;
    shop.nowhere(&[0, 1, 2], "ConfigMap", "text").await;
    everywhere_kind(fleet.hub().admin(), "Tenant")
        .delete(&name, &kube::api::DeleteParams::default())
        .await
        .ok();
    for (number, stays) in [(0, true), (1, false)] {
        let all = everywhere_kind(fleet.members()[number].admin(), "Namespace");
        eventually(
            SOON,
            "only a namespace that the hub made is deleted",
            async || match all.get_opt(&name).await? {
                Some(_) if !stays => Err(NotYet::from("it is still there")),
                None if stays => panic!("the hub deleted a namespace that it had not made"),
                _ => Ok(()),
            },
        )
        .await;
    }
}

async fn another_hub(fleet: &Fleet, federation: &Federation) {
    let shop = Shop::open(fleet, federation, "two-hubs").await;
    shop.apply_and_wait(&[config_map("ours", "x")]).await;
    let ours = shop.seen(0, "ConfigMap", "ours").await;
    // As the other hub would have written it: same kind of marks, another id, another manager.
    let mut theirs = config_map("theirs", "x");
    theirs["metadata"]["labels"] = ours["metadata"]["labels"].clone();
    let mut annotations = ours["metadata"]["annotations"].clone();
    annotations["hanse.dev/object"] = json!(format!("/ConfigMap/{}/theirs", shop.name));
    annotations["hanse.dev/hub"] = json!("00000000-another");
    theirs["metadata"]["annotations"] = annotations;
    let params = kube::api::PatchParams::apply("hanse-00000000");
    let maps = shop.in_member(0, "ConfigMap");
    maps.patch("theirs", &params, &kube::api::Patch::Apply(&theirs))
        .await
        .unwrap();
    shop.apply(&[config_map("theirs", "ours now")]).await;
    let message = shop
        .condition("ConfigMap", "theirs", "Applied", "False", "Conflict")
        .await;
    assert!(message.contains("hanse-00000000"), "{message}");
    assert_eq!(shop.seen(0, "ConfigMap", "theirs").await["data"]["text"], "x");

    // The other hub writes into an object of ours: two managers, and ours is repaired.
    let steal = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"text": "stolen"}});
    maps.patch("ours", &params.clone().force(), &kube::api::Patch::Apply(&steal))
        .await
        .unwrap();
    shop.within(SOON, &[0], "ConfigMap", "ours", "it is ours again", |live| {
        live["data"]["text"] == "x"
    })
    .await;
    shop.event("ours", "DriftCorrected", "hanse-00000000").await;
    shop.close().await;
}

async fn orphan(fleet: &Fleet, federation: &Federation) {
    let keep = json!({"deletion": {"template": "Orphan"}});
    let shop = Shop::open_with(fleet, &federation.hub, "orphaned", keep).await;
    shop.apply_and_wait(&[config_map("text", "ours"), deployment("web")])
        .await;
    for (kind, name) in [("ConfigMap", "text"), ("Deployment", "web")] {
        let before = shop.seen(0, kind, name).await;
        shop.delete(kind, name).await;
        shop.everywhere(kind, name, "our marks are gone", |live| {
            let marked = |field: &str| {
                let all = live["metadata"][field].as_object().cloned().unwrap_or_default();
                all.keys().any(|key| key.contains("hanse.dev"))
            };
            hub_entry(live).is_none() && !marked("labels") && !marked("annotations")
        })
        .await;
        let after = shop.seen(0, kind, name).await;
        assert_eq!(
            (&before["metadata"]["uid"], &before["spec"], &before["data"]),
            (&after["metadata"]["uid"], &after["spec"], &after["data"])
        );
    }
    eventually(SOON, "the bindings are gone", async || {
        let bindings = shop
            .on_hub("WorkloadBinding")
            .list(&ListParams::default())
            .await?
            .items;
        if bindings.is_empty() {
            Ok(())
        } else {
            let told: Vec<String> = bindings
                .iter()
                .map(|binding| value(binding).to_string())
                .collect();
            Err(NotYet(told.join("\n")))
        }
    })
    .await;
    shop.close().await;
}

async fn made_again(fleet: &Fleet, federation: &Federation) {
    let shop = Shop::open(fleet, federation, "again").await;
    shop.apply_and_wait(&[config_map("text", "one")]).await;
    // A member that is slow to let go gives the template the time to come back.
    let hold = json!({"metadata": {"finalizers": ["test.hanse.dev/hold"]}});
    shop.meddle(0, "ConfigMap", "text", hold).await;
    shop.delete("ConfigMap", "text").await;
    shop.within(SOON, &[0], "ConfigMap", "text", "it is told to go", |live| {
        live["metadata"]["deletionTimestamp"].is_string()
    })
    .await;
    shop.apply(&[config_map("text", "two")]).await;
    shop.within(SOON, &[1, 2], "ConfigMap", "text", "it is there again", |live| {
        live["data"]["text"] == "two"
    })
    .await;
    shop.meddle(0, "ConfigMap", "text", json!({"metadata": {"finalizers": null}}))
        .await;
    shop.everywhere("ConfigMap", "text", "it is everywhere again", |live| {
        live["data"]["text"] == "two"
    })
    .await;
    shop.condition("ConfigMap", "text", "Applied", "True", "Applied")
        .await;
    shop.close().await;
}

async fn copied_marks(fleet: &Fleet, federation: &Federation) {
    let shop = Shop::open(fleet, federation, "copied").await;
    shop.apply_and_wait(&[config_map("text", "ours")]).await;
    let mut copy = shop.seen(0, "ConfigMap", "text").await;
    let marks = json!({"labels": copy["metadata"]["labels"], "annotations": copy["metadata"]["annotations"], "name": "copy"});
    copy = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": marks, "data": {"text": "a copy"}});
    create(&shop.in_member(0, "ConfigMap"), copy).await;
    shop.delete("ConfigMap", "text").await;
    shop.nowhere(&[0, 1, 2], "ConfigMap", "text").await;
    let copy = value(&shop.in_member(0, "ConfigMap").get("copy").await.unwrap());
    assert_eq!(copy["data"]["text"], "a copy");
    shop.close().await;
}

async fn moved_namespace(fleet: &Fleet, federation: &Federation) {
    let shop = Shop::open(fleet, federation, "moved").await;
    shop.apply_and_wait(&[config_map("text", "x"), deployment("web")])
        .await;
    let before = shop.seen(0, "Deployment", "web").await["metadata"]["uid"].clone();
    let heir = format!("{}-heir", shop.name);
    let tenant = |name: &str, namespaces: serde_json::Value| json!({"apiVersion": "hanse.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": name}, "spec": {"namespaces": namespaces}});
    // In one apply, whatever the order of the files: so it belongs to somebody at each moment.
    let kept = format!("{}-kept", shop.name);
    shop.apply(&[
        tenant(&shop.name, json!([kept])),
        tenant(&heir, json!([shop.name])),
    ])
    .await;
    let tenants = everywhere_kind(fleet.hub().admin(), "Tenant");
    for number in 0..3 {
        let namespaces = everywhere_kind(fleet.members()[number].admin(), "Namespace");
        eventually(SOON * 2, "the namespace is the heir's", async || {
            let live = value(&namespaces.get(&shop.name).await?);
            if live["metadata"]["labels"]["hanse.dev/tenant"] == heir.as_str() {
                Ok(())
            } else {
                Err(NotYet(live["metadata"]["labels"].to_string()))
            }
        })
        .await;
    }
    shop.edit("ConfigMap", "text", json!({"data": {"text": "y"}}))
        .await;
    shop.everywhere("ConfigMap", "text", "edits arrive under the heir", |live| {
        live["data"]["text"] == "y" && live["metadata"]["labels"]["hanse.dev/tenant"] == heir.as_str()
    })
    .await;
    shop.condition("Deployment", "web", "Applied", "True", "Applied")
        .await;
    let after = shop.seen(0, "Deployment", "web").await["metadata"]["uid"].clone();
    assert_eq!(after, before, "nothing was made anew");
    let _ = tenants.delete(&heir, &kube::api::DeleteParams::default()).await;
    shop.close().await;
}
