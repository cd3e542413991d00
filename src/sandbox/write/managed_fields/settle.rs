//! Who gains and who loses when an object changes.

use serde_json::Value;

use super::owners::{self, Operation, Owner, Owners, without_identity};
use super::step::shown_place;
use super::walk::{self, Difference};
use super::without_entries;
use crate::model::clock::Timestamp;
use crate::model::schema::{FieldSet, SchemaRef, Shape};
use crate::sandbox::failure::{Cause, Failure};
use crate::sandbox::object;
use crate::sandbox::write::Endpoint;
use crate::sandbox::write::default::zero;
use crate::sandbox::write::prepare::reset_fields;

/// Owns what was there before anybody applied.
const BEFORE: &str = "before-first-apply";

/// One write and what it needs to know of its endpoint.
pub(super) struct Apply<'a> {
    endpoint: Endpoint<'a>,
    /// The version of the request, as entries name it.
    api_version: String,
    /// What a kind without a schema has: nothing is said of it.
    anything: SchemaRef,
    /// What the endpoint does not write, nobody owns through it.
    resets: FieldSet,
}

impl<'a> Apply<'a> {
    pub(super) fn new(endpoint: Endpoint<'a>) -> Self {
        Self {
            endpoint,
            api_version: endpoint.api_version(),
            anything: SchemaRef::anything(),
            resets: reset_fields(endpoint),
        }
    }

    /// The schema of a version that an entry names; None when it is served no more.
    fn shape(&self, api_version: &str) -> Option<Shape<'_>> {
        let resource = self.endpoint.resource;
        let version = resource
            .versions
            .iter()
            .find(|version| resource.api_version(&version.name) == api_version)?;
        Some(
            version
                .schema
                .as_ref()
                .map_or_else(|| self.anything.shape(), SchemaRef::shape),
        )
    }

    fn own_shape(&self) -> Shape<'_> {
        self.shape(&self.api_version)
            .unwrap_or_else(|| self.anything.shape())
    }

    fn someone(&self, manager: &str, operation: Operation, now: Timestamp) -> Owner {
        Owner {
            manager: if manager.is_empty() { "unknown" } else { manager }.to_owned(),
            operation,
            subresource: self.endpoint.subresource.to_owned(),
            api_version: self.api_version.clone(),
            time: Some(owners::time(now)),
            fields: FieldSet::default(),
        }
    }

    /// The object to merge into, without its entries, and its owners.
    pub(super) fn live(&self, old: Option<&Value>) -> (Value, Owners) {
        let Some(old) = old else {
            return (
                zero(self.endpoint.resource, self.endpoint.version),
                Owners::default(),
            );
        };
        (without_entries(old), Owners::of(Some(old)))
    }

    /// Merges an intent into a live object; None when nothing changes.
    pub(super) fn run(
        &self,
        live: &Value,
        intent: &Value,
        owners: &mut Owners,
        manager: &str,
        force: bool,
        now: Timestamp,
    ) -> Result<Option<Value>, Failure> {
        let is_new = object::uid(live).is_empty();
        if owners.0.is_empty() && !is_new {
            let empty = zero(self.endpoint.resource, self.endpoint.version);
            self.update(&empty, live, owners, BEFORE, now);
        }
        let shape = self.own_shape();
        let mut me = self.someone(manager, Operation::Apply, now);
        let last = owners.find(&me).cloned();
        me.time = last.as_ref().and_then(|last| last.time.clone());
        me.fields = walk::fields(shape, intent).without_trees(&self.resets);
        owners.0.retain(|owner| !owner.is(&me));
        owners.0.push(me.clone());
        let merged = walk::merge(shape, Some(live), Some(intent)).unwrap_or_default();
        let new = self.prune(merged, owners, last.as_ref());
        self.settle(live, &new, owners, &me, force)?;
        let is_same = new == *live;
        if !is_same {
            me.time = Some(owners::time(now));
        }
        me.fields = without_identity(&me.fields);
        owners.put(me);
        Ok((!is_same).then_some(new))
    }

    /// Without what this applier applied last time, not this time, and nobody else owns.
    fn prune(&self, merged: Value, owners: &Owners, last: Option<&Owner>) -> Value {
        let Some(last) = last.filter(|last| !last.fields.is_empty()) else {
            return merged;
        };
        let Some(shape) = self.shape(&last.api_version) else {
            return merged;
        };
        let named = |shape, set: &FieldSet| walk::with_named(shape, set);
        let all = |shape, value: &Value| walk::with_named(shape, &walk::fields(shape, value));
        let without = |shape, set: &FieldSet| walk::remove(shape, &merged, set).unwrap_or_default();
        let mut pruned = without(shape, &named(shape, &last.fields));
        // What is owned comes back, version by version, that of the last apply first.
        let mut versions: Vec<&str> = owners.0.iter().map(|owner| owner.api_version.as_str()).collect();
        versions.sort_unstable_by_key(|version| (*version != last.api_version, *version));
        versions.dedup();
        for version in versions {
            let Some(shape) = self.shape(version) else {
                continue;
            };
            let owned = owners
                .0
                .iter()
                .filter(|owner| owner.api_version == version)
                .fold(FieldSet::default(), |set, owner| set.union(owner.fields.clone()));
            let kept = all(shape, &pruned).union(named(shape, &owned));
            pruned = without(shape, &all(shape, &merged).difference(&kept));
        }
        // What nobody owns comes back too, unless this applier had owned it.
        let gone = all(shape, &merged).difference(&all(shape, &pruned));
        without(shape, &gone.intersection(&named(shape, &last.fields)))
    }

    /// Takes from the others what the new object changes and removes, or refuses.
    fn settle(
        &self,
        live: &Value,
        new: &Value,
        owners: &mut Owners,
        me: &Owner,
        force: bool,
    ) -> Result<Difference, Failure> {
        let compare = |shape| walk::compare(shape, Some(live), Some(new));
        let written = |difference: Difference| difference.map(|set| set.without_trees(&self.resets));
        let whole = compare(self.own_shape());
        let mine = written(whole.clone());
        let mut conflicts: Vec<(String, FieldSet)> = Vec::new();
        for mut owner in std::mem::take(&mut owners.0) {
            if owner.is(me) {
                owners.0.push(owner);
                continue;
            }
            let theirs;
            let difference = if owner.api_version == self.api_version {
                &mine
            } else if let Some(shape) = self.shape(&owner.api_version) {
                theirs = written(compare(shape));
                &theirs
            } else {
                // A version that is served no more owns nothing.
                continue;
            };
            let taken = difference.changed().intersection(&owner.fields);
            if !taken.is_empty() || !difference.removed.is_empty() {
                owner.fields = owner.fields.difference(&taken).difference(&difference.removed);
            }
            if !taken.is_empty() {
                conflicts.push((owner.shown(), taken));
            }
            if !owner.fields.is_empty() {
                owners.0.push(owner);
            }
        }
        if !force && !conflicts.is_empty() {
            return Err(conflict(conflicts));
        }
        Ok(whole)
    }

    /// As a write that is no apply.
    pub(super) fn update(
        &self,
        live: &Value,
        new: &Value,
        owners: &mut Owners,
        manager: &str,
        now: Timestamp,
    ) {
        let mut me = self.someone(manager, Operation::Update, now);
        // The operation itself is somebody else at first: the same manager's former entry loses what it changes.
        let operation = Owner {
            manager: "current-operation".to_owned(),
            ..me.clone()
        };
        let Ok(difference) = self.settle(live, new, owners, &operation, true) else {
            return;
        };
        let gained = difference.changed().without_trees(&self.resets);
        let gained = without_identity(&gained);
        if !gained.is_empty() {
            let before = owners
                .find(&me)
                .map(|owner| owner.fields.clone())
                .unwrap_or_default();
            me.fields = gained.union(before);
            owners.put(me);
        }
        owners.cap();
    }
}

fn conflict(mut conflicts: Vec<(String, FieldSet)>) -> Failure {
    conflicts.sort_by(|(one, _), (other, _)| one.cmp(other));
    let places: Vec<(&str, Vec<String>)> = conflicts
        .iter()
        .map(|(owner, set)| {
            let places = set.places();
            (
                owner.as_str(),
                places.iter().map(|place| shown_place(place)).collect(),
            )
        })
        .collect();
    let count: usize = places.iter().map(|(_, places)| places.len()).sum();
    let message = match places.as_slice() {
        [(owner, one)] if count == 1 => {
            format!("Apply failed with 1 conflict: conflict with {owner}: {}", one[0])
        }
        many => {
            let lines = many.iter().flat_map(|(owner, places)| {
                let head = format!("conflicts with {owner}:");
                std::iter::once(head).chain(places.iter().map(|place| format!("- {place}")))
            });
            let lines: Vec<String> = lines.collect();
            format!("Apply failed with {count} conflicts: {}", lines.join("\n"))
        }
    };
    let mut failure = Failure::new(409, "Conflict", message);
    failure.details.causes = places
        .into_iter()
        .flat_map(|(owner, places)| {
            places.into_iter().map(move |field| Cause {
                reason: "FieldManagerConflict",
                message: format!("conflict with {owner}"),
                field,
            })
        })
        .collect();
    failure
}
