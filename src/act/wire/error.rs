//! What can go wrong on the wire.

use kube::Error as KubeError;

use super::gate::{NotLeader, TimedOut};
use crate::model::name::ObjectKey;

/// Why talking to an API server failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kubeconfig's TLS or authentication can't be used. Final until it is changed.
    #[error("failed to prepare a connection")]
    Connect {
        /// What the client library says.
        #[source]
        source: Box<KubeError>,
    },
    /// An identity that can't stand in a header. Final.
    #[error("failed to act as {user}")]
    Identity {
        /// The user name that was refused.
        user: String,
        /// What the header says of it.
        #[source]
        source: http::header::InvalidHeaderValue,
    },
    /// A request was refused, or its outcome is unknown.
    #[error("failed to {verb} {key}: {}", brief(source))]
    Request {
        /// What was tried: `apply`, `read`, `delete`, …
        verb: &'static str,
        /// On what.
        key: Box<ObjectKey>,
        /// The server's or the connection's words.
        #[source]
        source: Box<KubeError>,
    },
    /// A request that is not about one object.
    #[error("failed to {what}: {}", brief(source))]
    Call {
        /// What was tried.
        what: String,
        /// The server's or the connection's words.
        #[source]
        source: Box<KubeError>,
    },
}

impl Error {
    pub(crate) fn request(verb: &'static str, key: &ObjectKey, source: KubeError) -> Self {
        Self::Request {
            verb,
            key: Box::new(key.clone()),
            source: Box::new(source),
        }
    }

    /// A failed request that is not about one object.
    pub fn call(what: impl Into<String>, source: KubeError) -> Self {
        Self::Call {
            what: what.into(),
            source: Box::new(source),
        }
    }

    fn kube(&self) -> Option<&KubeError> {
        match self {
            Self::Connect { source } | Self::Request { source, .. } | Self::Call { source, .. } => {
                Some(source)
            }
            Self::Identity { .. } => None,
        }
    }

    /// The server's status, if it was the server that refused.
    #[must_use]
    pub fn status(&self) -> Option<&kube::core::Status> {
        match self.kube() {
            Some(KubeError::Api(status)) => Some(status),
            _ => None,
        }
    }

    /// The HTTP code, if the server answered.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        self.status().map(|status| status.code)
    }

    /// Whether trying the same again may help: no answer, too many requests, a server's fault, a conflict.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Identity { .. } => false,
            _ => match self.status() {
                Some(status) => {
                    matches!(status.code, 409 | 429 | 502 | 503 | 504)
                        || (status.code == 500 && !is_undeclared(status))
                }
                None => !matches!(self, Self::Connect { .. }),
            },
        }
    }

    /// Whether the write was not even started.
    #[must_use]
    pub fn is_not_leader(&self) -> bool {
        matches!(self.kube(), Some(KubeError::Service(source)) if source.is::<NotLeader>())
    }

    /// Whether the API server kept silent: the outcome of a write is unknown.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self.kube(), Some(KubeError::Service(source)) if source.is::<TimedOut>())
    }
}

/// An unknown field in a server-side apply is an HTTP 500 that no retry mends.
fn is_undeclared(status: &kube::core::Status) -> bool {
    status.message.contains("field not declared in schema")
        || status.message.contains("failed to create typed patch object")
}

/// The cause in one line: the server's own message, else the innermost cause.
#[must_use]
pub fn brief(source: &KubeError) -> String {
    if let KubeError::Api(status) = source {
        return status.message.clone();
    }
    let mut deepest: &dyn std::error::Error = source;
    while let Some(cause) = deepest.source() {
        deepest = cause;
    }
    deepest.to_string()
}
