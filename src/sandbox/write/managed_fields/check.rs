//! What keeps a value from being applied, with upstream's words.

use std::collections::BTreeSet;

use serde_json::Value;

use super::step::{shown_step, step_of};
use crate::model::schema::{Merge, Shape};

/// All that is wrong; nothing when it can be applied.
pub(super) fn problems(shape: Shape<'_>, value: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    look(shape, value, "", &mut problems);
    problems
}

fn look(shape: Shape<'_>, value: &Value, place: &str, problems: &mut Vec<String>) {
    let mut tell = |place: &str, what: &str| {
        let point = if place.is_empty() { "" } else { ": " };
        problems.push(format!("{place}{point}{what}"));
    };
    if value.is_null() {
        return;
    }
    if !shape.admits(value) {
        let what = match shape.expected() {
            "object" => format!("expected map, got &{{{}}}", shown(value)),
            "list" => format!("expected list, got &{{{}}}", shown(value)),
            "integer" | "number" => format!("expected numeric (int or float), got {}", go_type(value)),
            "string" => format!("expected string, got &value.valueUnstructured{{Value:{value}}}"),
            "boolean" => format!("expected boolean, got &{{{}}}", shown(value)),
            _ => format!("expected any scalar, got &{{{}}}", shown(value)),
        };
        return tell(place, &what);
    }
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let below = format!("{place}.{name}");
                let Some(of) = shape.field(name) else {
                    // Upstream stops at the first of an object.
                    problems.push(format!("{below}: field not declared in schema"));
                    break;
                };
                look(of, field, &below, problems);
            }
        }
        Value::Array(items) => {
            let mut seen = BTreeSet::new();
            let is_keyed = shape.merge(value) != Merge::Leaf;
            for (index, item) in items.iter().enumerate() {
                let below = if is_keyed {
                    match step_of(shape, item) {
                        Ok(step) => {
                            let shown = shown_step(&step);
                            if !seen.insert(step) {
                                tell(place, &format!("duplicate entries for key {shown}"));
                            }
                            format!("{place}{shown}")
                        }
                        Err(why) => return tell(place, &format!("element {index}: {why}")),
                    }
                } else {
                    format!("{place}[{index}]")
                };
                let mut inner = Vec::new();
                look(shape.items(), item, &below, &mut inner);
                for problem in inner {
                    tell("", &problem);
                }
            }
        }
        _ => {}
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        // As Go prints a slice.
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(shown).collect();
            format!("[{}]", items.join(" "))
        }
        other => other.to_string(),
    }
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "string",
        Value::Bool(_) => "bool",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
        _ => "float64",
    }
}
