//! A member that falls silent, and PROTOCOL §2.6: everything deleted in any order while it is.

use std::time::Duration;

use kube::api::{DeleteParams, DynamicObject, ListParams};
use serde_json::{Value, json};

use crate::harness::{Federation, Fleet, FleetOptions, NotYet, eventually};
use crate::scenario::Scenario;
use crate::seed::Seed;
use crate::shop::{
    SOON, Shop, condition_of, config_map, create, deployment, everywhere_kind, merge, objects, value,
};

pub(crate) fn scenarios() -> Vec<Scenario> {
    let alone = FleetOptions {
        nodes_per_member: 1,
        ..FleetOptions::default()
    };
    vec![Scenario::alone(
        "with_a_silent_member_the_others_go_on_and_deletions_end_in_any_order",
        alone,
        whole,
    )]
}

async fn whole(fleet: Fleet) {
    let federation = Federation::start(&fleet, env!("CARGO_BIN_EXE_hub"), &[])
        .await
        .unwrap();
    silent(&fleet, &federation).await;
    wrong_authority(&fleet, &federation).await;
    any_order(&fleet, &federation).await;
}

/// Waits for a condition of a Cluster; its reason.
async fn cluster(fleet: &Fleet, bound: Duration, name: &str, condition: &str, status: &str) -> String {
    let clusters = everywhere_kind(fleet.hub().admin(), "Cluster");
    eventually(bound, &format!("{name} is {condition}={status}"), async || {
        let live = value(&clusters.get(name).await?);
        let found = condition_of(&live, condition);
        if found["status"] == status {
            Ok(found["reason"].as_str().unwrap_or_default().to_owned())
        } else {
            Err(NotYet(live["status"]["conditions"].to_string()))
        }
    })
    .await
}

async fn silent(fleet: &Fleet, federation: &Federation) {
    let shop = Shop::open(fleet, federation, "silent").await;
    shop.apply_and_wait(&[deployment("web"), config_map("text", "one")])
        .await;
    let member = &fleet.members()[1];
    member.stop().unwrap();
    // Before the hub knows of it, and after.
    for text in ["two", "three"] {
        shop.edit("ConfigMap", "text", json!({"data": {"text": text}}))
            .await;
        shop.within(
            Duration::from_secs(2),
            &[0, 2],
            "ConfigMap",
            "text",
            "the others are not slowed",
            |live| live["data"]["text"] == text,
        )
        .await;
        cluster(fleet, Duration::from_secs(15), member.name(), "Ready", "Unknown").await;
    }
    shop.condition("ConfigMap", "text", "Applied", "False", "ClusterUnreachable")
        .await;
    member.cont().unwrap();
    cluster(fleet, Duration::from_secs(5), member.name(), "Ready", "True").await;
    shop.within(SOON, &[1], "ConfigMap", "text", "the member catches up", |live| {
        live["data"]["text"] == "three"
    })
    .await;
    shop.condition("ConfigMap", "text", "Applied", "True", "Applied")
        .await;
    shop.close().await;
}

/// A credential that trusts another authority is noticed and said; the right one mends it.
async fn wrong_authority(fleet: &Fleet, federation: &Federation) {
    let secrets = objects(fleet.hub().admin(), "hanse-system", "Secret");
    let right = value(&secrets.get("member-member-3").await.unwrap())["data"]["kubeconfig"].clone();
    let decode = |text: &Value| {
        let bytes =
            base64::Engine::decode(&base64::prelude::BASE64_STANDARD, text.as_str().unwrap()).unwrap();
        String::from_utf8(bytes).unwrap()
    };
    let encode = |text: &str| base64::Engine::encode(&base64::prelude::BASE64_STANDARD, text);
    let elsewhere = rcgen::generate_simple_self_signed(vec!["elsewhere".to_owned()])
        .unwrap()
        .cert
        .pem();
    let mut wrong: Value = serde_saphyr::from_str(&decode(&right)).unwrap();
    wrong["clusters"][0]["cluster"]["certificate-authority-data"] = json!(encode(&elsewhere));
    let write = async |text: Value| {
        merge(
            &secrets,
            "member-member-3",
            "owner",
            json!({"data": {"kubeconfig": text}}),
        )
        .await;
    };
    write(json!(encode(&wrong.to_string()))).await;
    let reason = eventually(
        Duration::from_secs(15),
        "the wrong authority is noticed",
        async || {
            let live = value(
                &everywhere_kind(fleet.hub().admin(), "Cluster")
                    .get("member-3")
                    .await?,
            );
            let ready = condition_of(&live, "Ready");
            if ready["reason"] == "CertificateInvalid" {
                Ok(live["status"]["conditions"].to_string())
            } else {
                Err(NotYet(ready.to_string()))
            }
        },
    )
    .await;
    assert!(reason.contains("invalid peer certificate"), "{reason}");
    assert!(!reason.contains("ProbeFailed"), "{reason}");
    for verb in [&["status"][..], &["events", "-n", "default"]] {
        let what = format!("hub {} says what to do", verb.join(" "));
        eventually(Duration::from_secs(5), &what, async || {
            let answer = federation
                .hub
                .run(verb)
                .await
                .map_err(|error| NotYet(error.to_string()))?;
            if answer.stdout.contains("hub join member-3 --refresh") {
                Ok(())
            } else {
                Err(NotYet(answer.stdout))
            }
        })
        .await;
    }
    write(right).await;
    cluster(fleet, Duration::from_secs(10), "member-3", "Ready", "True").await;
}

const ORDERS: usize = 10;

/// What is deleted, in the order of the draw.
const STEPS: [&str; 5] = ["Namespace", "Tenant", "PropagationPolicy", "Cluster", "Template"];

async fn any_order(fleet: &Fleet, federation: &Federation) {
    let mut seed = Seed::drawn();
    let mut shops = Vec::new();
    for _ in 0..ORDERS {
        let deletion = if seed.below(2) == 0 { "Keep" } else { "Delete" };
        let spec = json!({"deletion": {"policy": deletion}});
        let shop = Shop::open_with(fleet, &federation.hub, "order", spec).await;
        shop.apply(&[config_map("text", "x"), deployment("web")]).await;
        let order = seed.shuffled(&STEPS);
        eprintln!("    {}: {}, policy {deletion}", shop.name, order.join(" "));
        shops.push((shop, order));
    }
    for (shop, _) in &shops {
        shop.everywhere("ConfigMap", "text", "it is everywhere", |_| true)
            .await;
        shop.everywhere("Deployment", "web", "it is everywhere", |_| true)
            .await;
        for member in [0, 1] {
            create(
                &shop.in_member(member, "ConfigMap"),
                config_map("foreign", "theirs"),
            )
            .await;
        }
    }
    let lost = &fleet.members()[1];
    lost.stop().unwrap();
    // One half begins before the hub knows that the member is lost.
    for (shop, order) in &shops[..ORDERS / 2] {
        before_the_cluster(shop, order).await;
    }
    cluster(fleet, Duration::from_secs(15), lost.name(), "Ready", "Unknown").await;
    for (shop, order) in &shops[ORDERS / 2..] {
        before_the_cluster(shop, order).await;
    }
    let clusters = everywhere_kind(fleet.hub().admin(), "Cluster");
    clusters
        .delete(lost.name(), &DeleteParams::default())
        .await
        .unwrap();
    for (shop, order) in &shops {
        for step in order.iter().skip_while(|step| **step != "Cluster").skip(1) {
            step_of(shop, step).await;
        }
    }
    for (shop, _) in &shops {
        ended(shop).await;
        shop.nowhere(&[0, 2], "ConfigMap", "text").await;
        shop.nowhere(&[0, 2], "Deployment", "web").await;
    }
    assert!(
        clusters.get_opt(lost.name()).await.unwrap().is_some(),
        "the Cluster waits for the member's return"
    );

    lost.cont().unwrap();
    eventually(
        Duration::from_secs(20),
        "the Cluster ends when the member is back",
        async || match clusters.get_opt(lost.name()).await? {
            None => Ok(()),
            Some(live) => Err(NotYet(value(&live)["metadata"].to_string())),
        },
    )
    .await;
    for (shop, _) in &shops {
        shop.nowhere(&[1], "ConfigMap", "text").await;
        shop.nowhere(&[1], "Deployment", "web").await;
        for member in [0, 1] {
            assert_eq!(
                shop.seen(member, "ConfigMap", "foreign").await["data"]["text"],
                "theirs"
            );
        }
    }
    let maps = objects(fleet.hub().admin(), "hanse-system", "ConfigMap")
        .list(&ListParams::default())
        .await
        .unwrap();
    assert!(!maps.iter().any(|map| {
        value(map)["metadata"]["name"]
            .as_str()
            .unwrap()
            .starts_with("removals-")
    }));
}

async fn before_the_cluster(shop: &Shop<'_>, order: &[&'static str]) {
    for step in order.iter().take_while(|step| **step != "Cluster") {
        step_of(shop, step).await;
    }
}

/// What an earlier deletion took with it is gone already.
async fn step_of(shop: &Shop<'_>, step: &str) {
    let hub = || shop.fleet.hub().admin();
    let delete = async |api: kube::Api<DynamicObject>, name: &str| match api
        .delete(name, &DeleteParams::default())
        .await
    {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
        Err(error) => panic!("{step} {name}: {error}"),
    };
    match step {
        "Namespace" | "Tenant" => delete(everywhere_kind(hub(), step), &shop.name).await,
        "PropagationPolicy" => delete(shop.on_hub(step), &shop.name).await,
        _ => {
            delete(shop.on_hub("ConfigMap"), "text").await;
            delete(shop.on_hub("Deployment"), "web").await;
        }
    }
}

/// Nothing of the shop is left on the hub API, or on its way out.
async fn ended(shop: &Shop<'_>) {
    eventually(
        Duration::from_secs(15),
        &format!("{} has ended", shop.name),
        async || {
            let mut left = Vec::new();
            for kind in ["WorkloadBinding", "PropagationPolicy", "Deployment"] {
                let all = shop.on_hub(kind).list(&ListParams::default()).await?;
                left.extend(
                    all.iter()
                        .map(|live| format!("{kind} {}", value(live)["metadata"]["name"])),
                );
            }
            let tenants = everywhere_kind(shop.fleet.hub().admin(), "Tenant");
            left.extend(
                tenants
                    .get_opt(&shop.name)
                    .await?
                    .map(|live| value(&live)["metadata"].to_string()),
            );
            let namespaces = everywhere_kind(shop.fleet.hub().admin(), "Namespace");
            // A namespace that its tenant made again before it was deleted itself is there, empty.
            let namespace = namespaces
                .get_opt(&shop.name)
                .await?
                .filter(|live| live.metadata.deletion_timestamp.is_some());
            left.extend(namespace.map(|live| value(&live)["status"].to_string()));
            if left.is_empty() {
                Ok(())
            } else {
                Err(NotYet(left.join("; ")))
            }
        },
    )
    .await;
}
