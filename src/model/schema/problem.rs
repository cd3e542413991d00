//! What does not fit a schema.

use std::fmt;

use crate::model::manifest::{Code, Diagnostic, Document};

/// One place of a value that does not fit its schema.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// The place as a JSON pointer. For [`ProblemKind::Missing`] the object that lacks the field.
    pub pointer: String,
    pub kind: ProblemKind,
    /// One sentence with the path as people write it (`spec.containers[0].env`). No values are quoted but those
    /// of keys, enums and numbers, so a Secret's data never stands here.
    pub message: String,
    pub detail: Detail,
}

/// What an API server says of a problem besides its kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Detail {
    #[default]
    None,
    /// Of [`ProblemKind::OutOfRange`].
    Bound(Bound),
    /// Of [`ProblemKind::Rule`] and [`ProblemKind::NotImplemented`].
    Rule {
        /// The place as the schema names it: that of the rule, or its `fieldPath`.
        pointer: String,
        /// `FieldValueForbidden`, …; empty for the usual one.
        reason: Box<str>,
        text: String,
    },
}

/// What a number or a length must keep to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// The least number, and whether it is excluded itself.
    Least(f64, bool),
    Most(f64, bool),
    Bits32,
    /// Of characters, items or fields.
    AtLeast(u64),
    AtMost(u64),
}

/// What is wrong at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// The field does not exist; `suggestion` is one that does and is spelt alike.
    UnknownField {
        suggestion: Option<String>,
    },
    WrongType {
        expected: &'static str,
        found: &'static str,
    },
    Missing {
        field: String,
    },
    NotInEnum {
        allowed: Vec<String>,
    },
    /// Two items of a list have the same key (`x-kubernetes-list-map-keys`), or a set has an item twice.
    DuplicateKey {
        first: usize,
    },
    Pattern {
        pattern: String,
    },
    /// Too small, too large, too short, too long, too many, too few.
    OutOfRange,
    /// A rule of the schema (`x-kubernetes-validations`) does not hold.
    Rule,
    /// A rule whose message ends in "not implemented yet".
    NotImplemented,
}

impl Problem {
    /// Whether a server-side apply of the value ends in HTTP 500 whatever `fieldValidation` says, so that it must
    /// not be sent (PROTOCOL §3.4). Everything else gets a proper answer from admission.
    #[must_use]
    pub fn breaks_apply(&self) -> bool {
        matches!(
            self.kind,
            ProblemKind::UnknownField { .. }
                | ProblemKind::DuplicateKey { .. }
                | ProblemKind::WrongType { .. }
        )
    }

    /// The code people see.
    #[must_use]
    pub fn code(&self) -> Code {
        match self.kind {
            ProblemKind::UnknownField { .. } => Code::UNKNOWN_FIELD,
            ProblemKind::WrongType { .. } => Code::WRONG_TYPE,
            ProblemKind::Missing { .. } => Code::MISSING_FIELD,
            ProblemKind::NotInEnum { .. } => Code::NOT_ALLOWED,
            ProblemKind::DuplicateKey { .. } => Code::DUPLICATE_ITEM,
            ProblemKind::Pattern { .. } => Code::BAD_FORMAT,
            ProblemKind::OutOfRange => Code::OUT_OF_RANGE,
            ProblemKind::Rule => Code::RULE_REFUSED,
            ProblemKind::NotImplemented => Code::NOT_IMPLEMENTED,
        }
    }

    /// What to do about it, when that is known.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match &self.kind {
            ProblemKind::UnknownField {
                suggestion: Some(name),
            } => Some(format!("did you mean {name}?")),
            ProblemKind::WrongType {
                expected: "boolean",
                found: "string",
            } => Some("write true or false, without quotes".to_owned()),
            ProblemKind::WrongType {
                expected: "string",
                found: "number" | "boolean" | "fraction",
            } => Some("put the value in quotes".to_owned()),
            ProblemKind::WrongType {
                expected: "integer" | "number",
                found: "string",
            } => Some("write the number without quotes".to_owned()),
            ProblemKind::Missing { field } => Some(format!("add {field}")),
            ProblemKind::DuplicateKey { .. } => Some("remove or rename one of the two".to_owned()),
            ProblemKind::NotImplemented => Some("remove the field".to_owned()),
            _ => None,
        }
    }

    /// The same with the place in the file that the value was read from.
    #[must_use]
    pub fn diagnostic(&self, document: &Document) -> Diagnostic {
        let diagnostic = match self.kind {
            ProblemKind::UnknownField { .. } | ProblemKind::NotImplemented | ProblemKind::Missing { .. } => {
                document.error_at_key(self.code(), &self.pointer, self.message.clone())
            }
            _ => document.error(self.code(), &self.pointer, self.message.clone()),
        };
        Diagnostic {
            hint: self.hint(),
            ..diagnostic
        }
    }
}

/// A path that is being walked.
#[derive(Debug, Default)]
pub(super) struct Place {
    steps: Vec<Step>,
}

#[derive(Debug)]
enum Step {
    Field(String),
    Item(usize),
}

impl Place {
    pub(super) fn enter_field(&mut self, name: &str) {
        self.steps.push(Step::Field(name.to_owned()));
    }

    pub(super) fn enter_item(&mut self, index: usize) {
        self.steps.push(Step::Item(index));
    }

    pub(super) fn leave(&mut self) {
        self.steps.pop();
    }

    pub(super) fn pointer(&self) -> String {
        let mut pointer = String::new();
        for step in &self.steps {
            pointer.push('/');
            match step {
                Step::Field(name) => pointer.push_str(&name.replace('~', "~0").replace('/', "~1")),
                Step::Item(index) => pointer.push_str(&index.to_string()),
            }
        }
        pointer
    }

    /// The path of a field below this place.
    pub(super) fn field(&self, name: &str) -> String {
        if self.steps.is_empty() {
            name.to_owned()
        } else {
            format!("{self}.{name}")
        }
    }
}

/// `spec.containers[0].env`; names with points or slashes stand in brackets. The root is "the object".
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.steps.is_empty() {
            return f.write_str("the object");
        }
        for (at, step) in self.steps.iter().enumerate() {
            match step {
                Step::Item(index) => write!(f, "[{index}]")?,
                Step::Field(name) if name.contains(['.', '/', '[']) => write!(f, "[{name}]")?,
                Step::Field(name) if at == 0 => f.write_str(name)?,
                Step::Field(name) => write!(f, ".{name}")?,
            }
        }
        Ok(())
    }
}
