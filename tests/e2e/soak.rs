//! What takes minutes, for `make soak`.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::Api;
use kube::api::{DynamicObject, ListParams, PostParams};
use serde_json::json;
use tokio::time::Instant;

use crate::harness::{Federation, Fleet, FleetOptions, Need, NotYet, data, eventually};
use crate::restart::another_leads;
use crate::scenario::Scenario;
use crate::seed::Seed;
use crate::shop::{Shop, config_map, everywhere_kind, value};

pub(crate) fn scenarios() -> Vec<Scenario> {
    let alone = FleetOptions {
        nodes_per_member: 1,
        ..FleetOptions::default()
    };
    vec![
        Scenario::alone(
            "killed_twenty_times_the_boutique_ends_in_the_same_state",
            alone.clone(),
            kills,
        )
        .needs(Need::Data)
        .soak(),
        Scenario::alone(
            "a_token_that_changes_is_used_and_renewed_after_a_third_of_its_life",
            FleetOptions { members: 1, ..alone },
            token,
        )
        .soak(),
    ]
}

const KILLS: usize = 20;

/// Short, so that most of the time the hub works instead of waiting for its predecessor's Lease.
const LEASE: [&str; 6] = [
    "--lease-duration",
    "4s",
    "--renew-deadline",
    "2500ms",
    "--retry-period",
    "300ms",
];

async fn kills(fleet: Fleet) {
    let mut seed = Seed::drawn();
    let mut federation = Federation::start(&fleet, env!("CARGO_BIN_EXE_hub"), &LEASE)
        .await
        .unwrap();
    let shop = Shop::open(&fleet, &federation, "soak").await;
    let file = data().unwrap().join("online-boutique.yaml");
    let file = file.to_string_lossy().into_owned();
    // Half of the kills while everything arrives again and again, half while single things change and go.
    let mut dead = String::new();
    for kill in 0..KILLS {
        dead = another_leads(&fleet, Duration::from_secs(8), "a hub leads", &dead).await;
        shop.run(&["apply", "-f", &file]).await.success();
        if kill % 2 == 1 {
            edit_some(&shop, &mut seed).await;
        }
        let until = Duration::from_millis(u64::try_from(seed.below(3000)).unwrap());
        tokio::time::sleep(until).await;
        federation.serve.kill();
        eprintln!("    kill {} after {until:.1?}", kill + 1);
        if kill % 5 == 4 {
            // Everything goes while nobody looks.
            shop.run(&["delete", "-f", &file]).await.success();
        }
        federation.serve.restart().await.unwrap();
    }
    shop.run(&[
        "apply",
        "-f",
        &file,
        "--force-conflicts",
        "--wait",
        "--timeout",
        "2m",
    ])
    .await
    .success();
    as_templates_say(&shop).await;
    shop.run(&["delete", "-f", &file]).await.success();
    for kind in ["Deployment", "Service"] {
        let members: Vec<usize> = (0..fleet.members().len()).collect();
        eventually(
            Duration::from_secs(15),
            &format!("no {kind} is left"),
            async || {
                let mut left = BTreeSet::new();
                for number in &members {
                    let all = shop.in_member(*number, kind).list(&ListParams::default()).await?;
                    left.extend(all.items.into_iter().filter_map(|object| object.metadata.name));
                }
                let Some(first) = left.first() else { return Ok(()) };
                let template = shop.on_hub(kind).get_opt(first).await?.is_some();
                let binding = shop.binding(kind, first).await;
                Err(NotYet(format!("{left:?}; template {template}; {binding:?}")))
            },
        )
        .await;
    }
}

/// Edits one Deployment and deletes another Deployment and a Service.
async fn edit_some(shop: &Shop<'_>, seed: &mut Seed) {
    let all = shop
        .on_hub("Deployment")
        .list(&ListParams::default())
        .await
        .unwrap()
        .items;
    let names: Vec<String> = all
        .into_iter()
        .filter_map(|object| object.metadata.name)
        .collect();
    let (edited, deleted) = (&names[seed.below(names.len())], &names[seed.below(names.len())]);
    let note = format!("{}", seed.below(1000));
    shop.edit("Deployment", edited, json!({"metadata": {"labels": {"soak": note}}, "spec": {"template": {"metadata": {"labels": {"soak": note}}}}}))
        .await;
    shop.delete("Deployment", deleted).await;
}

/// In every member exactly the templates, each with the template's image and label, and all of them ours.
async fn as_templates_say(shop: &Shop<'_>) {
    let facts = |objects: Vec<DynamicObject>| -> BTreeSet<String> {
        let fact = |object: &DynamicObject| {
            let live = value(object);
            let pod = &live["spec"]["template"];
            let (name, soak) = (&live["metadata"]["name"], &pod["metadata"]["labels"]["soak"]);
            format!(
                "{name} {} {soak} {}",
                pod["spec"]["containers"][0]["image"], live["spec"]["ports"][0]["port"]
            )
        };
        objects.iter().map(fact).collect()
    };
    for kind in ["Deployment", "Service"] {
        let wanted = facts(
            shop.on_hub(kind)
                .list(&ListParams::default())
                .await
                .unwrap()
                .items,
        );
        assert_eq!(wanted.len(), 12);
        for number in 0..shop.fleet.members().len() {
            let there = shop
                .in_member(number, kind)
                .list(&ListParams::default())
                .await
                .unwrap()
                .items;
            assert!(
                there
                    .iter()
                    .all(|object| crate::shop::hub_entry(&value(object)).is_some())
            );
            assert_eq!(facts(there), wanted, "{kind} in member {}", number + 1);
        }
    }
    let bindings = shop
        .on_hub("WorkloadBinding")
        .list(&ListParams::default())
        .await
        .unwrap()
        .items;
    assert_eq!(bindings.len(), 35, "a binding for each template and no other");
}

/// The shortest life that API servers grant.
const SHORT: Duration = Duration::from_mins(10);

async fn token(fleet: Fleet) {
    let federation = Federation::start(&fleet, env!("CARGO_BIN_EXE_hub"), &[])
        .await
        .unwrap();
    let member = &fleet.members()[0];
    let clusters = everywhere_kind(fleet.hub().admin(), "Cluster");
    let connection = async || Ok::<_, kube::Error>(value(&clusters.get(member.name()).await?));
    let cluster = connection().await.unwrap();
    let granted = cluster["status"]["tokenLifetime"].clone();
    let at = cluster["spec"]["connection"]["kubeconfigSecret"].clone();

    let accounts: Api<ServiceAccount> = Api::namespaced(member.admin(), "hanse-system");
    let request = serde_json::from_value(json!({"spec": {"expirationSeconds": SHORT.as_secs()}})).unwrap();
    let answer = accounts
        .create_token_request("hub", &PostParams::default(), &request)
        .await
        .unwrap();
    let secrets: Api<Secret> = Api::namespaced(fleet.hub().admin(), at["namespace"].as_str().unwrap());
    let name = at["name"].as_str().unwrap();
    let mut secret = secrets.get(name).await.unwrap();
    let kubeconfig = secret.data.as_mut().unwrap().get_mut("kubeconfig").unwrap();
    let mut text: serde_json::Value = serde_json::from_slice(&kubeconfig.0).unwrap();
    text["users"][0]["user"]["token"] = json!(answer.status.unwrap().token.unwrap());
    kubeconfig.0 = text.to_string().into_bytes();
    secrets
        .replace(name, &PostParams::default(), &secret)
        .await
        .unwrap();

    let lifetime_is = async |wanted: &serde_json::Value| {
        let cluster = connection().await?;
        if cluster["status"]["tokenLifetime"] == *wanted {
            return Ok(());
        }
        Err(NotYet(cluster["status"].to_string()))
    };
    let short = json!("10m");
    assert_ne!(granted, short);
    let changed = Instant::now();
    eventually(
        Duration::from_secs(20),
        "the hub connects with what is in the Secret",
        async || lifetime_is(&short).await,
    )
    .await;
    let shop = Shop::open(&fleet, &federation, "token").await;
    shop.apply_and_wait(&[config_map("text", "with the short token")])
        .await;
    eventually(
        SHORT / 2,
        "the token is renewed after a third of its life",
        async || lifetime_is(&granted).await,
    )
    .await;
    eprintln!(
        "a token of {SHORT:?} was renewed {:?} after it was put there",
        changed.elapsed()
    );
    shop.apply_and_wait(&[config_map("text", "with the new token")])
        .await;
    shop.close().await;
}
