//! Strategic merge: a merge patch that knows which lists merge by key, and has words for the rest.
//!
//! `$patch: replace|delete`, `$deleteFromPrimitiveList/FIELD`, `$setElementOrder/FIELD`, `$retainKeys`.

use serde_json::{Map, Value};

use crate::sandbox::kinds::definitions;
use crate::sandbox::write::default::reference;

const PATCH: &str = "$patch";
const RETAIN: &str = "$retainKeys";
const DELETE_FROM: &str = "$deleteFromPrimitiveList/";
const ORDER: &str = "$setElementOrder/";

/// The object with the patch merged into it.
pub(super) fn merge(schema: Option<&str>, object: Value, patch: &Value) -> Result<Value, String> {
    let schema = schema
        .and_then(|name| definitions().get(name))
        .unwrap_or(&Value::Null);
    let (Value::Object(object), Value::Object(patch)) = (object, patch) else {
        return Err("Invalid JSON document".to_owned());
    };
    map(schema, object, patch.clone()).map(Value::Object)
}

type Fields = Map<String, Value>;

fn map(schema: &Value, mut original: Fields, mut patch: Fields) -> Result<Fields, String> {
    match patch.remove(PATCH) {
        Some(Value::String(word)) if word == "replace" => return Ok(patch),
        Some(Value::String(word)) if word == "delete" => return Ok(Fields::new()),
        Some(Value::String(word)) if word == "merge" => {}
        Some(word) => return Err(format!("unknown patch type found: {word} in map")),
        None => {}
    }
    retain(&mut original, &mut patch)?;
    order_lists(schema, &mut original, &mut patch)?;
    for (name, value) in patch {
        if let Some(list) = name.strip_prefix(DELETE_FROM) {
            delete_from(&mut original, list, &value);
        } else if value.is_null() {
            original.remove(&name);
        } else {
            let before = original.remove(&name);
            if let Some(merged) = field(schema, &name, before, value)? {
                original.insert(name, merged);
            }
        }
    }
    Ok(original)
}

/// One field of both. None when the patch says so.
fn field(schema: &Value, name: &str, before: Option<Value>, patch: Value) -> Result<Option<Value>, String> {
    let property = property(schema, name);
    let strategy = strategy(property);
    match (before, patch) {
        (Some(Value::Object(before)), Value::Object(patch)) => {
            if strategy.contains("replace") {
                return Ok(Some(Value::Object(patch)));
            }
            map(target(property), before, patch).map(|merged| Some(Value::Object(merged)))
        }
        (Some(Value::Array(before)), Value::Array(patch)) => {
            if strategy.contains("merge") {
                return list(property, name, before, patch).map(|merged| Some(Value::Array(merged)));
            }
            Ok(Some(Value::Array(patch)))
        }
        (_, patch) => Ok(without_words(patch)),
    }
}

/// Items of a list that merges: those of the patch in its order, the others where they were.
fn list(schema: &Value, name: &str, original: Vec<Value>, patch: Vec<Value>) -> Result<Vec<Value>, String> {
    let Some(key) = schema["x-kubernetes-patch-merge-key"].as_str() else {
        let mut merged = original.clone();
        merged.extend(patch.iter().filter(|item| !original.contains(item)).cloned());
        return Ok(ordered(merged, &patch, &original, None));
    };
    let of = target(&schema["items"]);
    let mut original = original;
    let mut kept = Vec::new();
    let mut is_replaced = false;
    for item in patch {
        match item.get(PATCH).and_then(Value::as_str) {
            None => kept.push(item),
            Some("delete") => {
                let meant = item.get(key).ok_or_else(|| no_key(&item, key))?;
                original.retain(|other| other.get(key) != Some(meant));
            }
            Some("replace") => is_replaced = true,
            Some("merge") => return Err("merging lists cannot yet be specified in the patch".to_owned()),
            Some(word) => return Err(format!("unknown patch type found: {word} in {name}")),
        }
    }
    if is_replaced {
        return Ok(kept);
    }
    let mut merged = original.clone();
    for item in &kept {
        let meant = item.get(key).ok_or_else(|| no_key(item, key))?;
        let place = merged.iter().position(|other| other.get(key) == Some(meant));
        match (place, item) {
            (Some(at), Value::Object(patch)) => {
                let before = merged[at].as_object().cloned().unwrap_or_default();
                merged[at] = Value::Object(map(of, before, patch.clone())?);
            }
            (Some(_), _) => {}
            (None, item) => merged.extend(without_words(item.clone())),
        }
    }
    Ok(ordered(merged, &kept, &original, Some(key)))
}

fn no_key(item: &Value, key: &str) -> String {
    format!("map: {item} does not contain declared merge key: {key}")
}

/// `$retainKeys`: what it does not name goes.
fn retain(original: &mut Fields, patch: &mut Fields) -> Result<(), String> {
    let Some(keys) = patch.remove(RETAIN) else {
        return Ok(());
    };
    let malformed = || "invalid patch format of retainKeys".to_owned();
    let keys = keys.as_array().ok_or_else(malformed)?;
    let is_kept = |name: &String| keys.iter().any(|key| key == name);
    let is_told =
        |(name, value): (&String, &Value)| value.is_null() || name.starts_with('$') || is_kept(name);
    if !patch.iter().all(is_told) {
        return Err(malformed());
    }
    original.retain(|name, _| is_kept(name));
    Ok(())
}

fn delete_from(original: &mut Fields, list: &str, gone: &Value) {
    let gone = gone.as_array().map_or(&[][..], Vec::as_slice);
    if let Some(items) = original.get_mut(list).and_then(Value::as_array_mut) {
        items.retain(|item| !gone.contains(item));
    }
}

/// `$setElementOrder`: merges its list and puts the items in the order given.
fn order_lists(schema: &Value, original: &mut Fields, patch: &mut Fields) -> Result<(), String> {
    let orders: Vec<String> = patch
        .keys()
        .filter(|name| name.starts_with(ORDER))
        .cloned()
        .collect();
    for name in orders {
        let order = patch.remove(&name);
        let list_name = &name[ORDER.len()..];
        let Some(Value::Array(order)) = order else {
            return Err("invalid patch format of setElementOrder list".to_owned());
        };
        if let Some(gone) = patch.remove(&format!("{DELETE_FROM}{list_name}")) {
            delete_from(original, list_name, &gone);
        }
        let before = original.get(list_name).cloned();
        let merged = match (before.clone(), patch.remove(list_name)) {
            (None, None) => continue,
            (Some(before), None) => Some(before),
            (before, Some(patch)) => field(schema, list_name, before, patch)?,
        };
        let Some(Value::Array(merged)) = merged else {
            continue;
        };
        let before = before
            .and_then(|list| list.as_array().cloned())
            .unwrap_or_default();
        let key = property(schema, list_name)["x-kubernetes-patch-merge-key"].as_str();
        original.insert(list_name.to_owned(), ordered(merged, &order, &before, key).into());
    }
    Ok(())
}

/// Those that `order` names in its order; each of the others stays before what stood behind it.
fn ordered(items: Vec<Value>, order: &[Value], before: &[Value], key: Option<&str>) -> Vec<Value> {
    let id = |item: &Value| key.map_or_else(|| Some(item.clone()), |key| item.get(key).cloned());
    let place = |list: &[Value], item: &Value| list.iter().position(|other| id(other) == id(item));
    let (mut named, mut others): (Vec<Value>, Vec<Value>) =
        items.into_iter().partition(|item| place(order, item).is_some());
    named.sort_by_key(|item| place(order, item));
    others.sort_by_key(|item| place(before, item).unwrap_or(usize::MAX));
    let mut sorted = Vec::with_capacity(named.len() + others.len());
    let (mut named, mut others) = (named.into_iter().peekable(), others.into_iter().peekable());
    loop {
        let take_named = match (named.peek(), others.peek()) {
            (None, None) => return sorted,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            // An item that is new goes before those only the server has.
            (Some(one), Some(other)) => match (place(before, one), place(before, other)) {
                (Some(one), Some(other)) => one < other,
                _ => true,
            },
        };
        sorted.extend(if take_named { named.next() } else { others.next() });
    }
}

/// A value that is new, without the words meant for merging.
fn without_words(value: Value) -> Option<Value> {
    match value {
        Value::Object(mut fields) => {
            match fields.get(PATCH).and_then(Value::as_str) {
                Some("replace" | "merge") => {
                    fields.remove(PATCH);
                }
                Some(_) => return None,
                None => {}
            }
            let fields = fields
                .into_iter()
                .filter(|(name, value)| !name.starts_with('$') && !value.is_null());
            let fields = fields.filter_map(|(name, value)| Some((name, without_words(value)?)));
            Some(Value::Object(fields.collect()))
        }
        Value::Array(items) => Some(Value::Array(
            items.into_iter().filter_map(without_words).collect(),
        )),
        scalar => Some(scalar),
    }
}

/// The schema of a field, as its object has it: the strategy stands there, not in the schema it refers to.
fn property<'s>(schema: &'s Value, name: &str) -> &'s Value {
    match schema["properties"].get(name) {
        Some(property) => property,
        None => &schema["additionalProperties"],
    }
}

fn target(schema: &Value) -> &Value {
    match reference(schema) {
        Some(name) => definitions().get(name).unwrap_or(&Value::Null),
        None => schema,
    }
}

fn strategy(schema: &Value) -> &str {
    schema["x-kubernetes-patch-strategy"].as_str().unwrap_or_default()
}
