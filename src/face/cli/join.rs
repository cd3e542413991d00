//! `hub join`: registers a member.

use serde_json::json;

use super::{
    args::{Global, Join},
    context::Hub,
    failure::{Exit, Failure},
    member,
    output::Screen,
    progress::Progress,
};
use crate::{
    act::fleet::{Wishes, join},
    model::clock::{Clock, format_seconds},
};

pub(super) async fn run(global: &Global, screen: Screen, wanted: &Join) -> Result<Exit, Failure> {
    let owned = member::as_owner(&wanted.member_kubeconfig, &wanted.access).await?;
    let hub = Hub::connect(global).await?;
    let joiner = owned.joiner(&hub, &wanted.name);
    let wishes = Wishes {
        labels: wanted.labels.iter().cloned().collect(),
        region: wanted.region.clone(),
        zone: wanted.zone.clone(),
        provider: wanted.provider.clone(),
    };
    let mut progress = Progress::new(screen);
    let done = join(&joiner, &wishes, wanted.refresh, Clock::system().now(), |step| {
        progress.doing(step);
    })
    .await
    .map_err(|error| member::failure(&wanted.name, &error))?;
    drop(progress);
    let expires = format_seconds(done.expires);
    let value = json!({"name": wanted.name, "version": done.version, "tokenExpires": expires});
    if !screen.structured(global.output, &value)? {
        let word = if wanted.refresh { "refreshed" } else { "joined" };
        screen.data(&format!(
            "{word} {}: Kubernetes {}, token until {expires}",
            wanted.name, done.version
        ))?;
    }
    Ok(Exit::Done)
}
