//! From an old object and a request to the new object, or to a refusal. Pure: time and names are arguments.

use crate::sandbox::access::User;

/// What is said of unknown and duplicate fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum FieldValidation {
    Ignore,
    /// Told in `Warning` headers.
    #[default]
    Warn,
    Strict,
}

/// Who writes, and how.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    pub(crate) user: User,
    /// `fieldManager`, or the first part of the user agent.
    pub(crate) manager: String,
    pub(crate) validation: FieldValidation,
    /// Everything happens but the write itself.
    pub(crate) dry_run: bool,
}

impl Writer {
    /// A controller, under its own name.
    pub(crate) fn controller(name: &str) -> Self {
        Self {
            user: User::system(&format!("system:controller:{name}")),
            manager: name.to_owned(),
            validation: FieldValidation::Ignore,
            dry_run: false,
        }
    }
}
