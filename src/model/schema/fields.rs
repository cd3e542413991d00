//! The field sets of `managedFields`: which fields a manager owns.

use std::collections::BTreeMap;

use serde_json::Value;

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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSet {
    /// The place itself is in the set (`.` in `fieldsV1`, or a leaf `{}`).
    pub(super) owned: bool,
    pub(super) below: BTreeMap<Step, FieldSet>,
}

impl FieldSet {
    /// Reads `fieldsV1`. Entries that are not understood are left out.
    #[must_use]
    pub fn from_fields_v1(fields: &Value) -> Self {
        let _ = fields;
        Self::default()
    }

    /// Whether a path is in the set: itself, or something below it.
    #[must_use]
    pub fn contains(&self, path: &[Step]) -> bool {
        let _ = path;
        false
    }

    /// The fields of both.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        let _ = other;
        self
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.owned && self.below.is_empty()
    }
}
