//! The table of error codes. Each has a page `docs/errors/HUB####.md`.

use std::fmt;

use serde::{Serialize, Serializer};

/// A stable number for one kind of mistake, shown as `HUB####`.
///
/// Numbers are never reused. Ranges: 00xx syntax, 01xx schema, 02xx cross-references, 03xx refusals by the hub,
/// 04xx members and kubeconfigs, 05xx apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(u16);

macro_rules! codes {
    ($($name:ident = $number:literal, $title:literal;)*) => {
        impl Code {
            $(#[doc = $title] pub const $name: Code = Code($number);)*

            /// Every code with its title, in order of number.
            pub const ALL: &'static [(Code, &'static str)] = &[$((Code::$name, $title)),*];
        }
    };
}

// To add a code: one line here, and its page in docs/errors/. A test holds the two together.
codes! {
    SYNTAX = 1, "the text is not valid YAML or JSON";
    TAB_INDENT = 2, "a tab is used for indentation";
    DUPLICATE_KEY = 3, "a key stands twice in one mapping";
    BAD_ALIAS = 4, "an alias or merge key does not name an earlier anchor that fits";
    TOO_LARGE = 5, "the text nests too deeply or grows too large through aliases";
    NOT_AN_OBJECT = 6, "a document is not an object";
    BAD_KEY = 7, "a key of a mapping is not a string";
    BAD_SCALAR = 8, "a value has no counterpart in JSON";
    UNREADABLE = 9, "a file cannot be read";
    NO_DOCUMENTS = 10, "there is nothing to read";

    MISSING_KIND = 101, "apiVersion or kind is missing";
    MISSING_NAME = 102, "metadata.name is missing";
    BAD_NAME = 103, "a name or namespace is not valid";
    UNKNOWN_FIELD = 104, "a field does not exist in the kind's schema";
    WRONG_TYPE = 105, "a value has another type than the schema says";
    MISSING_FIELD = 106, "a required field is missing";
    NOT_ALLOWED = 107, "a value is not one of those allowed";
    DUPLICATE_ITEM = 108, "two items of a list have the same key";
    BAD_FORMAT = 109, "a value does not have the required form";
    OUT_OF_RANGE = 110, "a value is too small, too large, too short or too long";
    RULE_REFUSED = 111, "a validation rule of the kind refuses the object";
    NOT_IMPLEMENTED = 112, "a declared field is not implemented yet";
    OBJECT_TOO_LARGE = 113, "an object is larger than 1 MiB";
    BAD_EXPRESSION = 114, "a CEL expression does not compile or costs too much";
}

impl Code {
    /// The number behind `HUB`.
    #[must_use]
    pub fn number(self) -> u16 {
        self.0
    }

    /// What the code means, in one line.
    #[must_use]
    pub fn title(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(code, _)| *code == self)
            .map_or("", |(_, title)| title)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HUB{:04}", self.0)
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
