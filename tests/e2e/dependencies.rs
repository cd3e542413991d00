//! `dependencies: Follow`: what a template needs goes where it goes, and as long as anything needs it.

use serde_json::{Value, json};

use crate::harness::{Federation, Fleet, NotYet, eventually};
use crate::scenario::Scenario;
use crate::shop::{SOON, Shop, config_map, deployment};

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::federated(
            "what_a_workload_needs_follows_it_and_no_secret_is_ever_shown",
            follow,
        ),
        Scenario::federated("a_shared_dependency_stays_until_its_last_user_is_gone", shared),
    ]
}

const BYTES: &str = "hunter2-is-nobodys-business";

fn needing(name: &str) -> Value {
    let mut web = deployment(name);
    web["spec"]["template"]["spec"] = json!({
        "serviceAccountName": "runner",
        "containers": [{
            "name": "app", "image": "example.dev/app:1",
            "envFrom": [{"configMapRef": {"name": "settings"}}],
            "env": [{"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "password", "key": "p"}}}],
            "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        }],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "disk"}}],
    });
    web
}

fn needed() -> Vec<Value> {
    vec![
        config_map("settings", "x"),
        config_map("unneeded", "x"),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "password"}, "stringData": {"p": BYTES}}),
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "runner"}}),
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "disk"},
               "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}),
    ]
}

fn only_deployments() -> Value {
    json!({
        "resourceSelectors": [{"apiVersion": "apps/v1", "kind": "Deployment"}],
        "placement": {"terms": [{"clusters": {"names": ["member-1", "member-2"]}}]},
        "dependencies": "Follow",
    })
}

const NEEDED: [(&str, &str); 4] = [
    ("ConfigMap", "settings"),
    ("Secret", "password"),
    ("ServiceAccount", "runner"),
    ("PersistentVolumeClaim", "disk"),
];

async fn follow(fleet: &Fleet, federation: &Federation) {
    let shop = Shop::open_with(fleet, &federation.hub, "follow", only_deployments()).await;
    shop.apply(&needed()).await;
    shop.apply(&[needing("web")]).await;
    for (kind, name) in NEEDED {
        shop.within(SOON, &[0, 1], kind, name, "it follows", |_| true)
            .await;
        shop.nowhere(&[2], kind, name).await;
    }
    shop.nowhere(&[0, 1, 2], "ConfigMap", "unneeded").await;
    let secret = shop.seen(0, "Secret", "password").await;
    assert!(secret["data"]["p"].is_string());
    // A change of what is needed arrives, and an edit of it is repaired, though it is watched as metadata only.
    shop.edit("Secret", "password", json!({"stringData": {"q": BYTES}}))
        .await;
    shop.within(
        SOON,
        &[0, 1],
        "Secret",
        "password",
        "the change arrives",
        |live| live["data"]["q"].is_string(),
    )
    .await;
    shop.meddle(
        0,
        "Secret",
        "password",
        json!({"stringData": {"p": format!("{BYTES}-theirs")}}),
    )
    .await;
    shop.within(SOON, &[0], "Secret", "password", "it is repaired", |live| {
        live["data"]["p"] == secret["data"]["p"]
    })
    .await;
    shop.event("password", "DriftCorrected", "member-1").await;

    // The same Secret where it can't be written: the reason tells nothing of it.
    let encoded = secret["data"]["p"].as_str().unwrap().to_owned();
    let shown = [
        shop.run(&["get", "bindings", "-o", "yaml"]).await.success(),
        shop.run(&["explain", "secret/password"]).await.success(),
        shop.run(&["events"]).await.success(),
        shop.run(&["get", "secret", "password", "-o", "yaml"])
            .await
            .success(),
        shop.run(&["get", "secret", "password", "--cluster", "member-1", "-o", "json"])
            .await
            .success(),
        format!("{:?}", shop.binding("Secret", "password").await),
        federation.serve.log(),
    ];
    for text in shown {
        assert!(
            !text.contains(BYTES) && !text.contains(&encoded),
            "the bytes of a Secret are shown in\n{text}"
        );
    }
    // What the workload needs no more goes.
    shop.edit("Deployment", "web", json!({"spec": {"template": {"spec": {"serviceAccountName": "default", "serviceAccount": "default"}}}}))
        .await;
    shop.nowhere(&[0, 1], "ServiceAccount", "runner").await;
    shop.delete("Deployment", "web").await;
    for (kind, name) in [("ConfigMap", "settings"), ("Secret", "password")] {
        shop.nowhere(&[0, 1, 2], kind, name).await;
    }
    shop.close().await;
}

async fn shared(fleet: &Fleet, federation: &Federation) {
    let shop = Shop::open_with(fleet, &federation.hub, "sharing", only_deployments()).await;
    shop.apply(&needed()).await;
    shop.apply(&[needing("one"), needing("two")]).await;
    shop.within(SOON, &[0, 1], "ConfigMap", "settings", "it follows", |_| true)
        .await;
    let users = async |wanted: usize| {
        eventually(SOON, &format!("it is needed by {wanted}"), async || {
            let binding = shop
                .binding("ConfigMap", "settings")
                .await
                .ok_or_else(|| NotYet::from("no binding"))?;
            let by = binding["spec"]["requiredBy"].as_array().map_or(0, Vec::len);
            if by == wanted {
                Ok(())
            } else {
                Err(NotYet(binding["spec"].to_string()))
            }
        })
        .await;
    };
    users(2).await;
    let uid = shop.seen(0, "ConfigMap", "settings").await["metadata"]["uid"].clone();
    shop.delete("Deployment", "one").await;
    shop.nowhere(&[0, 1], "Deployment", "one").await;
    users(1).await;
    assert_eq!(
        shop.seen(0, "ConfigMap", "settings").await["metadata"]["uid"],
        uid
    );
    shop.delete("Deployment", "two").await;
    shop.nowhere(&[0, 1], "ConfigMap", "settings").await;
    shop.close().await;
}
