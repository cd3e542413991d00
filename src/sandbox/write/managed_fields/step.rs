//! The steps of a path: by what lists know their items, and how places are shown.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::model::schema::{Merge, Shape, Step};

/// The items of a list by their step, in order. Items without one are left out: checks have refused them.
pub(super) fn by_step<'v>(shape: Shape<'_>, items: &'v [Value]) -> Vec<(Step, Vec<&'v Value>)> {
    let mut steps: Vec<(Step, Vec<&Value>)> = Vec::new();
    let mut places: BTreeMap<Step, usize> = BTreeMap::new();
    for item in items {
        let Ok(step) = step_of(shape, item) else { continue };
        if let Some(at) = places.get(&step) {
            steps[*at].1.push(item);
        } else {
            places.insert(step.clone(), steps.len());
            steps.push((step, vec![item]));
        }
    }
    steps
}

/// By what a list at this place knows an item. A key that the item lacks stands at its default.
pub(super) fn step_of(shape: Shape<'_>, item: &Value) -> Result<Step, String> {
    // Of an empty list the way is the same as of one with items.
    match shape.merge(&Value::Array(Vec::new())) {
        Merge::Keyed(keys) => {
            let fields = match item {
                Value::Object(fields) => fields,
                Value::Null => {
                    return Err("associative list with keys may not have a null element".to_owned());
                }
                _ => return Err("associative list with keys may not have non-map elements".to_owned()),
            };
            let found = keys.iter().filter_map(|key| {
                let value = match fields.get(&**key) {
                    Some(value) => value,
                    None => shape.items().field(key)?.default()?,
                };
                Some((key.to_string(), value.clone()))
            });
            let found: Map<String, Value> = found.collect();
            if found.is_empty() {
                let keys: Vec<String> = keys.iter().map(|key| format!("{key:?}")).collect();
                return Err(format!(
                    "associative list with keys has an element that omits all key fields [{}] (and doesn't have \
                     default values for any key fields)",
                    keys.join(" ")
                ));
            }
            Ok(Step::Key(Value::Object(found).to_string()))
        }
        _ => match item {
            Value::Object(_) => {
                Err("associative list without keys has an element that's a map type".to_owned())
            }
            Value::Array(_) => Err("not supported: associative list with lists as elements".to_owned()),
            Value::Null => {
                Err("associative list without keys has an element that's an explicit null".to_owned())
            }
            scalar => Ok(Step::Value(scalar.to_string())),
        },
    }
}

/// `.spec.ports[port=80,protocol="TCP"].name`
pub(super) fn shown_place(place: &[Step]) -> String {
    place.iter().map(shown_step).collect()
}

pub(super) fn shown_step(step: &Step) -> String {
    match step {
        Step::Field(name) => format!(".{name}"),
        Step::Index(index) => format!("[{index}]"),
        Step::Value(value) => format!("[={value}]"),
        Step::Key(keys) => {
            let keys: BTreeMap<String, Value> = serde_json::from_str(keys).unwrap_or_default();
            let keys: Vec<String> = keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
            format!("[{}]", keys.join(","))
        }
    }
}
