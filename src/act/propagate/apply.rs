//! Making one object in one member be what its intent says.
//!
//! ```text
//! row says so ────────────────────────────────► nothing to do
//! nothing recorded ─► create-only apply ─► new, or occupied ─► live read ─► ours: apply over · else Conflict
//! recorded         ─► apply over the version seen ─► 409 ─► live read ─► ours: once more · gone: create
//! ```

use serde_json::{Value, json};

use super::proof::is_ours;
use crate::{
    act::wire::{Created, Error, HubIdentity, Observed, Target},
    decide::render::Intent,
    model::{api::PlacedObject, hash::Hash},
};

/// What became of an apply.
#[derive(Debug)]
pub enum Applied {
    /// The member holds the intent; this is what to record, and the object as the member answered.
    Holds(Box<PlacedObject>, Box<Observed>),
    /// Something of that name is there and is not ours. Nothing was written.
    Conflict {
        /// Who made it, as far as its managedFields tell.
        owner: Option<String>,
    },
    /// Ours is being deleted by somebody; a new one can be made once it is gone.
    Terminating,
}

/// Who takes care of `spec.replicas`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replicas {
    /// The intent says it (or the kind has none).
    Ours,
    /// An autoscaler in the member does: the live value is handed over before the field is left.
    Autoscaled,
}

const TRIES: usize = 3;

/// Applies `intent` through `target` as whoever the target's client is.
pub async fn apply(
    hub: &HubIdentity,
    target: Target<'_>,
    intent: &Intent,
    first: &Value,
    recorded: Option<&PlacedObject>,
    seen_version: Option<&str>,
    replicas: Replicas,
) -> Result<Applied, Error> {
    let recorded_uid = recorded.and_then(|placed| placed.uid.as_deref());
    let mut seen = seen_version.map(str::to_owned);
    for _ in 0..TRIES {
        let version = match seen.take() {
            Some(version) => version,
            None if recorded_uid.is_none() => match target.create(&hub.manager, first).await? {
                Created::New(observed) => match replicas {
                    Replicas::Ours => return Ok(holds(hub, intent, *observed)),
                    Replicas::Autoscaled => observed.metadata.resource_version.unwrap_or_default(),
                },
                Created::Occupied => match look(hub, target, recorded_uid).await? {
                    Looked::Ours(version) => version,
                    Looked::Gone => continue,
                    Looked::Other(outcome) => return Ok(outcome),
                },
            },
            None => match look(hub, target, recorded_uid).await? {
                Looked::Ours(version) => version,
                Looked::Gone => {
                    return Box::pin(apply(hub, target, intent, first, None, None, replicas)).await;
                }
                Looked::Other(outcome) => return Ok(outcome),
            },
        };
        let version = match replicas {
            Replicas::Ours => version,
            Replicas::Autoscaled => hand_over_replicas(hub, target, version).await?,
        };
        match target.apply_over(&hub.manager, &intent.body, &version).await {
            Ok(observed) => return Ok(holds(hub, intent, observed)),
            // Changed since, or gone (an apply with a version and without an object is refused too).
            Err(error) if matches!(error.code(), Some(409 | 404)) => {}
            Err(error) => return Err(error),
        }
    }
    Err(Error::call(
        format!("apply {} in {TRIES} tries", target.key),
        kube::Error::Service("it keeps changing".into()),
    ))
}

enum Looked {
    Ours(String),
    Gone,
    Other(Applied),
}

async fn look(hub: &HubIdentity, target: Target<'_>, recorded_uid: Option<&str>) -> Result<Looked, Error> {
    let Some(live) = target.get().await? else {
        return Ok(Looked::Gone);
    };
    if !is_ours(hub, target.key, recorded_uid, &live) {
        let editor = live.managers.last_editor.map(|editor| editor.manager);
        let owner = editor.or_else(|| {
            live.managers
                .hubs
                .into_keys()
                .find(|manager| *manager != hub.manager)
        });
        return Ok(Looked::Other(Applied::Conflict { owner }));
    }
    if live.metadata.deletion_timestamp.is_some() {
        return Ok(Looked::Other(Applied::Terminating));
    }
    Ok(Looked::Ours(live.metadata.resource_version.unwrap_or_default()))
}

fn holds(hub: &HubIdentity, intent: &Intent, observed: Observed) -> Applied {
    let placed = PlacedObject {
        uid: observed.metadata.uid.clone(),
        hash: Some(intent.hash),
        owned: owned(hub, &observed),
        ..PlacedObject::new(&intent.key)
    };
    Applied::Holds(Box::new(placed), Box::new(observed))
}

/// Hash of the hub's own managedFields entry.
#[must_use]
fn owned(hub: &HubIdentity, observed: &Observed) -> Option<Hash> {
    observed.managers.hubs.get(&hub.manager).copied()
}

/// Dropping a field that only we own resets it: `replicas` would become 1. So while we still own it, a second
/// manager takes the live value first. Returns the version to apply over.
async fn hand_over_replicas(hub: &HubIdentity, target: Target<'_>, version: String) -> Result<String, Error> {
    let Some(live) = target.get_whole().await? else {
        return Ok(version);
    };
    let ours = live["metadata"]["managedFields"]
        .as_array()
        .is_some_and(|entries| {
            entries.iter().any(|entry| {
                entry["manager"] == hub.manager.as_str()
                    && entry["operation"] == "Apply"
                    && entry["fieldsV1"]["f:spec"].get("f:replicas").is_some()
            })
        });
    let version = live["metadata"]["resourceVersion"]
        .as_str()
        .map_or(version, str::to_owned);
    let Some(count) = live["spec"]["replicas"].as_i64().filter(|_| ours) else {
        return Ok(version);
    };
    let body = json!({
        "apiVersion": live["apiVersion"], "kind": live["kind"],
        "metadata": {"name": live["metadata"]["name"], "namespace": live["metadata"]["namespace"]},
        "spec": {"replicas": count},
    });
    let observed = target
        .apply_over(&hub.replicas_manager(), &body, &version)
        .await?;
    Ok(observed.metadata.resource_version.unwrap_or_default())
}
