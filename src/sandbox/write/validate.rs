//! What a kind demands of its objects.

use serde_json::Value;

use crate::sandbox::failure::Cause;
use crate::sandbox::kinds::{Resource, Version};

/// A write that is to be judged: prepared and defaulted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change<'a> {
    pub(crate) resource: &'a Resource,
    pub(crate) version: &'a Version,
    /// Empty for the object itself.
    pub(crate) subresource: &'a str,
    /// None for a create.
    pub(crate) old: Option<&'a Value>,
    pub(crate) new: &'a Value,
}

/// What is wrong; nothing when it may be written.
pub(crate) fn validate(_change: &Change<'_>) -> Vec<Cause> {
    Vec::new()
}
