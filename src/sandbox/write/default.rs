//! What the server fills in before anything else sees an object.

use serde_json::Value;

use crate::sandbox::kinds::{Resource, Version};

/// Fills in the defaults of a kind. Doing it twice changes nothing.
pub(crate) fn default_fields(_resource: &Resource, _version: &Version, _object: &mut Value) {}
