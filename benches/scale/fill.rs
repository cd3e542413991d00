//! Many templates, each for one member.

use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};

use crate::Failed;
use crate::fleet::{Large, namespace_of};
use crate::harness::Usage;

const IN_FLIGHT: usize = 16;
const WITHIN: Duration = Duration::from_hours(1);

/// What it took.
#[derive(Clone, Debug)]
pub(crate) struct Filled {
    pub(crate) bindings: usize,
    pub(crate) took: Duration,
    pub(crate) hub: Usage,
}

pub(crate) async fn run(large: &Large, bindings: usize) -> Result<Filled, Failed> {
    let started = Instant::now();
    let before = large.serve.usage();
    let client = large.hub.unfaulted();
    let progress = async {
        loop {
            tokio::time::sleep(Duration::from_secs(15)).await;
            let there: usize = large.members.iter().map(hanse::sandbox::Cluster::objects).sum();
            eprintln!(
                "{there} objects in members, {} at the hub API, after {:.0?}; hub {} MiB, {:.0} CPU-s",
                large.hub.objects(),
                started.elapsed(),
                large.serve.usage().mebibytes(),
                large.serve.usage().cpu_seconds()
            );
        }
    };
    let fill = async {
        stream::iter(0..bindings)
            .map(|number| {
                let maps: Api<ConfigMap> = Api::namespaced(
                    client.clone(),
                    &namespace_of(&large.members[number % large.members.len()]),
                );
                async move {
                    let map = ConfigMap {
                        metadata: ObjectMeta {
                            name: Some(name(number)),
                            labels: Some([("app".to_owned(), "bench".to_owned())].into()),
                            ..ObjectMeta::default()
                        },
                        data: Some([("number".to_owned(), number.to_string())].into()),
                        ..ConfigMap::default()
                    };
                    maps.create(&PostParams::default(), &map).await
                }
            })
            .buffer_unordered(IN_FLIGHT)
            .try_for_each(async |_| Ok(()))
            .await?;
        large.quiet(WITHIN).await
    };
    let done: Instant = tokio::select! {
        done = fill => done?,
        () = progress => unreachable!("it goes on for ever"),
    };
    // Everything is where it belongs, or what follows would measure something else.
    for (number, member) in large.members.iter().enumerate() {
        let expected = (0..bindings).skip(number).step_by(large.members.len()).count();
        let maps: Api<ConfigMap> = Api::namespaced(member.unfaulted(), &namespace_of(member));
        let labelled = kube::api::ListParams::default().labels("app=bench");
        let there = maps.list_metadata(&labelled).await?.items.len();
        if there != expected {
            return Err(format!(
                "{} has {there} of {expected}\n{}",
                member.name(),
                large.serve.last_words()
            )
            .into());
        }
    }
    let filled = Filled {
        bindings,
        took: done.duration_since(started),
        hub: large.serve.usage() - before,
    };
    eprintln!("filled: {filled:?}");
    Ok(filled)
}

pub(crate) fn name(number: usize) -> String {
    format!("map-{number}")
}
