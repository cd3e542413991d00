//! The field sets of `managedFields`: which fields a manager owns.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// One step of a path in `fieldsV1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// `f:name`
    Field(String),
    /// `k:{"name":"app"}`: the item of a list with these keys, as compact JSON with sorted keys.
    Key(String),
    /// `v:"x"`: the item of a set, as compact JSON.
    Value(String),
    /// `i:0`
    Index(usize),
}

/// A set of fields, as a tree.
///
/// A place that is owned and has nothing below it is owned whole: a scalar, an atomic list or map, an empty map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSet {
    /// The place itself is in the set (`.` in `fieldsV1`, or a leaf `{}`).
    pub(super) owned: bool,
    pub(super) below: BTreeMap<Step, FieldSet>,
}

impl FieldSet {
    /// Reads `fieldsV1` of one entry of `managedFields`. Keys that are not understood are left out.
    #[must_use]
    pub fn from_fields_v1(fields: &Value) -> Self {
        let Value::Object(fields) = fields else {
            return Self::default();
        };
        // At the root an empty set owns nothing; below it a leaf owns its place.
        let mut set = Self::tree(fields);
        set.owned = fields.contains_key(".");
        set
    }

    /// The union of what a manager owns in an object: all its entries, also those of subresources when
    /// `with_status` is set.
    #[must_use]
    pub fn of_manager(object: &Value, manager: &str, with_status: bool) -> Self {
        let entries = object
            .pointer("/metadata/managedFields")
            .and_then(Value::as_array);
        entries
            .into_iter()
            .flatten()
            .filter(|entry| entry["manager"] == manager)
            .filter(|entry| with_status || entry.get("subresource").is_none_or(|sub| sub == ""))
            .map(|entry| Self::from_fields_v1(&entry["fieldsV1"]))
            .fold(Self::default(), Self::union)
    }

    fn tree(fields: &Map<String, Value>) -> Self {
        let mut set = Self {
            owned: fields.is_empty() || fields.contains_key("."),
            below: BTreeMap::new(),
        };
        for (key, value) in fields {
            if let (Some(step), Value::Object(value)) = (step_of(key), value) {
                set.below.insert(step, Self::tree(value));
            }
        }
        set
    }

    /// The same as `fieldsV1`, in one order only: equal sets give equal bytes, so this is what to hash.
    #[must_use]
    pub fn to_fields_v1(&self) -> Value {
        let mut fields = Map::new();
        if self.owned && !self.below.is_empty() {
            fields.insert(".".to_owned(), Value::Object(Map::new()));
        }
        for (step, below) in &self.below {
            let key = match step {
                Step::Field(name) => format!("f:{name}"),
                Step::Key(keys) => format!("k:{keys}"),
                Step::Value(value) => format!("v:{value}"),
                Step::Index(index) => format!("i:{index}"),
            };
            fields.insert(key, below.to_fields_v1());
        }
        Value::Object(fields)
    }

    /// Whether a path is in the set: itself, something below it, or a place above it that is owned whole.
    #[must_use]
    pub fn contains(&self, path: &[Step]) -> bool {
        let Some((step, rest)) = path.split_first() else {
            return !self.is_empty();
        };
        match self.below.get(step) {
            Some(below) => below.contains(rest),
            None => self.is_whole(),
        }
    }

    /// The same for a JSON pointer into an object: items of lists are found by their keys or values.
    #[must_use]
    pub fn contains_pointer(&self, object: &Value, pointer: &str) -> bool {
        let mut set = self;
        let mut value = Some(object);
        for token in pointer.split('/').skip(1) {
            let token = token.replace("~1", "/").replace("~0", "~");
            let next = if let Some(Value::Array(items)) = value {
                let index = token.parse::<usize>().ok();
                value = index.and_then(|index| items.get(index));
                index.and_then(|index| *set.of_items(items).get(index)?)
            } else {
                value = value.and_then(|value| value.get(&token));
                set.below.get(&Step::Field(token))
            };
            match next {
                Some(next) => set = next,
                None => return set.is_whole(),
            }
        }
        !set.is_empty()
    }

    /// The fields of both.
    #[must_use]
    pub fn union(mut self, other: Self) -> Self {
        self.owned |= other.owned;
        for (step, theirs) in other.below {
            let ours = self.below.remove(&step).unwrap_or_default();
            self.below.insert(step, ours.union(theirs));
        }
        self
    }

    /// Whether anything below the place itself is named.
    #[must_use]
    pub fn names_below(&self) -> bool {
        !self.below.is_empty()
    }

    /// What the set says of a field.
    #[must_use]
    pub fn of_field(&self, name: &str) -> Option<&Self> {
        self.below.get(&Step::Field(name.to_owned()))
    }

    /// What the set says of each item of a list.
    #[must_use]
    pub fn of_list(&self, items: &[Value]) -> Vec<Option<&Self>> {
        self.of_items(items)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.owned && self.below.is_empty()
    }

    /// What the set says of each item of a list: items are found by their keys, value or index. Two items of one
    /// key are both meant: leaving one out would decide between them in silence.
    pub(super) fn of_items(&self, items: &[Value]) -> Vec<Option<&FieldSet>> {
        let mut found = vec![None; items.len()];
        for (step, set) in &self.below {
            let meant = match step {
                Step::Field(_) => Vec::new(),
                Step::Index(index) => vec![*index],
                Step::Value(text) => serde_json::from_str::<Value>(text)
                    .map(|value| positions(items, |item| *item == value))
                    .unwrap_or_default(),
                Step::Key(text) => keys_of(text)
                    .map(|keys| items_with_keys(items, &keys))
                    .unwrap_or_default(),
            };
            for index in meant {
                if let Some(slot) = found.get_mut(index) {
                    *slot = Some(set);
                }
            }
        }
        found
    }

    /// The names of the keys by which the list at this place knows its items.
    pub(super) fn key_names(&self) -> Vec<String> {
        let keys = self.below.keys().find_map(|step| match step {
            Step::Key(text) => keys_of(text),
            _ => None,
        });
        keys.into_iter().flatten().map(|(name, _)| name).collect()
    }

    pub(super) fn is_whole(&self) -> bool {
        self.owned && self.below.is_empty()
    }
}

fn positions(items: &[Value], is_meant: impl Fn(&Value) -> bool) -> Vec<usize> {
    let numbered = items.iter().enumerate();
    numbered
        .filter(|(_, item)| is_meant(item))
        .map(|(index, _)| index)
        .collect()
}

/// The items with these keys. A key that an item lacks stands at its default, so when no item has them all, those
/// that lack some and differ in none are meant.
fn items_with_keys(items: &[Value], keys: &Map<String, Value>) -> Vec<usize> {
    let exact = |item: &Value| keys.iter().all(|(key, value)| item.get(key) == Some(value));
    let close = |item: &Value| {
        keys.iter()
            .all(|(key, value)| item.get(key).is_none_or(|found| found == value))
            && keys.keys().any(|key| item.get(key).is_some())
    };
    let found = positions(items, exact);
    if found.is_empty() {
        positions(items, close)
    } else {
        found
    }
}

/// The keys of a `k:` step.
pub(super) fn keys_of(keys: &str) -> Option<Map<String, Value>> {
    serde_json::from_str(keys).ok()
}

fn step_of(key: &str) -> Option<Step> {
    let (kind, rest) = key.split_once(':')?;
    match kind {
        "f" => Some(Step::Field(rest.to_owned())),
        "k" => Some(Step::Key(Value::Object(keys_of(rest)?).to_string())),
        "v" => Some(Step::Value(serde_json::from_str::<Value>(rest).ok()?.to_string())),
        "i" => rest.parse().ok().map(Step::Index),
        _ => None,
    }
}
