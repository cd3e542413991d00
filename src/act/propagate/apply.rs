//! Making one object in one member be what its intent says.
//!
//! ```text
//! row says so ────────────────────────────────► nothing to do
//! nothing recorded ─► create-only apply ─► new, or occupied ─► live read ─► ours: apply over · else Conflict, or adopt
//! recorded         ─► apply over the version seen ─► 409 ─► live read ─► ours: once more · gone: create
//! ```
//!
//! Before anything is applied over an object, the fields that are left to the member are handed over.

use serde_json::Value;

use super::{adopt::adopt, hand_over::settle, proof::is_ours};
use crate::{
    act::wire::{Created, Error, HubIdentity, Observed, Target},
    decide::render::Intent,
    model::{api::PlacedObject, hash::Hash, schema::Pointer},
};

/// What a member should hold, and what is known of what it holds.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// The object, without the fields that are left to the member.
    pub intent: &'a Intent,
    /// What a create sends: with those fields.
    pub first: &'a Value,
    /// What was written there before.
    pub recorded: Option<&'a PlacedObject>,
    /// The version that was seen of what is recorded.
    pub seen_version: Option<&'a str>,
    /// The fields that are left to the member.
    pub left: &'a [Pointer],
    /// Whether an object of somebody else is taken over.
    pub adopt: bool,
}

/// What became of an apply.
#[derive(Debug)]
pub enum Applied {
    /// The member holds the intent; this is what to record, and the object as the member answered.
    Holds(Box<PlacedObject>, Box<Observed>),
    /// As `Holds`, of an object that was somebody else's until now; and what changed in it, for people.
    Adopted(Box<PlacedObject>, Box<Observed>, String),
    /// Something of that name is there and is not ours. Nothing was written.
    Conflict {
        /// Who made it, as far as its managedFields tell.
        owner: Option<String>,
        /// Why it was not taken over although that was wished.
        why: Option<String>,
    },
    /// Ours is being deleted by somebody; a new one can be made once it is gone.
    Terminating,
}

const TRIES: usize = 3;

/// Applies the wish through `target` as whoever the target's client is.
pub async fn apply(hub: &HubIdentity, target: Target<'_>, wish: Wish<'_>) -> Result<Applied, Error> {
    let Wish {
        intent,
        first,
        recorded,
        seen_version,
        left,
        ..
    } = wish;
    let recorded_uid = recorded.and_then(|placed| placed.uid.as_deref());
    let mut seen = seen_version.map(str::to_owned);
    for _ in 0..TRIES {
        let version = match seen.take() {
            Some(version) => version,
            None if recorded_uid.is_none() => match target.create(&hub.manager, first).await? {
                Created::New(observed) if left.is_empty() => return Ok(holds(hub, intent, *observed)),
                Created::New(observed) => observed.metadata.resource_version.unwrap_or_default(),
                Created::Occupied => match look(hub, target, recorded_uid).await? {
                    Looked::Ours(version) => version,
                    Looked::Gone => continue,
                    Looked::Theirs(owner) => return foreign(hub, target, wish, owner).await,
                    Looked::Ending => return Ok(Applied::Terminating),
                },
            },
            None => match look(hub, target, recorded_uid).await? {
                Looked::Ours(version) => version,
                Looked::Gone => {
                    let anew = Wish {
                        recorded: None,
                        seen_version: None,
                        ..wish
                    };
                    return Box::pin(apply(hub, target, anew)).await;
                }
                Looked::Theirs(owner) => return foreign(hub, target, wish, owner).await,
                Looked::Ending => return Ok(Applied::Terminating),
            },
        };
        let version = if left.is_empty() {
            version
        } else {
            match settle(hub, target, left).await? {
                Some(version) => version,
                None => continue, // changed since, or gone
            }
        };
        match target.apply_over(&hub.manager, &intent.body, &version).await {
            // Something was left to the member, and is not any more.
            Ok(observed) if left.is_empty() && observed.managers.hubs.contains_key(&hub.second_manager()) => {
                seen = settle(hub, target, left).await?;
            }
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

async fn foreign(
    hub: &HubIdentity,
    target: Target<'_>,
    wish: Wish<'_>,
    owner: Option<String>,
) -> Result<Applied, Error> {
    if wish.adopt {
        return adopt(hub, target, wish.intent, owner).await;
    }
    Ok(Applied::Conflict { owner, why: None })
}

enum Looked {
    Ours(String),
    Gone,
    Ending,
    Theirs(Option<String>),
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
        return Ok(Looked::Theirs(owner));
    }
    if live.metadata.deletion_timestamp.is_some() {
        return Ok(Looked::Ending);
    }
    Ok(Looked::Ours(live.metadata.resource_version.unwrap_or_default()))
}

fn holds(hub: &HubIdentity, intent: &Intent, observed: Observed) -> Applied {
    Applied::Holds(Box::new(record(hub, intent, &observed)), Box::new(observed))
}

/// What is written down of an object that holds the intent.
pub(super) fn record(hub: &HubIdentity, intent: &Intent, observed: &Observed) -> PlacedObject {
    PlacedObject {
        uid: observed.metadata.uid.clone(),
        hash: Some(intent.hash),
        owned: owned(hub, observed),
        ..PlacedObject::new(&intent.key)
    }
}

/// Hash of the hub's own managedFields entry.
#[must_use]
fn owned(hub: &HubIdentity, observed: &Observed) -> Option<Hash> {
    observed.managers.hubs.get(&hub.manager).copied()
}
