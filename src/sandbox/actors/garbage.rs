//! Garbage collection by `ownerReferences`: what lost its last owner goes; owners that leave orphan their dependents,
//! or wait for them.

use std::time::Duration;

use serde_json::Value;

use super::act::{Desk, just};
use super::engine::{Actor, Wake};
use super::owners;
use crate::sandbox::api::{DeleteOptions, Propagation};
use crate::sandbox::failure::Failure;
use crate::sandbox::object::{self, Object};
use crate::sandbox::store::{Change, Key};
use crate::sandbox::write::Writer;

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

/// How an owner does that an object names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    There,
    /// It is gone, or something else has its name.
    Gone,
    /// It waits for its dependents.
    Waits,
}

/// What becomes of a dependent.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    Stays,
    /// These owners are struck from its list, by uid.
    LetGo(Vec<String>),
    Goes(Propagation),
}

/// By the owners of an object: one that is there keeps it. `has_dependents` asks for its own dependents.
fn fate(object: &Value, owner: impl Fn(&Value) -> Owner, has_dependents: impl Fn() -> bool) -> Fate {
    let references = owners::references(object);
    let states: Vec<Owner> = references.iter().map(owner).collect();
    if states.is_empty() || states.iter().all(|state| *state == Owner::There) {
        return Fate::Stays;
    }
    if states.contains(&Owner::There) {
        let lost = references.iter().zip(&states);
        let lost = lost.filter(|(_, state)| **state != Owner::There);
        return Fate::LetGo(
            lost.filter_map(|(reference, _)| reference["uid"].as_str().map(str::to_owned))
                .collect(),
        );
    }
    if object::is_deleting(object) {
        return Fate::Stays;
    }
    if states.contains(&Owner::Waits) && has_dependents() {
        return Fate::Goes(Propagation::Foreground);
    }
    Fate::Goes(if has(object, ORPHAN) {
        Propagation::Orphan
    } else if has(object, FOREGROUND) {
        Propagation::Foreground
    } else {
        Propagation::Background
    })
}

fn has(object: &Value, finalizer: &str) -> bool {
    let finalizers = object["metadata"]["finalizers"].as_array();
    finalizers.is_some_and(|finalizers| finalizers.iter().any(|one| one == finalizer))
}

fn without(object: &Value, finalizer: &str) -> Value {
    let mut new = object.clone();
    if let Some(Value::Array(finalizers)) = object::metadata_mut(&mut new).get_mut("finalizers") {
        finalizers.retain(|one| one != finalizer);
    }
    new
}

/// The garbage collector.
#[derive(Debug)]
pub(super) struct Garbage;

impl Actor for Garbage {
    fn writer(&self) -> Writer {
        Writer::controller("generic-garbage-collector")
    }

    fn observe(&mut self, change: &Change, desk: &Desk<'_>, wake: &mut Wake<'_>) {
        let dependents = |object: &Value, wake: &mut Wake<'_>| {
            for key in desk.dependents.of(object::uid(object)) {
                wake.add(key.clone());
            }
        };
        match (&change.old, &change.new) {
            (Some(old), None) => {
                dependents(old, wake);
                // An owner may wait for this one.
                for reference in owners::references(old) {
                    if let Some(owner) = desk.owner(old, reference)
                        && object::is_deleting(&owner)
                    {
                        wake.add(desk.key(&owner, reference));
                    }
                }
            }
            (_, Some(new)) => {
                let lost = owners::references(new)
                    .iter()
                    .any(|reference| desk.state(new, reference) != Owner::There);
                let leaving = object::is_deleting(new) && (has(new, FOREGROUND) || has(new, ORPHAN));
                if lost || leaving {
                    wake.add(change.key.clone());
                }
            }
            (None, None) => {}
        }
    }

    fn reconcile(&mut self, key: &Key, desk: &Desk<'_>) -> Result<Option<Duration>, Failure> {
        let Some(object) = desk.get(key) else {
            return Ok(None);
        };
        if object::is_deleting(&object) {
            if has(&object, ORPHAN) {
                return orphan(key, &object, desk).map(|()| None);
            }
            if has(&object, FOREGROUND) {
                return wait(key, &object, desk).map(|()| None);
            }
        }
        let has_dependents = || desk.dependents.of(object::uid(&object)).next().is_some();
        match fate(
            &object,
            |reference| desk.state(&object, reference),
            has_dependents,
        ) {
            Fate::Stays => {}
            Fate::LetGo(uids) => {
                let uids: Vec<&str> = uids.iter().map(String::as_str).collect();
                desk.replace(key, owners::released(&object, &uids))?;
            }
            Fate::Goes(propagation) => remove(key, &object, propagation, desk)?,
        }
        Ok(None)
    }
}

fn remove(key: &Key, object: &Object, propagation: Propagation, desk: &Desk<'_>) -> Result<(), Failure> {
    let options = DeleteOptions {
        propagation,
        resource_version: Some(object::meta(object, "resourceVersion").to_owned()),
        ..just(object)
    };
    desk.delete(&key.resource, object, &options)
}

/// Strikes a leaving owner from its dependents, then lets it go.
fn orphan(key: &Key, owner: &Object, desk: &Desk<'_>) -> Result<(), Failure> {
    let uid = object::uid(owner);
    for dependent in desk.dependents.of(uid) {
        if let Some(object) = desk.get(dependent) {
            desk.replace(dependent, owners::released(&object, &[uid]))?;
        }
    }
    desk.replace(key, without(owner, ORPHAN))
}

/// Deletes the dependents of a leaving owner; it goes when none is left that blocks it.
fn wait(key: &Key, owner: &Object, desk: &Desk<'_>) -> Result<(), Failure> {
    let uid = object::uid(owner);
    let mut blocked = false;
    for dependent in desk.dependents.of(uid) {
        let Some(object) = desk.get(dependent) else {
            continue;
        };
        blocked |= owners::references(&object)
            .iter()
            .any(|reference| reference["uid"] == uid && reference["blockOwnerDeletion"] == true);
        let has_dependents = || desk.dependents.of(object::uid(&object)).next().is_some();
        match fate(
            &object,
            |reference| desk.state(&object, reference),
            has_dependents,
        ) {
            Fate::Goes(propagation) => remove(dependent, &object, propagation, desk)?,
            Fate::LetGo(_) => desk.replace(dependent, owners::released(&object, &[uid]))?,
            Fate::Stays => {}
        }
    }
    if blocked {
        return Ok(());
    }
    desk.replace(key, without(owner, FOREGROUND))
}

impl Desk<'_> {
    /// The object that a reference means, if it is there.
    fn owner(&self, dependent: &Value, reference: &Value) -> Option<Object> {
        let group = group_of(reference);
        let kinds = self.server.kinds();
        let resource = kinds.kind(group, reference["kind"].as_str()?)?;
        let namespace = object::namespace(dependent).filter(|_| resource.namespaced);
        let key = Key::new(&resource.qualified(), namespace, reference["name"].as_str()?);
        self.get(&key)
            .filter(|owner| reference["uid"] == object::uid(owner))
    }

    fn state(&self, dependent: &Value, reference: &Value) -> Owner {
        let kind = reference["kind"].as_str().unwrap_or_default();
        let kinds = self.server.kinds();
        // Of a kind that nobody knows nothing can be said.
        if kinds.kind(group_of(reference), kind).is_none() {
            return Owner::There;
        }
        match self.owner(dependent, reference) {
            None => Owner::Gone,
            Some(owner) if object::is_deleting(&owner) && has(&owner, FOREGROUND) => Owner::Waits,
            Some(_) => Owner::There,
        }
    }

    fn key(&self, owner: &Value, reference: &Value) -> Key {
        let kinds = self.server.kinds();
        let kind = reference["kind"].as_str().unwrap_or_default();
        let resource = kinds.kind(group_of(reference), kind);
        let stored = resource.map(|resource| resource.qualified()).unwrap_or_default();
        Key::new(&stored, object::namespace(owner), object::name(owner))
    }
}

fn group_of(reference: &Value) -> &str {
    let version = reference["apiVersion"].as_str().unwrap_or_default();
    version.split_once('/').map_or("", |(group, _)| group)
}
