//! `hub leave`: lets a member go.

use std::fmt::Write;

use super::{
    args::{Global, Leave},
    context::Hub,
    failure::{Exit, Failure},
    member,
    output::Screen,
    progress::Progress,
};
use crate::act::fleet::{Drain, drain, footprint_commands, forget, forget_secret, remove_footprint};

pub(super) async fn run(global: &Global, screen: Screen, wanted: &Leave) -> Result<Exit, Failure> {
    // The kubeconfig is read first: a mistake in it must not be noticed only after draining.
    let owned = match &wanted.member_kubeconfig {
        Some(file) => Some(member::as_owner(file, &wanted.access).await?),
        None => None,
    };
    let hub = Hub::connect(global).await?;
    let name = &wanted.name;
    let failed = |error| member::failure(name, &error);
    let mut progress = Progress::new(screen);
    if wanted.forget {
        progress.doing("forgetting the member and what was placed there");
        forget(&hub.client, name).await.map_err(failed)?;
    } else {
        progress.doing(&format!("draining {name}"));
        let drained = drain(&hub.client, name, wanted.timeout.0, |bindings| {
            progress.waiting(&format!("draining {name}: {bindings} bindings still name it"));
        })
        .await
        .map_err(failed)?;
        match drained {
            Some(Drain::Waiting { bindings }) => {
                return Err(Failure::timed_out(format!("{name} is not drained yet: {bindings} bindings still name it")).with_hint(
                    "the hub goes on; run the same command again to wait on. If the member is gone for good: --forget",
                ));
            }
            Some(Drain::Done) => forget_secret(&hub.client, name).await.map_err(failed)?,
            // Left before: what is in the member may still have to go.
            None if owned.is_some() => forget_secret(&hub.client, name).await.map_err(failed)?,
            None => {
                return Err(member::failure(
                    name,
                    &crate::act::fleet::JoinError::NotJoined { name: name.clone() },
                ));
            }
        }
    }
    let Some(owned) = owned else {
        drop(progress);
        let mut text = format!(
            "{name} has left. What join made there is still there; its owner removes it, in this order, with:\n"
        );
        for command in footprint_commands() {
            let _ = writeln!(text, "  {command}");
        }
        screen.data(&text)?;
        return Ok(Exit::Done);
    };
    let kept = remove_footprint(&owned.client, |step| progress.doing(step))
        .await
        .map_err(failed)?;
    drop(progress);
    for what in kept {
        screen.words(&format!("kept {what}"));
    }
    screen.data(&format!("{name} has left"))?;
    Ok(Exit::Done)
}
