//! `hub delete`: the reverse of apply.

use std::collections::BTreeSet;

use futures::{StreamExt, stream};
use kube::{Error as KubeError, api::DeleteParams};
use tokio::time::{Duration, Instant};

use super::{
    apply::LANES,
    args::{Delete, Global},
    context::Hub,
    failure::{Exit, Failure},
    kinds::Kinds,
    locate::{Item, locate},
    output::Screen,
    plan::Phase,
    progress::Progress,
    sources::gather,
};

pub(super) async fn run(global: &Global, screen: Screen, wanted: &Delete) -> Result<Exit, Failure> {
    let (documents, _) = gather(&wanted.filename).sound()?;
    let hub = Hub::connect(global).await?;
    let deadline = Instant::now() + wanted.timeout.0;
    let kinds = Kinds::discover(&hub.client)
        .await
        .map_err(|error| Failure::hub("read the kinds of the hub API", &error))?;
    let (items, _) = locate(&hub, &documents, &kinds, &BTreeSet::new())?;
    let mut progress = Progress::new(screen);
    for phase in Phase::ALL.into_iter().rev() {
        let now: Vec<&Item<'_>> = items
            .iter()
            .filter(|item| Phase::of(item.document) == phase)
            .rev()
            .collect();
        if now.is_empty() {
            continue;
        }
        progress.doing(&format!("deleting {} {}", now.len(), phase.words()));
        let mut answers = stream::iter(&now)
            .map(|item| {
                let hub = &hub;
                async move {
                    (
                        item,
                        item.api(hub)
                            .delete(item.document.name(), &DeleteParams::background())
                            .await,
                    )
                }
            })
            .buffered(LANES);
        while let Some((item, answer)) = answers.next().await {
            match answer {
                Ok(_) => screen.data(&format!("{} deleted", item.shown()))?,
                Err(KubeError::Api(status)) if status.code == 404 => {
                    screen.words(&format!("{} was not there", item.shown()));
                }
                Err(error) => return Err(Failure::hub(&format!("delete {}", item.shown()), &error)),
            }
        }
        drop(answers);
        for item in now {
            gone(&hub, item, &mut progress, deadline).await?;
        }
    }
    Ok(Exit::Done)
}

/// Waits until the object is gone: finalizers hold it while the hub takes it out of members.
async fn gone(hub: &Hub, item: &Item<'_>, progress: &mut Progress, deadline: Instant) -> Result<(), Failure> {
    loop {
        let found = item
            .api(hub)
            .get_metadata_opt(item.document.name())
            .await
            .map_err(|error| Failure::hub(&format!("read {}", item.shown()), &error))?;
        // One without a mark of deletion was made again by somebody else.
        let Some(found) = found.filter(|found| found.metadata.deletion_timestamp.is_some()) else {
            return Ok(());
        };
        let finalizers = found.metadata.finalizers.unwrap_or_default().join(", ");
        progress.waiting(&format!("waiting until {} is gone ({finalizers})", item.shown()));
        if Instant::now() >= deadline {
            return Err(Failure::timed_out(format!(
                "{} is not gone yet: {finalizers} holds it",
                item.shown()
            ))
            .with_hint(
                "it goes when its finalizer is done; is `hub serve` running, and does every member answer?",
            ));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
