//! What can go wrong between the hub and a member.

use crate::{act::wire, model::name::ClusterName};

/// Why a member can't be reached or read. No variant ever holds a byte of a Secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server refused, or did not answer.
    #[error(transparent)]
    Wire(#[from] wire::Error),
    /// The Secret that `spec.connection` names is not there.
    #[error("failed to find Secret {namespace}/{name} with the kubeconfig of cluster {cluster}")]
    NoSecret {
        /// Whose connection it is.
        cluster: ClusterName,
        /// Namespace of the Secret.
        namespace: String,
        /// Name of the Secret.
        name: String,
    },
    /// The Secret has no such key, or it is not text.
    #[error("failed to find a kubeconfig under key {key:?} of Secret {namespace}/{name}")]
    NoKey {
        /// Namespace of the Secret.
        namespace: String,
        /// Name of the Secret.
        name: String,
        /// The key that was looked for.
        key: String,
    },
    /// Not a kubeconfig, or one that names what is not in it.
    #[error("failed to read kubeconfig: {reason}")]
    Kubeconfig {
        /// What is wrong with it, without its contents.
        reason: String,
    },
    /// A kubeconfig that asks for something that was not allowed.
    #[error("failed to accept kubeconfig: {what}")]
    Refused {
        /// What it asks for.
        what: String,
        /// The flag that would allow it; `None`: nothing does.
        flag: Option<&'static str>,
    },
    /// A way to connect that this hub does not know.
    #[error("failed to connect to cluster {cluster}: {what}")]
    NotImplemented {
        /// Whose connection it is.
        cluster: ClusterName,
        /// What was asked for.
        what: &'static str,
    },
    /// A document of the member that can't be understood.
    #[error("failed to understand the {what} of cluster {cluster}: {reason}")]
    Document {
        /// Who sent it.
        cluster: ClusterName,
        /// `OpenAPI document`, `token`, …
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl Error {
    /// Whether trying again may help without anybody changing anything.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Wire(source) if source.is_retryable())
    }

    /// The flag of `hub join` that would allow what was refused.
    #[must_use]
    pub fn flag(&self) -> Option<&'static str> {
        match self {
            Self::Refused { flag, .. } => *flag,
            _ => None,
        }
    }
}
