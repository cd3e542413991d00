//! Fields that can't change in an object that is there: said, or done by making it again where its template allows it.

use std::time::Duration;

use kube::api::DeleteParams;
use serde_json::{Value, json};

use crate::harness::{Federation, Fleet};
use crate::scenario::Scenario;
use crate::shop::{SOON, Shop, config_map, image};

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::federated("a_job_is_made_again_only_where_its_template_allows_it", job),
        Scenario::federated("a_stateful_set_is_made_again_once_and_lives_on", stateful_set),
    ]
}

fn suspend(shop: &Shop<'_>, suspended: bool) -> (String, Value) {
    (
        shop.name.clone(),
        json!({"spec": {"suspend": {"applying": suspended}}}),
    )
}

/// Puts another template of that name in the place of one. The hub API lets no field change that a member's would not
/// either, so this is how such a change comes about; members keep what they have meanwhile.
async fn replace(shop: &Shop<'_>, kind: &str, name: &str, template: &Value) {
    let (policy, hold) = suspend(shop, true);
    shop.edit("PropagationPolicy", &policy, hold).await;
    shop.condition(kind, name, "Applied", "True", "Suspended").await;
    shop.on_hub(kind)
        .delete(name, &DeleteParams::background())
        .await
        .unwrap();
    shop.apply(std::slice::from_ref(template)).await;
    shop.condition(kind, name, "Applied", "False", "Suspended").await;
    let (policy, free) = suspend(shop, false);
    shop.edit("PropagationPolicy", &policy, free).await;
}

fn once(image: &str) -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once"},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "app", "image": image}]}}},
    })
}

fn db(service: &str, order: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"},
        "spec": {
            "serviceName": service, "replicas": 1, "selector": {"matchLabels": {"app": "db"}},
            "template": {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "app", "image": "example.dev/db:1"}]}},
            "podManagementPolicy": order,
        },
    })
}

const ALLOWED: &str = "hanse.dev/recreate";

async fn uid(shop: &Shop<'_>, number: usize, kind: &str, name: &str) -> Value {
    shop.seen(number, kind, name).await["metadata"]["uid"].clone()
}

async fn job(fleet: &Fleet, federation: &Federation) {
    let shop = Shop::open(fleet, federation, "immutable").await;
    shop.apply_and_wait(&[once("example.dev/app:1"), config_map("text", "x")])
        .await;
    let before = uid(&shop, 0, "Job", "once").await;
    replace(&shop, "Job", "once", &once("example.dev/app:2")).await;
    let message = shop
        .condition("Job", "once", "Applied", "False", "ImmutableField")
        .await;
    for part in [
        "spec.template",
        "hint:",
        "kubectl -n",
        "hanse.dev/recreate=allowed",
    ] {
        assert!(message.contains(part), "no {part} in {message}");
    }
    assert_eq!(
        uid(&shop, 0, "Job", "once").await,
        before,
        "nothing is deleted unasked"
    );

    shop.edit(
        "Job",
        "once",
        json!({"metadata": {"annotations": {ALLOWED: "allowed"}}}),
    )
    .await;
    shop.within(SOON * 3, &[0, 1, 2], "Job", "once", "it is made again", |live| {
        live["spec"]["template"]["spec"]["containers"][0]["image"] == "example.dev/app:2"
            && live["metadata"]["uid"] != before
    })
    .await;
    shop.event("once", "Recreated", "spec.template").await;
    shop.condition("Job", "once", "Applied", "True", "Applied").await;
    let after = uid(&shop, 0, "Job", "once").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(uid(&shop, 0, "Job", "once").await, after, "once, and no more");
    // It goes with its template, as ever.
    shop.on_hub("Job")
        .delete("once", &DeleteParams::background())
        .await
        .unwrap();
    shop.nowhere(&[0, 1, 2], "Job", "once").await;
    shop.close().await;
}

async fn stateful_set(fleet: &Fleet, federation: &Federation) {
    let shop = Shop::open(fleet, federation, "stateful").await;
    shop.apply_and_wait(&[db("db", "OrderedReady")]).await;
    let before = uid(&shop, 0, "StatefulSet", "db").await;
    replace(&shop, "StatefulSet", "db", &db("other", "Parallel")).await;
    let message = shop
        .condition("StatefulSet", "db", "Applied", "False", "ImmutableField")
        .await;
    assert!(
        message.contains("spec.serviceName") && message.contains("spec.podManagementPolicy"),
        "{message}"
    );
    assert_eq!(uid(&shop, 0, "StatefulSet", "db").await, before);
    shop.edit(
        "StatefulSet",
        "db",
        json!({"metadata": {"annotations": {ALLOWED: "allowed"}}}),
    )
    .await;
    shop.within(
        SOON * 3,
        &[0, 1, 2],
        "StatefulSet",
        "db",
        "it is made again",
        |live| live["spec"]["serviceName"] == "other" && live["metadata"]["uid"] != before,
    )
    .await;
    shop.condition("StatefulSet", "db", "Applied", "True", "Applied")
        .await;
    // What may change is changed as ever, in the same object.
    let after = uid(&shop, 0, "StatefulSet", "db").await;
    shop.edit("StatefulSet", "db", image("example.dev/db:2")).await;
    shop.everywhere("StatefulSet", "db", "a change arrives", |live| {
        live["spec"]["template"]["spec"]["containers"][0]["image"] == "example.dev/db:2"
    })
    .await;
    assert_eq!(uid(&shop, 0, "StatefulSet", "db").await, after);
    shop.close().await;
}
