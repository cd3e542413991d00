//! How large and how long a simulation may be. Wall times are printed; what is asserted is far beyond them.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use hanse::face::cli::embedded::tokio_clock;
use hanse::sandbox::{Cluster, Options};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Node, Pod};
use kube::Api;
use kube::api::{ListParams, PostParams};
use kube::runtime::wait::await_condition;
use kube::runtime::watcher;
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn a_virtual_hour_of_200_members_with_3_watches_each() {
    let clock = tokio_clock();
    let started = Instant::now();
    let members: Vec<Cluster> = (1..=200)
        .map(|number| {
            let mut options = Options::member(number);
            options.clock = clock.clone();
            Cluster::start(&options)
        })
        .collect();
    let up = started.elapsed();
    let mut watches = tokio::task::JoinSet::new();
    for member in &members {
        let config = watcher::Config::default();
        let nodes = watcher(Api::<Node>::all(member.admin()), config.clone()).map_ok(drop);
        let pods = watcher(Api::<Pod>::all(member.admin()), config.clone()).map_ok(drop);
        let maps = watcher(Api::<ConfigMap>::all(member.admin()), config).map_ok(drop);
        for watch in [nodes.boxed(), pods.boxed(), maps.boxed()] {
            watches.spawn(watch.try_for_each(async |()| Ok(())));
        }
    }
    let hour = Instant::now();
    tokio::time::sleep(Duration::from_hours(1)).await;
    let took = hour.elapsed();
    eprintln!("200 members up in {up:.2?}; a virtual hour of 600 watches in {took:.2?}");
    assert!(took < 4 * Duration::from_secs(5), "{took:?}");
    assert_eq!(watches.len(), 600, "a watch has ended");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_pods_of_one_deployment() {
    let mut options = Options::member(1);
    options.clock = tokio_clock();
    options.nodes = 10;
    let cluster = Cluster::start(&options);
    let (client, lives) = (cluster.admin(), tokio::time::Instant::now());
    tokio::time::sleep(Duration::from_secs(1)).await;

    let (started, before) = (Instant::now(), resident_bytes());
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), "default");
    let web = serde_json::from_value(json!({
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 1000,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{
                    "name": "web", "image": "nginx:1.27",
                    "ports": [{"containerPort": 80}],
                    "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}},
                    "readinessProbe": {"httpGet": {"path": "/", "port": 80}},
                }]},
            },
        },
    }));
    deployments
        .create(&PostParams::default(), &web.unwrap())
        .await
        .unwrap();
    let ready = await_condition(deployments, "web", |web: Option<&Deployment>| {
        let status = web.and_then(|web| web.status.as_ref());
        status.and_then(|status| status.ready_replicas) == Some(1000)
    });
    ready.await.unwrap();
    let (took, virtually) = (started.elapsed(), lives.elapsed());
    let grown = resident_bytes().saturating_sub(before);

    let pods = Api::<Pod>::namespaced(client, "default");
    let pods = pods.list(&ListParams::default()).await.unwrap().items;
    let nodes: BTreeSet<_> = pods
        .iter()
        .filter_map(|pod| pod.spec.as_ref()?.node_name.clone())
        .collect();
    eprintln!(
        "1,000 pods on {} nodes ready in {took:.2?}, {virtually:.0?} of virtual time; {} bytes resident a pod",
        nodes.len(),
        grown / 1000,
    );
    assert_eq!((pods.len(), nodes.len()), (1000, 10));
    assert!(virtually < Duration::from_mins(2), "{virtually:?}");
    assert!(took < 4 * Duration::from_secs(2), "{took:?}");
}

/// Of this process.
fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = pages.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    pages.unwrap_or(0) * 4096
}
