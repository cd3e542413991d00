//! Validated names: parsed once where text enters the hub, never checked again inside.
//!
//! All of them are cheap to clone (one reference count) and order, hash and serialize as their text.

mod key;
mod kind;
mod label;

pub use key::{ObjectKey, binding_name};
pub use kind::{GroupKind, GroupVersionKind};
pub use label::{ClusterName, LABEL_PATTERN, NamespaceName, ObjectName, SUBDOMAIN_PATTERN, TenantName};

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Breaks the rule for this sort of name.
    #[error("failed to accept {text:?} as {what}: {rule}")]
    Name {
        /// The refused text, cut to 80 characters.
        text: String,
        /// What it was to name.
        what: &'static str,
        /// What such a name must look like.
        rule: &'static str,
    },
    /// Not `group/Kind/namespace/name`.
    #[error("failed to read {text:?} as an object key: expected group/Kind/namespace/name")]
    Key {
        /// The refused text, cut to 80 characters.
        text: String,
    },
    /// Not `group/version` or `version`.
    #[error("failed to read apiVersion {text:?}: expected group/version, or v1")]
    ApiVersion {
        /// The refused text, cut to 80 characters.
        text: String,
    },
}

fn excerpt(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests;
