//! What a definition says, as a kind.

use serde_json::Value;

use crate::sandbox::kinds::Resource;

/// The kind a valid definition describes, by the names that were accepted for it.
pub(crate) fn resource(definition: &Value) -> Option<Resource> {
    let _ = definition;
    None
}
