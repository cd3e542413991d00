//! Values beside their schema: which fields they have, how two differ, how they merge, what is left of one.
//!
//! The semantics are those of structured-merge-diff. Null stands for an empty object or list where one may be, so
//! that `spec: null` and no `spec` are told apart as upstream does.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::step::{by_step, step_of};
use crate::model::schema::{FieldSet, Merge, Shape, Step};

/// What another value has more, has otherwise, and lacks.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Difference {
    pub(super) added: FieldSet,
    pub(super) modified: FieldSet,
    pub(super) removed: FieldSet,
}

impl Difference {
    fn put(&mut self, step: &Step, below: Self) {
        self.added.put(step.clone(), below.added);
        self.modified.put(step.clone(), below.modified);
        self.removed.put(step.clone(), below.removed);
    }

    /// All that the other value brings.
    pub(super) fn changed(&self) -> FieldSet {
        self.added.clone().union(self.modified.clone())
    }

    pub(super) fn map(self, each: impl Fn(FieldSet) -> FieldSet) -> Self {
        Self {
            added: each(self.added),
            modified: each(self.modified),
            removed: each(self.removed),
        }
    }
}

/// The fields that a value has, as its applier owns them.
pub(super) fn fields(shape: Shape<'_>, value: &Value) -> FieldSet {
    let mut set = FieldSet::default();
    match (shape.merge(value), value) {
        (Merge::Fields, Value::Object(fields_of)) => {
            for (name, field) in fields_of {
                let mut below = shape
                    .field(name)
                    .map_or_else(FieldSet::place, |of| fields(of, field));
                let is_empty = field.is_null() || field.as_object().is_some_and(Map::is_empty);
                if is_empty || !shape.names(name) {
                    below.own();
                }
                set.put(Step::Field(name.clone()), below);
            }
        }
        (Merge::Set | Merge::Keyed(_), Value::Array(items)) => {
            for (step, items) in by_step(shape, items) {
                let mut below = match items.as_slice() {
                    [one] => fields(shape.items(), one),
                    _ => FieldSet::default(),
                };
                below.own();
                set.put(step, below);
            }
        }
        _ => set.own(),
    }
    set
}

/// What `new` changes of `old`; one of them at least is there.
pub(super) fn compare(shape: Shape<'_>, old: Option<&Value>, new: Option<&Value>) -> Difference {
    let mut difference = Difference::default();
    // Most of an object stays as it is.
    if old == new {
        return difference;
    }
    match common(shape, old, new) {
        Merge::Fields => {
            let (left, right) = (object(old), object(new));
            let names: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
            for name in names {
                // What the schema doesn't know was refused or dropped before; here it is one leaf.
                let Some(of) = shape.field(name) else { continue };
                let below = compare(of, left.get(name), right.get(name));
                difference.put(&Step::Field(name.clone()), below);
            }
        }
        Merge::Set | Merge::Keyed(_) => {
            let (left, right) = (by_step(shape, list(old)), by_step(shape, list(new)));
            let none = Vec::new();
            let steps: BTreeSet<&Step> = left.iter().chain(&right).map(|(step, _)| step).collect();
            let of = |side: &[(Step, Vec<&'_ Value>)], step: &Step| {
                side.iter().position(|(other, _)| other == step)
            };
            for step in steps {
                let left = of(&left, step).map_or(&none, |at| &left[at].1);
                let right = of(&right, step).map_or(&none, |at| &right[at].1);
                difference.put(step, compare_items(shape.items(), left, right));
            }
        }
        Merge::Leaf => {
            match (old, new) {
                (None, _) => difference.added.own(),
                (_, None) => difference.removed.own(),
                (Some(old), Some(new)) if !same(old, new) => difference.modified.own(),
                _ => {}
            }
            return difference;
        }
    }
    match (old, new) {
        (None, _) => difference.added.own(),
        (_, None) => difference.removed.own(),
        _ => {}
    }
    difference
}

/// The items of one key. Several are compared as one leaf: there is no saying which is which.
fn compare_items(shape: Shape<'_>, old: &[&Value], new: &[&Value]) -> Difference {
    let mut difference = Difference::default();
    match (old, new) {
        ([] | [_], [] | [_]) => return compare(shape, old.first().copied(), new.first().copied()),
        ([_, _, ..], [_, _, ..]) => {
            if old != new {
                difference.modified.own();
            }
        }
        ([_, _, ..], _) => {
            if let [one] = new {
                difference = compare(shape, None, Some(one));
            }
            difference.removed.own();
        }
        (_, [_, _, ..]) => {
            if let [one] = old {
                difference = compare(shape, Some(one), None);
            }
            difference.added.own();
        }
    }
    difference
}

/// Both in one: `new` wins where both say something. None when nothing is left.
pub(super) fn merge(shape: Shape<'_>, old: Option<&Value>, new: Option<&Value>) -> Option<Value> {
    match common(shape, old, new) {
        Merge::Leaf => new.or(old).cloned(),
        Merge::Fields => {
            let (left, right) = (object(old), object(new));
            let names: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
            let merged: Map<String, Value> = names
                .into_iter()
                .filter_map(|name| {
                    let (left, right) = (left.get(name), right.get(name));
                    let value = match shape.field(name) {
                        Some(of) => merge(of, left, right)?,
                        None => right.or(left)?.clone(),
                    };
                    Some((name.clone(), value))
                })
                .collect();
            (!merged.is_empty()).then_some(Value::Object(merged))
        }
        Merge::Set | Merge::Keyed(_) => {
            let merged = merge_items(shape, list(old), list(new));
            (!merged.is_empty()).then_some(Value::Array(merged))
        }
    }
}

/// Items of both lists: those of `new` in its order, those only in `old` between the same neighbours as before.
fn merge_items(shape: Shape<'_>, old: &[Value], new: &[Value]) -> Vec<Value> {
    let steps = |items: &[Value]| -> Vec<Option<Step>> {
        items.iter().map(|item| step_of(shape, item).ok()).collect()
    };
    let (left, right) = (steps(old), steps(new));
    let position = |steps: &[Option<Step>], step: &Option<Step>| steps.iter().position(|other| other == step);
    // Several old items of one key are not merged with a new one.
    let partner = |step: &Option<Step>| {
        let mut all = left.iter().enumerate().filter(|(_, other)| *other == step);
        match (all.next(), all.next()) {
            (Some((at, _)), None) => old.get(at),
            _ => None,
        }
    };
    let mut shared = right.iter().filter(|step| position(&left, step).is_some());
    let mut next_shared = shared.next();
    let mut done: BTreeSet<usize> = BTreeSet::new();
    let mut merged = Vec::new();
    let items = shape.items();
    let (mut l, mut r) = (0, 0);
    while l < left.len() || r < right.len() {
        if let (Some(from_left), Some(from_right)) = (left.get(l), right.get(r)) {
            if from_left == from_right {
                merged.extend(merge(items, partner(from_left), new.get(r)));
                done.insert(r);
                (l, r) = (l + 1, r + 1);
                next_shared = shared.next();
                continue;
            }
            // Shared, but not the one whose turn it is.
            if position(&right, from_left).is_some() && next_shared.is_some_and(|next| next != from_left) {
                l += 1;
                continue;
            }
        }
        if let Some(from_left) = left.get(l) {
            match position(&right, from_left) {
                None => {
                    merged.extend(old.get(l).cloned());
                    l += 1;
                    continue;
                }
                Some(at) if done.contains(&at) => l += 1,
                Some(_) => {}
            }
        }
        if let Some(from_right) = right.get(r) {
            merged.extend(merge(items, partner(from_right), new.get(r)));
            done.insert(r);
            if next_shared == Some(from_right) {
                next_shared = shared.next();
            }
            r += 1;
        }
    }
    merged
}

/// The value without the places of a set. None when nothing is left.
pub(super) fn remove(shape: Shape<'_>, value: &Value, set: &FieldSet) -> Option<Value> {
    match (shape.merge(value), value) {
        (Merge::Fields, Value::Object(fields)) => {
            let mut kept = Map::new();
            for (name, field) in fields {
                let step = Step::Field(name.clone());
                if set.has(&step) {
                    continue;
                }
                let left = match (set.below(&step), shape.field(name)) {
                    (Some(below), Some(of)) => remove(of, field, below),
                    _ => Some(field.clone()),
                };
                if let Some(left) = left {
                    kept.insert(name.clone(), left);
                }
            }
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
        (Merge::Set | Merge::Keyed(_), Value::Array(items)) => {
            let left = items.iter().filter_map(|item| {
                let Ok(step) = step_of(shape, item) else {
                    return Some(item.clone());
                };
                if set.has(&step) {
                    return None;
                }
                match set.below(&step) {
                    Some(below) => remove(shape.items(), item, below),
                    None => Some(item.clone()),
                }
            });
            let left: Vec<Value> = left.collect();
            (!left.is_empty()).then_some(Value::Array(left))
        }
        // A set that was written when this was a list or map names something below it.
        (_, Value::Object(_) | Value::Array(_)) => None,
        (_, scalar) => Some(scalar.clone()),
    }
}

/// The same set, owning also the named fields that have something below them: only so can they be removed when
/// nothing is left in them.
pub(super) fn with_named(shape: Shape<'_>, set: &FieldSet) -> FieldSet {
    set.own_more(
        Some(shape),
        &|above: Option<Shape<'_>>, step| match (above, step) {
            (Some(above), Step::Field(name)) => (above.names(name), above.field(name)),
            (Some(above), Step::Key(_)) => (false, Some(above.items())),
            _ => (false, None),
        },
    )
}

/// How two values are merged: as the schema says for what is there. Two empty ones are leaves, so that null, `{}`
/// and `[]` are told apart; values of different types are leaves too.
fn common<'s>(shape: Shape<'s>, old: Option<&Value>, new: Option<&Value>) -> Merge<'s> {
    let is_empty = |value: Option<&Value>| match value {
        None | Some(Value::Null) => true,
        Some(Value::Object(fields)) => fields.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(_) => false,
    };
    if is_empty(old) && is_empty(new) {
        return Merge::Leaf;
    }
    let way = |value: Option<&Value>| {
        value
            .filter(|value| !value.is_null())
            .map(|value| shape.merge(value))
    };
    match (way(old), way(new)) {
        (Some(old), Some(new)) if old == new => old,
        (Some(one), None) | (None, Some(one)) => one,
        _ => Merge::Leaf,
    }
}

fn object(value: Option<&Value>) -> &Map<String, Value> {
    static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    value.and_then(Value::as_object).unwrap_or(&NONE)
}

fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Equal as upstream counts: 1 and 1.0 are.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(name, one)| other.get(name).is_some_and(|other| same(one, other)))
        }
        _ => one == other,
    }
}
