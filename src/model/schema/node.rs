//! The compact form of a schema: nodes in one arena, so that types may contain themselves.

use serde_json::Value;

use crate::model::cel::Program;

/// The index of a node in its arena.
pub(super) type Id = u32;

/// Types a value may have, as bits; no bit at all means any type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Types(u8);

impl Types {
    pub(super) const OBJECT: u8 = 1;
    pub(super) const ARRAY: u8 = 2;
    pub(super) const STRING: u8 = 4;
    pub(super) const INTEGER: u8 = 8;
    pub(super) const NUMBER: u8 = 16;
    pub(super) const BOOLEAN: u8 = 32;

    pub(super) fn add(&mut self, name: &str) {
        self.0 |= match name {
            "object" => Self::OBJECT,
            "array" => Self::ARRAY,
            "string" => Self::STRING,
            "integer" => Self::INTEGER,
            "number" => Self::NUMBER,
            "boolean" => Self::BOOLEAN,
            _ => 0,
        };
    }

    pub(super) fn set_int_or_string(&mut self) {
        self.0 = Self::INTEGER | Self::STRING;
    }

    pub(super) fn is_any(self) -> bool {
        self.0 == 0
    }

    /// Whether a value other than null has one of the types.
    pub(super) fn admit(self, value: &Value) -> bool {
        let bits = match value {
            Value::Null => return true,
            Value::Bool(_) => Self::BOOLEAN,
            Value::Number(number) if number.is_f64() => Self::NUMBER,
            Value::Number(_) => Self::NUMBER | Self::INTEGER,
            Value::String(_) => Self::STRING,
            Value::Array(_) => Self::ARRAY,
            Value::Object(_) => Self::OBJECT,
        };
        self.0 == 0 || self.0 & bits != 0
    }

    pub(super) fn describe(self) -> &'static str {
        const INT_OR_STRING: u8 = Types::INTEGER | Types::STRING;
        const NUMBER_OR_STRING: u8 = Types::NUMBER | Types::STRING;
        match self.0 {
            Self::OBJECT => "object",
            Self::ARRAY => "list",
            Self::STRING => "string",
            Self::INTEGER => "integer",
            Self::NUMBER => "number",
            Self::BOOLEAN => "boolean",
            INT_OR_STRING => "integer or string",
            NUMBER_OR_STRING => "number or string",
            _ => "value of another type",
        }
    }
}

/// What an object may have besides its properties.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Additional {
    /// Nothing.
    #[default]
    Closed,
    /// Anything.
    Any,
    /// Values of one schema: a map.
    Of(Id),
}

/// How a list knows its items.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum ListType {
    #[default]
    Atomic,
    Set,
    Map(Box<[Box<str>]>),
}

/// One schema.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    pub(super) types: Types,
    pub(super) nullable: bool,
    /// Sorted by name.
    pub(super) properties: Box<[(Box<str>, Id)]>,
    pub(super) additional: Additional,
    pub(super) items: Option<Id>,
    /// Most nodes have none of these.
    pub(super) limits: Option<Box<Limits>>,
}

impl Node {
    pub(super) fn property(&self, name: &str) -> Option<Id> {
        let at = self
            .properties
            .binary_search_by(|(key, _)| (**key).cmp(name))
            .ok()?;
        Some(self.properties[at].1)
    }
}

/// What a value must fulfil besides its type.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Limits {
    pub(super) required: Box<[Box<str>]>,
    pub(super) allowed: Box<[Value]>,
    pub(super) pattern: Option<Box<str>>,
    pub(super) int32: bool,
    /// Value and whether it is excluded itself.
    pub(super) minimum: Option<(f64, bool)>,
    pub(super) maximum: Option<(f64, bool)>,
    /// Of characters, items or fields, after the type.
    pub(super) at_least: Option<u64>,
    pub(super) at_most: Option<u64>,
    pub(super) list: ListType,
    /// An object that is merged as one leaf.
    pub(super) atomic: bool,
    pub(super) default: Option<Value>,
    pub(super) rules: Box<[Rule]>,
}

/// One `x-kubernetes-validations` rule.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rule {
    pub(super) program: Program,
    /// It compares with the old value, so it says nothing of a create.
    pub(super) of_change: bool,
    pub(super) message: Box<str>,
    pub(super) message_program: Option<Program>,
    /// The field meant, as a JSON pointer below the value.
    pub(super) field: Option<Box<str>>,
    /// The schema names the field; else it was read from the rule.
    pub(super) names_field: bool,
    /// `FieldValueForbidden`, …; empty for the usual one.
    pub(super) reason: Box<str>,
}

/// All nodes of one document.
#[derive(Debug, Default)]
pub(super) struct Arena {
    pub(super) nodes: Vec<Node>,
    /// A CRD: null is refused where the schema doesn't allow it, and defaults are known.
    pub(super) structural: bool,
}
