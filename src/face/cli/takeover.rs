//! `hub takeover`: claims a member that another hub, or a restored copy, held.

use serde_json::json;

use super::{
    args::{Global, Takeover},
    context::Hub,
    failure::{Exit, Failure},
    member,
    output::Screen,
    progress::Progress,
};
use crate::act::fleet::takeover;

pub(super) async fn run(global: &Global, screen: Screen, wanted: &Takeover) -> Result<Exit, Failure> {
    let owned = member::as_owner(&wanted.member_kubeconfig, &wanted.access).await?;
    let hub = Hub::connect(global).await?;
    let joiner = owned.joiner(&hub, &wanted.name);
    let mut progress = Progress::new(screen);
    let claim = takeover(&joiner, |step| progress.doing(step))
        .await
        .map_err(|error| member::failure(&wanted.name, &error))?;
    drop(progress);
    if !screen.structured(global.output, &json!({"name": wanted.name, "hub": claim.hub}))? {
        screen.data(&format!(
            "claimed {} for hub {}\nIf it is no member yet: hub join {} --member-kubeconfig FILE",
            wanted.name, claim.hub, wanted.name
        ))?;
    }
    Ok(Exit::Done)
}
