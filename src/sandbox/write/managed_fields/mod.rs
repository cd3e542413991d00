//! Who owns which fields: server-side apply, and what other writes do to owners.
//!
//! ```text
//! apply    live + intent ─merge─► prune what only this applier owned and left out ─► settle: conflicts, or others lose
//! update   live, new ─compare─► settle with force: this manager gains what changed, others lose it
//! ```

mod check;
mod owners;
mod settle;
mod step;
#[cfg(test)]
mod tests;
mod walk;

use serde_json::Value;

use self::owners::{Owners, is_reset};
use self::settle::Apply;
use super::Endpoint;
use super::decode::conform;
use super::default::{default_fields, zero};
use crate::model::clock::Timestamp;
use crate::sandbox::failure::Failure;
use crate::sandbox::object::{self, metadata_mut};

/// The object as an apply makes it, conformed and with defaults and `managedFields`; `old` is None when there is
/// none yet, and the result then the object to create.
///
/// The intent is taken as it was sent. One that went through a decoder has lost the fields that must be refused.
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
    // The core group is shown as an empty one.
    let shown = |version: &str| {
        let slash = if version.contains('/') { "" } else { "/" };
        format!("{slash}{version}")
    };
    if text("apiVersion") != endpoint.api_version() || text("kind") != &*endpoint.resource.kind {
        let version = shown(text("apiVersion"));
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
    let problems = check::problems(schema.shape(), intent);
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
            shown(&endpoint.api_version()),
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
    match old {
        // An object that nobody owns anything of is tracked from its first apply on.
        Some(old) if !owners.0.is_empty() => apply.update(old, new, &mut owners, manager, now),
        Some(_) => {}
        None => {
            let nothing = zero(endpoint.resource, endpoint.version);
            apply.update(&nothing, new, &mut owners, manager, now);
        }
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
    let entries = |object: &Value| object["metadata"]["managedFields"].as_array().cloned();
    let timeless = |entries: &[Value]| {
        let mut entries = entries.to_vec();
        for entry in entries.iter_mut().filter_map(Value::as_object_mut) {
            entry.remove("time");
        }
        entries
    };
    let (Some(before), Some(after)) = (entries(old), entries(new)) else {
        return;
    };
    if before != after
        && same_but(old, new, "metadata")
        && same_but(&old["metadata"], &new["metadata"], "managedFields")
        && timeless(&before) == timeless(&after)
    {
        metadata_mut(new).insert("managedFields".to_owned(), before.into());
    }
}

/// Whether two objects have the same fields, one of them not counted.
fn same_but(one: &Value, other: &Value, field: &str) -> bool {
    let [one, other] = [one, other].map(|object| {
        let fields = object.as_object().into_iter().flatten();
        fields.filter(|(name, _)| *name != field)
    });
    one.eq(other)
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
