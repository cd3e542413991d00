//! `hub promote`: what runs in a member becomes a template, and nothing there is touched.

use kube::api::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::harness::{Federation, Fleet, NotYet, eventually};
use crate::scenario::Scenario;
use crate::shop::{SOON, Shop, config_map, create, deployment, everywhere_kind, hub_entry, merge, value};

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::federated(
            "promoted_objects_are_the_hubs_and_nothing_in_them_moves",
            promoted,
        ),
        Scenario::federated("promoted_objects_are_in_namespaces_that_their_owner_gave", lent),
    ]
}

const BYTES: &str = "hunter2-is-nobodys-business";

/// A workload and what it names, as somebody made them long before there was a hub.
fn running(name: &str) -> Vec<Value> {
    let mut web = deployment(name);
    web["spec"]["template"]["spec"] = json!({
        "serviceAccountName": "runner",
        "containers": [{
            "name": "app", "image": "example.dev/app:1", "ports": [{"containerPort": 80}],
            "envFrom": [{"configMapRef": {"name": "settings"}}, {"configMapRef": {"name": "absent", "optional": true}}],
            "env": [{"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "password", "key": "p"}}}],
        }],
    });
    vec![
        config_map("settings", "x"),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "password"}, "stringData": {"p": BYTES}}),
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "runner"}}),
        web,
    ]
}

const ALL: [(&str, &str); 4] = [
    ("Deployment", "web"),
    ("ConfigMap", "settings"),
    ("Secret", "password"),
    ("ServiceAccount", "runner"),
];

async fn make(shop: &Shop<'_>, objects: Vec<Value>) {
    for object in objects {
        create(&shop.in_member(0, object["kind"].as_str().unwrap()), object).await;
    }
}

/// How often its pods were changed.
fn revision(live: &Value) -> Option<String> {
    let annotations = &live["metadata"]["annotations"];
    annotations["deployment.kubernetes.io/revision"]
        .as_str()
        .map(str::to_owned)
}

/// The pods of the Deployment by name and uid, once there are so many.
async fn pods(shop: &Shop<'_>, count: usize) -> Vec<String> {
    eventually(SOON * 4, &format!("{count} pods"), async || {
        let list = shop.in_member(0, "Pod").list(&ListParams::default()).await?;
        let mut found: Vec<String> = list
            .iter()
            .map(value)
            .filter(|pod| pod["metadata"]["deletionTimestamp"].is_null())
            .map(|pod| format!("{} {}", pod["metadata"]["name"], pod["metadata"]["uid"]))
            .collect();
        found.sort();
        if found.len() == count {
            Ok(found)
        } else {
            Err(NotYet(format!("{found:?}")))
        }
    })
    .await
}

async fn promoted(fleet: &Fleet, federation: &Federation) {
    let first_only =
        json!({"resourceSelectors": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "first"}]});
    let shop = Shop::open_with(fleet, &federation.hub, "promoted", first_only).await;
    // The first template makes the namespace in every member.
    shop.apply_and_wait(&[config_map("first", "x")]).await;
    make(&shop, running("web")).await;
    let deployments = shop.in_member(0, "Deployment");
    // Scaled by hand: the number is in no manifest.
    let scale = Patch::Merge(json!({"spec": {"replicas": 3}}));
    deployments
        .patch_scale("web", &PatchParams::default(), &scale)
        .await
        .unwrap();
    let pods_before = pods(&shop, 3).await;
    let settled = async || {
        eventually(SOON * 4, "its controller is done", async || {
            let live = value(&deployments.get("web").await?);
            let done = live["status"]["observedGeneration"] == live["metadata"]["generation"];
            if done {
                Ok(live)
            } else {
                Err(NotYet(live["status"].to_string()))
            }
        })
        .await
    };
    let before = settled().await;

    let promote = ["promote", "deploy/web", "--cluster", "member-1", "--deps"];
    let shown = shop.run(&[&promote[..], &["--dry-run"]].concat()).await.success();
    for part in [
        "kind: PropagationPolicy",
        "conflict: Adopt",
        "kind: Deployment",
        "replicas: 3",
        "name: runner",
        "<redacted>",
    ] {
        assert!(shown.contains(part), "{part} is not in\n{shown}");
    }
    for part in ["status:", "resourceVersion", "managedFields", "absent:", BYTES] {
        assert!(!shown.contains(part), "{part} is in\n{shown}");
    }
    assert!(shop.on_hub("Deployment").get_opt("web").await.unwrap().is_none());

    let said = shop.run(&promote).await.success();
    assert!(
        said.contains("deployment.apps/web made") && !said.contains(BYTES),
        "{said}"
    );
    for (kind, name) in ALL {
        shop.condition(kind, name, "Applied", "True", "Applied").await;
        let live = shop.seen(0, kind, name).await;
        assert!(hub_entry(&live).is_some(), "{live}");
        shop.nowhere(&[1, 2], kind, name).await;
    }
    let after = settled().await;
    assert_eq!(after["spec"], before["spec"]);
    for field in ["uid", "creationTimestamp"] {
        assert_eq!(after["metadata"][field], before["metadata"][field], "{field}");
    }
    // Its generation counts annotations too, and the hub's signs are some; its revision counts rollouts.
    assert_eq!(revision(&after), revision(&before));
    shop.event("web", "Adopted", "nothing in it changes").await;
    assert_eq!(pods(&shop, 3).await, pods_before);
    let secret = shop.seen(0, "Secret", "password").await;
    assert_eq!(
        value(&shop.on_hub("Secret").get("password").await.unwrap())["data"],
        secret["data"]
    );

    // Once more changes nothing, also where its owner has changed the template since.
    shop.edit("ConfigMap", "settings", json!({"data": {"text": "newer"}}))
        .await;
    let said = shop.run(&promote).await.success();
    assert!(
        said.contains("deployment.apps/web is a template already"),
        "{said}"
    );
    assert!(!said.contains("made"), "{said}");
    shop.within(SOON, &[0], "ConfigMap", "settings", "the hub keeps it", |live| {
        live["data"]["text"] == "newer"
    })
    .await;

    // Another policy has it in hand, and would be in the way.
    make(&shop, vec![deployment("other")]).await;
    shop.apply(&[json!({
        "apiVersion": "hanse.dev/v1alpha1", "kind": "PropagationPolicy", "metadata": {"name": "others"},
        "spec": {"resourceSelectors": [{"apiVersion": "apps/v1", "kind": "Deployment"}]},
    })])
    .await;
    let answer = shop
        .run(&["promote", "deploy/other", "--cluster", "member-1"])
        .await;
    assert_eq!(answer.code, 1);
    assert!(
        answer.stderr.contains("without conflict: Adopt"),
        "{}",
        answer.stderr
    );
    assert!(
        shop.on_hub("Deployment")
            .get_opt("other")
            .await
            .unwrap()
            .is_none()
    );
    let answer = shop
        .run(&["promote", "deploy/nobody", "--cluster", "member-1"])
        .await;
    assert!(answer.stderr.contains("HUB0305"), "{}", answer.stderr);

    // Without its template it stays as it was made.
    shop.delete("Deployment", "web").await;
    shop.within(
        SOON,
        &[0],
        "Deployment",
        "web",
        "it stays without our marks",
        |live| hub_entry(live).is_none() && live["metadata"]["labels"].get("hanse.dev/managed-by").is_none(),
    )
    .await;
    let left = settled().await;
    assert_eq!(left["metadata"]["uid"], before["metadata"]["uid"]);
    assert_eq!(left["spec"], before["spec"]);
    assert_eq!(pods(&shop, 4).await.len(), 4, "those of web and the other");
    shop.close().await;
}

async fn lent(fleet: &Fleet, federation: &Federation) {
    let name = fleet.namespace("lent");
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
    make(&shop, running("web")).await;
    let promote = ["promote", "deployment/web", "--cluster", "member-1", "--deps"];
    let answer = shop.run(&promote).await;
    assert!(answer.stderr.contains("HUB0201"), "{}", answer.stderr);
    shop.apply(&[
        json!({"apiVersion": "hanse.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": name}, "spec": {"namespaces": [name]}}),
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}),
    ])
    .await;
    let answer = shop.run(&promote).await;
    let command = format!("kubectl annotate namespace {name} hanse.dev/adopt={name}");
    assert!(answer.stderr.contains(&command), "{}", answer.stderr);
    merge(
        &namespaces,
        &name,
        "owner",
        json!({"metadata": {"annotations": {"hanse.dev/adopt": name}}}),
    )
    .await;
    let before = shop.seen(0, "Deployment", "web").await;
    // The Secret may be read only once the hub has taken the namespace.
    let said = shop.run(&promote).await.success();
    assert!(said.contains("secret/password made"), "{said}");
    for (kind, name) in ALL {
        shop.condition(kind, name, "Applied", "True", "Applied").await;
    }
    let after = shop.seen(0, "Deployment", "web").await;
    assert_eq!(after["spec"], before["spec"]);
    shop.event("web", "Adopted", "nothing in it changes").await;
    assert_eq!(after["metadata"]["uid"], before["metadata"]["uid"]);
    assert_eq!(revision(&after), revision(&before));
    shop.close().await;
}
