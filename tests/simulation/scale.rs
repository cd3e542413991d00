//! How large and how long a simulation may be. Wall times are printed; what is asserted is far beyond them.

use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use hanse::face::cli::embedded::tokio_clock;
use hanse::sandbox::{Cluster, Options};
use k8s_openapi::api::core::v1::{ConfigMap, Node, Pod};
use kube::Api;
use kube::runtime::watcher;

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
