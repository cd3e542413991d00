//! The roles and bindings that every cluster starts with.

use serde_json::Value;

/// ClusterRoles and ClusterRoleBindings, as the API server writes them at its first start.
pub(crate) fn bootstrap() -> Vec<Value> {
    Vec::new()
}
