//! A whole cluster, as a client sees it.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Node, ServiceAccount};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;

use super::*;
use crate::model::clock::{Clock, Timestamp};

async fn deployed(client: &Client, name: &str, replicas: i32) -> Duration {
    let started = tokio::time::Instant::now();
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), "shop");
    let body = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "shop"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "app", "image": "pause", "resources": {"requests": {"cpu": "10m"}}}]},
            },
        },
    });
    deployments
        .patch(name, &PatchParams::apply("test"), &Patch::Apply(&body))
        .await
        .unwrap();
    loop {
        let found = deployments.get(name).await.unwrap();
        if found.status.and_then(|status| status.ready_replicas) == Some(replicas) {
            return started.elapsed();
        }
        assert!(
            started.elapsed() < Duration::from_mins(1),
            "{name} is not ready: {:?}",
            deployments.get(name).await
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A clock that goes with tokio's.
fn passing() -> Clock {
    let started = tokio::time::Instant::now();
    Clock::from_fn(move || {
        let passed = jiff::SignedDuration::try_from(started.elapsed()).unwrap();
        Timestamp::UNIX_EPOCH + passed
    })
}

#[tokio::test(start_paused = true)]
async fn a_deployment_runs() {
    let mut options = Options::member(1);
    options.clock = passing();
    let cluster = Cluster::start(&options);
    let client = cluster.admin();
    let nodes: Api<Node> = Api::all(client.clone());
    assert_eq!(
        nodes
            .list(&kube::api::ListParams::default())
            .await
            .unwrap()
            .items
            .len(),
        3
    );
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let shop: Namespace = serde_json::from_value(json!({"metadata": {"name": "shop"}})).unwrap();
    namespaces.create(&PostParams::default(), &shop).await.unwrap();
    let took = deployed(&client, "web", 3).await;
    assert!(took < Duration::from_secs(3), "{took:?}");
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stale_read_is_of_the_past_and_a_watch_goes_on_from_there_in_order() {
    let mut options = Options::member(1);
    options.clock = passing();
    let cluster = Cluster::start(&options);
    let maps: Api<ConfigMap> = Api::namespaced(cluster.unfaulted(), "default");
    let second = Duration::from_secs(1);
    for turn in 0..4 {
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "words"}, "data": {"turn": turn.to_string()}});
        let params = PatchParams::apply("test");
        maps.patch("words", &params, &Patch::Apply(&map)).await.unwrap();
        tokio::time::sleep(second).await;
    }
    maps.delete("words", &kube::api::DeleteParams::default())
        .await
        .unwrap();

    let stale: Api<ConfigMap> = Api::namespaced(cluster.admin(), "default");
    let turn = |map: &ConfigMap| map.data.as_ref().unwrap()["turn"].clone();
    cluster.faults().set_odds(crate::sandbox::Odds {
        stale_reads: 1000,
        ..crate::sandbox::Odds::default()
    });
    let half = Duration::from_millis(500);
    for (back, expected) in [(half, "3"), (half + second, "2"), (half + 3 * second, "0")] {
        cluster.faults().set_lag(back..back);
        assert_eq!(turn(&stale.get("words").await.unwrap()), expected, "{back:?} ago");
        let listed = stale.list(&kube::api::ListParams::default()).await.unwrap();
        let found = listed
            .items
            .iter()
            .find(|map| map.metadata.name.as_deref() == Some("words"));
        assert_eq!(turn(found.unwrap()), expected, "{back:?} ago");
    }
    let config = kube::runtime::watcher::Config::default().streaming_lists();
    let mut seen = Vec::new();
    let mut events = std::pin::pin!(kube::runtime::watcher(
        stale,
        config.fields("metadata.name=words")
    ));
    while let Some(Ok(event)) = futures::StreamExt::next(&mut events).await {
        use kube::runtime::watcher::Event;
        match event {
            Event::InitApply(map) | Event::Apply(map) => seen.push(turn(&map)),
            Event::Delete(_) => break,
            Event::Init | Event::InitDone => {}
        }
    }
    assert_eq!(seen, ["0", "1", "2", "3"]);
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_wrong_clock_tells_wrong_times_and_ends_tokens_when_it_says_so() {
    let mut options = Options::member(1);
    options.clock = passing();
    let cluster = Cluster::start(&options);
    let hour = jiff::SignedDuration::from_hours(1);
    let accounts: Api<ServiceAccount> = Api::namespaced(cluster.unfaulted(), "default");
    let made = async |name: &str| {
        let account = ServiceAccount {
            metadata: kube::api::ObjectMeta {
                name: Some(name.to_owned()),
                ..Default::default()
            },
            ..ServiceAccount::default()
        };
        let account = accounts.create(&PostParams::default(), &account).await.unwrap();
        account.metadata.creation_timestamp.unwrap().0
    };
    let before = made("before").await;
    cluster.faults().set_clock_skew(-hour);
    assert_eq!(made("behind").await, before - hour);
    let token = TokenRequest::default();
    let token = accounts
        .create_token_request("behind", &PostParams::default(), &token)
        .await
        .unwrap();
    let ends = token.status.unwrap().expiration_timestamp.unwrap().0;
    assert_eq!(ends, before, "an hour from what the clock says");
    cluster.faults().clear();
    assert_eq!(made("after").await, before);
    cluster.stop().await;
}
