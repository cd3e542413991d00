//! What is wrong with an override whatever the object and the member.

use serde_json::Value;

use super::{Wrong, change, image, placeholder};
use crate::decide::placement::Choice;
use crate::model::api::{ClusterSelector, ImageOverride, PatchItem};

/// A mistake in an override.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A text or a pointer that can't be used.
    Change {
        /// JSON pointer to it, from the object down.
        pointer: String,
        /// Why not.
        wrong: Wrong,
    },
    /// An expression that does not compile, or costs too much.
    Expression {
        /// JSON pointer to it, from the object down.
        pointer: String,
        /// Why not.
        message: String,
        /// What to do about it, when that is known.
        hint: Option<String>,
    },
}

impl Fault {
    /// The place and the reason, for a condition.
    #[must_use]
    pub fn words(&self) -> String {
        let (pointer, message) = match self {
            Self::Change { pointer, wrong } => (pointer, wrong.to_string()),
            Self::Expression { pointer, message, .. } => (pointer, message.clone()),
        };
        let mut place = String::new();
        for step in pointer.split('/').skip(1) {
            let is_index = step.bytes().all(|byte| byte.is_ascii_digit());
            let parts = if is_index {
                ["[", step, "]"]
            } else if place.is_empty() {
                ["", step, ""]
            } else {
                [".", step, ""]
            };
            place.extend(parts);
        }
        format!("{place}: {message}")
    }
}

/// Everything that is wrong with the spec of an override by itself. What does not fit the schema is passed over: that is
/// found by the schema.
#[must_use]
pub fn lint(spec: &Value) -> Vec<Fault> {
    let mut found = Vec::new();
    for (index, rule) in items(spec, "rules") {
        let at = format!("/spec/rules/{index}");
        for (field, value) in rule.as_object().into_iter().flatten() {
            let at = format!("{at}/{field}");
            match field.as_str() {
                "clusters" => expression(value, &at, &mut found),
                _ => texts(value, &at, &mut found),
            }
        }
        for (index, item) in items(rule, "image") {
            let part = serde_json::from_value::<ImageOverride>(item.clone());
            if !placeholder::is_in(&item.to_string())
                && let Some(Err(wrong)) = part.ok().map(|part| image::check(&part))
            {
                let field = match &wrong {
                    Wrong::Image { part, .. } => format!("/{part}"),
                    _ => String::new(),
                };
                let pointer = format!("{at}/image/{index}{field}");
                found.push(Fault::Change { pointer, wrong });
            }
        }
        for (index, item) in items(rule, "patch") {
            operation(item, &format!("{at}/patch/{index}"), &mut found);
        }
    }
    found
}

fn items<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = (usize, &'a Value)> {
    let list = value.get(field).and_then(Value::as_array);
    list.into_iter().flatten().enumerate()
}

fn expression(clusters: &Value, at: &str, found: &mut Vec<Fault>) {
    let Ok(clusters) = serde_json::from_value::<ClusterSelector>(clusters.clone()) else {
        return;
    };
    if let Some(error) = Choice::fault(&clusters) {
        found.push(Fault::Expression {
            pointer: format!("{at}/cel"),
            message: error.to_string(),
            hint: error.hint(),
        });
    }
}

/// Placeholders that no member can fill in. In keys of maps there are none.
fn texts(value: &Value, at: &str, found: &mut Vec<Fault>) {
    match value {
        Value::String(text) => {
            if let Some(wrong) = placeholder::fault(text) {
                found.push(Fault::Change {
                    pointer: at.to_owned(),
                    wrong,
                });
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                texts(item, &format!("{at}/{index}"), found);
            }
        }
        Value::Object(fields) => {
            for (key, field) in fields {
                let step = key.replace('~', "~0").replace('/', "~1");
                texts(field, &format!("{at}/{step}"), found);
            }
        }
        _ => {}
    }
}

fn operation(item: &Value, at: &str, found: &mut Vec<Fault>) {
    let Ok(item) = serde_json::from_value::<PatchItem>(item.clone()) else {
        return;
    };
    if let Err(wrong) = change::read(&item) {
        let pointer = match &wrong {
            Wrong::Pointer { pointer } if *pointer == item.path => format!("{at}/path"),
            Wrong::Pointer { .. } => format!("{at}/from"),
            _ => at.to_owned(),
        };
        found.push(Fault::Change { pointer, wrong });
    }
}
