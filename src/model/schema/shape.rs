//! Walking a value and its schema side by side: what a server-side apply, a decoder or a defaulter asks at each place.

use std::sync::{Arc, LazyLock};

use serde_json::Value;

use super::SchemaRef;
use super::node::{Additional, Arena, Id, ListType, Node};

/// The schema at one place of a value.
#[derive(Clone, Copy, Debug)]
pub struct Shape<'s> {
    arena: &'s Arena,
    /// None: nothing is said of what stands here.
    id: Option<Id>,
}

/// How a place is merged, and what managedFields name of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merge<'s> {
    /// One leaf, whatever is in it.
    Leaf,
    /// By field: a map, or an object with named fields.
    Fields,
    /// A list whose items are their own keys.
    Set,
    /// A list whose items are known by these fields.
    Keyed(&'s [Box<str>]),
}

impl SchemaRef {
    /// The whole object.
    #[must_use]
    pub fn shape(&self) -> Shape<'_> {
        Shape {
            arena: &self.arena,
            id: Some(self.id),
        }
    }

    /// The schema of a kind of which nothing is known.
    #[must_use]
    pub fn anything() -> Self {
        static ANYTHING: LazyLock<Arc<Arena>> = LazyLock::new(Arc::default);
        Self {
            arena: Arc::clone(&ANYTHING),
            id: Id::MAX,
        }
    }

    /// Whether any validation rule stands in it.
    #[must_use]
    pub fn has_rules(&self) -> bool {
        let mut limits = self.arena.nodes.iter().filter_map(|node| node.limits.as_ref());
        limits.any(|limits| !limits.rules.is_empty())
    }

    /// Fills in the defaults of a CRD's schema; built-in kinds have theirs elsewhere.
    pub fn fill_defaults(&self, value: &mut Value) {
        super::defaults::fill(self, self.id, value);
    }
}

impl<'s> Shape<'s> {
    fn node(self) -> Option<&'s Node> {
        self.arena.nodes.get(self.id? as usize)
    }

    fn at(self, id: Option<Id>) -> Self {
        Self {
            arena: self.arena,
            id,
        }
    }

    /// How a value at this place is merged. Where the schema says nothing, objects go by field and lists are leaves,
    /// as upstream deduces it.
    #[must_use]
    pub fn merge(self, value: &Value) -> Merge<'s> {
        let limits = self.node().and_then(|node| node.limits.as_ref());
        if limits.is_some_and(|limits| limits.atomic) || !self.admits(value) {
            return Merge::Leaf;
        }
        match value {
            Value::Object(_) => Merge::Fields,
            Value::Array(_) => match limits.map(|limits| &limits.list) {
                Some(ListType::Map(keys)) => Merge::Keyed(keys),
                Some(ListType::Set) => Merge::Set,
                Some(ListType::Atomic) | None => Merge::Leaf,
            },
            _ => Merge::Leaf,
        }
    }

    /// The shape of a field; None where it may not be.
    #[must_use]
    pub fn field(self, name: &str) -> Option<Self> {
        let Some(node) = self.node() else {
            return Some(self.at(None));
        };
        match (node.property(name), node.additional) {
            (Some(of), _) | (None, Additional::Of(of)) => Some(self.at(Some(of))),
            (None, Additional::Any) => Some(self.at(None)),
            (None, Additional::Closed) => None,
        }
    }

    /// Whether the schema names the field itself: those are not owned apart from what is in them.
    #[must_use]
    pub fn names(self, field: &str) -> bool {
        self.node().is_some_and(|node| node.property(field).is_some())
    }

    /// Whether no object is valid without the field.
    #[must_use]
    pub fn requires(self, field: &str) -> bool {
        let limits = self.node().and_then(|node| node.limits.as_ref());
        limits.is_some_and(|limits| limits.required.iter().any(|required| **required == *field))
    }

    #[must_use]
    pub fn items(self) -> Self {
        self.at(self.node().and_then(|node| node.items))
    }

    #[must_use]
    pub fn default(self) -> Option<&'s Value> {
        self.node()?.limits.as_ref()?.default.as_ref()
    }

    /// Whether a value has a type that may stand here.
    #[must_use]
    pub fn admits(self, value: &Value) -> bool {
        self.node().is_none_or(|node| node.types.admit(value))
    }

    /// The type that is expected: `string`, `integer or string`, …
    #[must_use]
    pub fn expected(self) -> &'static str {
        self.node().map_or("value", |node| node.types.describe())
    }
}
