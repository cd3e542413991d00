//! Why a federation in this process did not come about.

use kube::Error as KubeError;
use kube::config::KubeconfigError;

use crate::act::fleet::JoinError;

/// Why a federation in this process did not come about. None is worth trying again: it is a defect, or the machine's.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `hub install` failed.
    #[error("failed to install the hub: {0}")]
    Install(String),
    /// `hub join` failed.
    #[error("failed to join {member}")]
    Join {
        /// Which one.
        member: String,
        /// Why.
        #[source]
        source: JoinError,
    },
    /// A request to the hub API failed.
    #[error("failed to {what} at the hub API")]
    Hub {
        /// What was asked.
        what: &'static str,
        /// The server's words.
        #[source]
        source: Box<KubeError>,
    },
    /// A member's name is none.
    #[error("failed to name a member: {0}")]
    Name(String),
    /// The client configuration that was written is not understood.
    #[error("failed to make a client configuration")]
    Config(#[source] Box<KubeconfigError>),
    /// A member did not become Ready.
    #[error("failed to see {member} become Ready: {seen}")]
    NotReady {
        /// Which one.
        member: String,
        /// Its conditions.
        seen: String,
    },
}

impl Error {
    pub(super) fn hub(what: &'static str, source: KubeError) -> Self {
        Self::Hub {
            what,
            source: Box::new(source),
        }
    }

    pub(super) fn config(source: KubeconfigError) -> Self {
        Self::Config(Box::new(source))
    }
}
