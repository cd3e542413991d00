//! One workload placed on all members: how long until it is in each of them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{DeleteParams, PostParams};
use kube::core::PartialObjectMeta;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, ResourceExt};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::Failed;
use crate::fleet::Large;

const WITHIN: Duration = Duration::from_mins(1);

/// A Deployment came to a member, or went.
struct Sighting {
    member: String,
    name: String,
    there: bool,
    at: Instant,
}

/// Until it was in the last member, each time.
pub(crate) async fn run(large: &Large, times: usize) -> Result<Vec<Duration>, Failed> {
    let (seen, mut sightings) = mpsc::channel::<Sighting>(10_000);
    let mut watches = JoinSet::new();
    for member in &large.members {
        let deployments: Api<PartialObjectMeta<Deployment>> =
            Api::namespaced(member.unfaulted(), "everywhere");
        let (seen, from) = (seen.clone(), member.name().to_owned());
        let mut events = watcher(deployments, watcher::Config::default())
            .default_backoff()
            .boxed();
        watches.spawn(async move {
            while let Some(event) = events.next().await {
                let (object, there) = match event {
                    Ok(watcher::Event::Apply(object)) => (object, true),
                    Ok(watcher::Event::Delete(object)) => (object, false),
                    _ => continue,
                };
                let sighting = Sighting {
                    member: from.clone(),
                    name: object.name_any(),
                    there,
                    at: Instant::now(),
                };
                let _ = seen.send(sighting).await;
            }
        });
    }
    let templates: Api<Deployment> = Api::namespaced(large.hub.unfaulted(), "everywhere");
    let mut took = Vec::new();
    // The first one makes the namespace in every member, and is not counted.
    for number in 0..=times {
        let name = format!("web-{number}");
        let asked = Instant::now();
        templates
            .create(&PostParams::default(), &deployment(&name))
            .await?;
        let arrived = all(large, &mut sightings, &name, true).await?;
        if number > 0 {
            took.push(arrived.duration_since(asked));
        }
        templates.delete(&name, &DeleteParams::background()).await?;
        all(large, &mut sightings, &name, false).await?;
    }
    took.sort();
    eprintln!("one workload to all members, {times} times: {took:.0?}");
    Ok(took)
}

/// Waits until it came to every member, or went from there; when the last one did is returned.
async fn all(
    large: &Large,
    sightings: &mut mpsc::Receiver<Sighting>,
    name: &str,
    there: bool,
) -> Result<Instant, Failed> {
    // Its status is told too: of each member the first time counts.
    let mut first = BTreeMap::new();
    let deadline = tokio::time::Instant::now() + WITHIN;
    while first.len() < large.members.len() {
        let next = tokio::time::timeout_at(deadline, sightings.recv()).await;
        let Sighting {
            member,
            name: of,
            there: is_there,
            at,
        } = next
            .map_err(|_| {
                format!(
                    "{name}: {} members only\n{}",
                    first.len(),
                    large.serve.last_words()
                )
            })?
            .ok_or("the watches ended")?;
        if of == name && is_there == there {
            first.entry(member).or_insert(at);
        }
    }
    first.into_values().max().ok_or_else(|| "no members".into())
}

/// Paused: its controller says once that it has seen it, and makes no pods.
fn deployment(name: &str) -> Deployment {
    let object = json!({
        "metadata": {"name": name},
        "spec": {
            "replicas": 1, "paused": true,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "app", "image": "registry.k8s.io/pause:3.10"}]},
            },
        },
    });
    serde_json::from_value(object).unwrap_or_default()
}
