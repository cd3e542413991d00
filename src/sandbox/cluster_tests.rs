//! A whole cluster, as a client sees it.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Node};
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
