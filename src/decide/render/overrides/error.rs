//! Why an override cannot be made.

use crate::decide::policy::OverrideId;

/// Why an override cannot be made of an object for a member. No values of the object are quoted: it may be a Secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("failed to make {by}{}: {wrong}", if at.is_empty() { String::new() } else { format!(", {at}") })]
pub struct OverrideError {
    /// Whose.
    pub by: OverrideId,
    /// The place in it, as people write it: `spec.rules[0].patch[1]`.
    pub at: String,
    /// Why.
    pub wrong: Wrong,
}

impl OverrideError {
    /// Whether only facts of the member are missing, which may come by themselves.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self.wrong, Wrong::Unclear { .. })
    }
}

/// What is wrong with a change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// What it means for this member cannot be told.
    #[error("it can't be told yet what it means for this member: {why}")]
    Unclear {
        /// Why not.
        why: String,
    },
    /// Whether it selects the template cannot be told.
    #[error("its selectors can't be read")]
    Selectors,
    /// A text in braces means nothing.
    #[error("${{{text}}} is no placeholder; write $${{ for a text that stays as it is")]
    Placeholder {
        /// What stands between the braces.
        text: String,
    },
    /// The member does not have what a placeholder stands for.
    #[error("the member has no {what} to put in")]
    NoFact {
        /// `region`, `label tier`.
        what: String,
    },
    /// The kind has no pod template.
    #[error("{kind} has no containers")]
    NoPods {
        /// The kind.
        kind: String,
    },
    /// No container is called so.
    #[error("there is no container {name}; there are: {}", known.join(", "))]
    NoContainer {
        /// The name that was given.
        name: String,
        /// The containers there are.
        known: Vec<String>,
    },
    /// A container has no image to change parts of.
    #[error("container {container} has no image of which parts could be changed; name the repository")]
    NoImage {
        /// The container.
        container: String,
    },
    /// The parts make no image reference.
    #[error("the {part} {text:?} can't stand in an image reference")]
    Image {
        /// `registry`, `repository`, `tag`, `digest`.
        part: &'static str,
        /// What was given.
        text: String,
    },
    /// A JSON pointer is not one.
    #[error("{pointer} is no JSON pointer: in it ~ is written ~0, and / in a name ~1")]
    Pointer {
        /// The pointer.
        pointer: String,
    },
    /// An operation of a patch lacks a field.
    #[error("op {op} needs {field}")]
    Lacks {
        /// The operation.
        op: &'static str,
        /// The field.
        field: &'static str,
    },
    /// A patch names what is not there.
    #[error("there is nothing at {missing}{}", if missing == pointer { String::new() } else { format!(" (in {pointer})") })]
    Nothing {
        /// The pointer.
        pointer: String,
        /// The first part of it that is not there.
        missing: String,
    },
    /// A `test` found something else.
    #[error("another value than it tests for is at {pointer}")]
    Test {
        /// The pointer.
        pointer: String,
    },
    /// A move into itself.
    #[error("{from} can't be moved into itself")]
    IntoItself {
        /// What was to be moved.
        from: String,
    },
    /// Copies made the object too large.
    #[error("the object becomes too large")]
    TooLarge,
    /// It would be another object.
    #[error("it changes {field}, and an override never changes what an object is")]
    Identity {
        /// `kind`, `metadata.name`.
        field: String,
    },
    /// Labels or annotations are no map of texts any more.
    #[error("it leaves no map of texts in metadata.{field}")]
    Marks {
        /// `labels`, `annotations`.
        field: &'static str,
    },
    /// A label or annotation of the hub.
    #[error("{key} is the hub's own and can't be changed")]
    Stamp {
        /// Its key.
        key: String,
    },
    /// The number of replicas.
    #[error(
        "it changes {pointer}; how many replicas a member has is decided by spec.placement.replicas of a policy"
    )]
    Replicas {
        /// Where they are.
        pointer: String,
    },
}
