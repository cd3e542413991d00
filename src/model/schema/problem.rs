//! What does not fit a schema.

/// One place of a value that does not fit its schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The place as a JSON pointer. For [`ProblemKind::Missing`] the object that lacks the field.
    pub pointer: String,
    pub kind: ProblemKind,
    /// One sentence with the path as people write it (`spec.containers[0].env`). No values are quoted but those
    /// of keys, enums and numbers, so a Secret's data never stands here.
    pub message: String,
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
