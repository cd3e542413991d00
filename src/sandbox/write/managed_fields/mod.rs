//! Who owns which fields: server-side apply, and what other writes do to owners.
//!
//! ```text
//! apply    live + intent ─merge─► prune what only this applier owned and left out ─► settle: conflicts, or others lose
//! update   live, new ─compare─► settle with force: this manager gains what changed, others lose it
//! ```

mod owners;
#[cfg(test)]
mod tests;
mod walk;

use serde_json::Value;

use self::owners::{Operation, Owner, Owners, is_reset, without_identity};
use self::walk::Difference;
use super::Endpoint;
use super::decode::conform;
use super::default::{default_fields, zero};
use super::prepare::reset_fields;
use crate::model::clock::Timestamp;
use crate::model::schema::{FieldSet, SchemaRef, Shape};
use crate::sandbox::failure::{Cause, Failure};
use crate::sandbox::object::{self, metadata_mut};

/// Owns what was there before anybody applied.
const BEFORE: &str = "before-first-apply";

/// The object as an apply makes it, conformed and with defaults and `managedFields`; `old` is None when there is
/// none yet, and the result then the object to create.
///
/// # Errors
/// 409 with the conflicts when another manager owns what the intent changes and `force` is not set; 400 for intents
/// that are another kind's, 500 for those the schema does not know: upstream has it so.
pub(crate) fn apply(
    endpoint: Endpoint<'_>,
    old: Option<&Value>,
    intent: &Value,
    manager: &str,
    force: bool,
    now: Timestamp,
) -> Result<Value, Failure> {
    acceptable(endpoint, intent)?;
    let apply = Apply::new(endpoint);
    let (live, mut owners) = apply.live(old);
    let mut new = match apply.run(&live, intent, &mut owners, manager, force, now)? {
        Some(new) => new,
        None => live,
    };
    set_entries(&mut new, owners);
    let (mut new, _) = conform(endpoint.resource, endpoint.version, new).map_err(Failure::bad_request)?;
    default_fields(endpoint.resource, endpoint.version, &mut new);
    Ok(new)
}

fn acceptable(endpoint: Endpoint<'_>, intent: &Value) -> Result<(), Failure> {
    let text = |field: &str| intent[field].as_str().unwrap_or_default();
    if text("apiVersion") != endpoint.api_version() || text("kind") != &*endpoint.resource.kind {
        let version = text("apiVersion");
        let version = if version.contains('/') {
            version.to_owned()
        } else {
            format!("/{version}")
        };
        return Err(Failure::bad_request(format!(
            "invalid object type: {version}, Kind={}",
            text("kind")
        )));
    }
    if intent["metadata"]
        .get("managedFields")
        .is_some_and(|entries| !entries.is_null())
    {
        return Err(Failure::bad_request("metadata.managedFields must be nil"));
    }
    let Some(schema) = &endpoint.version.schema else {
        return Ok(());
    };
    let problems = walk::check(schema.shape(), intent);
    let words = match problems.as_slice() {
        [] => return Ok(()),
        [one] => one.clone(),
        many => format!("errors:\n  {}", many.join("\n  ")),
    };
    Err(Failure::new(
        500,
        "",
        format!(
            "failed to create typed patch object ({}/{}; {}, Kind={}): {words}",
            object::meta(intent, "namespace"),
            object::name(intent),
            endpoint.api_version(),
            endpoint.resource.kind
        ),
    ))
}

/// Writes `managedFields` for a write that is no apply: the manager owns what it changed, others lose it. Both
/// objects have their defaults.
pub(crate) fn update(
    endpoint: Endpoint<'_>,
    old: Option<&Value>,
    new: &mut Value,
    manager: &str,
    now: Timestamp,
) {
    let apply = Apply::new(endpoint);
    let mut owners = requested(endpoint, old, new);
    let live = match old {
        Some(old) => without_entries(old),
        None => zero(endpoint.resource, endpoint.version),
    };
    let bare = without_entries(new);
    // An object that nobody owns anything of is tracked from its first apply on.
    if old.is_none() || !owners.0.is_empty() {
        apply.update(&live, &bare, &mut owners, manager, now);
    }
    set_entries(new, owners);
}

/// The owners that a write starts from: it may set them itself, but not through a subresource.
fn requested(endpoint: Endpoint<'_>, old: Option<&Value>, new: &Value) -> Owners {
    let entries = new.pointer("/metadata/managedFields");
    if !endpoint.subresource.is_empty() {
        return Owners::of(old);
    }
    if is_reset(entries) {
        return Owners::default();
    }
    entries
        .and_then(Owners::read)
        .filter(|owners| !owners.0.is_empty())
        .unwrap_or_else(|| Owners::of(old))
}

/// Puts back the old times when nothing but times of managers differs, so that the write can be left out.
pub(crate) fn keep_times(old: &Value, new: &mut Value) {
    let timeless = |object: &Value| {
        let mut object = object.clone();
        let entries = object
            .pointer_mut("/metadata/managedFields")
            .and_then(Value::as_array_mut);
        for entry in entries.into_iter().flatten() {
            entry.as_object_mut().map(|entry| entry.remove("time"));
        }
        object
    };
    let entries = |object: &Value| object.pointer("/metadata/managedFields").cloned();
    if entries(old) != entries(new)
        && timeless(old) == timeless(new)
        && let Some(entries) = entries(old)
    {
        metadata_mut(new).insert("managedFields".to_owned(), entries);
    }
}

fn without_entries(object: &Value) -> Value {
    let mut object = object.clone();
    metadata_mut(&mut object).remove("managedFields");
    object
}

fn set_entries(object: &mut Value, owners: Owners) {
    let metadata = metadata_mut(object);
    match owners.write() {
        Some(entries) => metadata.insert("managedFields".to_owned(), entries),
        None => metadata.remove("managedFields"),
    };
}

struct Apply<'a> {
    endpoint: Endpoint<'a>,
    /// The version of the request, as entries name it.
    api_version: String,
    /// What a kind without a schema has: nothing is said of it.
    anything: SchemaRef,
    /// What the endpoint does not write, nobody owns through it.
    resets: FieldSet,
}

impl<'a> Apply<'a> {
    fn new(endpoint: Endpoint<'a>) -> Self {
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
    fn live(&self, old: Option<&Value>) -> (Value, Owners) {
        let Some(old) = old else {
            return (
                zero(self.endpoint.resource, self.endpoint.version),
                Owners::default(),
            );
        };
        (without_entries(old), Owners::of(Some(old)))
    }

    fn run(
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
        let compare = |shape| {
            let difference = walk::compare(shape, Some(live), Some(new));
            difference.map(|set| set.without_trees(&self.resets))
        };
        let mut conflicts: Vec<(String, FieldSet)> = Vec::new();
        let mut settled = Vec::new();
        for owner in &owners.0 {
            if owner.is(me) {
                settled.push(owner.clone());
                continue;
            }
            // A version that is served no more owns nothing.
            let Some(shape) = self.shape(&owner.api_version) else {
                continue;
            };
            let difference = compare(shape);
            let taken = owner.fields.intersection(&difference.changed());
            let left = owner.fields.difference(&taken).difference(&difference.removed);
            if !taken.is_empty() {
                conflicts.push((owner.shown(), taken));
            }
            if !left.is_empty() {
                settled.push(Owner {
                    fields: left,
                    ..owner.clone()
                });
            }
        }
        if !force && !conflicts.is_empty() {
            return Err(conflict(conflicts));
        }
        owners.0 = settled;
        Ok(walk::compare(self.own_shape(), Some(live), Some(new)))
    }

    /// As a write that is no apply.
    fn update(&self, live: &Value, new: &Value, owners: &mut Owners, manager: &str, now: Timestamp) {
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
                places.iter().map(|place| walk::shown_place(place)).collect(),
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
