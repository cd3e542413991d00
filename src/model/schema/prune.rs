//! Keeping only what a field set owns.

use serde_json::{Map, Value};

use super::FieldSet;
use super::fields::Step;

/// The fields of an object that the set owns, and nothing else. List items are matched by their keys, items of
/// sets by value; a place that the set owns without naming anything below it is kept whole.
///
/// `apiVersion`, `kind`, `metadata.name` and `metadata.namespace` are always kept: managedFields never name them.
/// Keys of list items that are kept are kept too. Pruning twice changes nothing.
#[must_use]
pub fn prune(object: &Value, set: &FieldSet) -> Value {
    let mut kept = match keep(object, set) {
        Some(Value::Object(kept)) => kept,
        _ => Map::new(),
    };
    for field in ["apiVersion", "kind"] {
        if let Some(value) = object.get(field) {
            kept.insert(field.to_owned(), value.clone());
        }
    }
    for field in ["name", "namespace"] {
        if let Some(value) = object.get("metadata").and_then(|metadata| metadata.get(field)) {
            let metadata = kept
                .entry("metadata")
                .or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(metadata) = metadata {
                metadata.insert(field.to_owned(), value.clone());
            }
        }
    }
    Value::Object(kept)
}

/// What the set owns of a value; `None` when that is nothing.
fn keep(value: &Value, set: &FieldSet) -> Option<Value> {
    if set.is_whole() {
        return Some(value.clone());
    }
    match value {
        Value::Object(fields) => {
            let mut kept = Map::new();
            for (step, below) in &set.below {
                let Step::Field(name) = step else { continue };
                if let Some(field) = fields.get(name).and_then(|field| keep(field, below)) {
                    kept.insert(name.clone(), field);
                }
            }
            (set.owned || !kept.is_empty()).then_some(Value::Object(kept))
        }
        Value::Array(items) => {
            let sets = set.of_items(items);
            let kept: Vec<Value> = items
                .iter()
                .zip(sets)
                .filter_map(|(item, below)| keep_item(item, set, below?))
                .collect();
            (set.owned || !kept.is_empty()).then_some(Value::Array(kept))
        }
        // The set was written when this was a map or list.
        _ => set.owned.then(|| value.clone()),
    }
}

/// As [`keep`], and the keys by which a list knows its items: without them the item could not be applied.
fn keep_item(item: &Value, list: &FieldSet, below: &FieldSet) -> Option<Value> {
    let mut kept = keep(item, below)?;
    if let (Value::Object(kept), Value::Object(item)) = (&mut kept, item) {
        for key in list.key_names() {
            if let Some(value) = item.get(&key) {
                kept.insert(key, value.clone());
            }
        }
    }
    Some(kept)
}
