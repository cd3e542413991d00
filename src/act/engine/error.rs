//! What can go wrong in the loops.

use crate::act::{fleet, wire};

/// Why a pass, or the start, failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The hub API or a member refused or kept silent.
    #[error(transparent)]
    Wire(#[from] wire::Error),
    /// A member could not be reached as it should.
    #[error(transparent)]
    Fleet(#[from] fleet::Error),
    /// The hub API lacks what `hub install` makes.
    #[error("failed to start: {what} is missing in the hub API")]
    NotInstalled {
        /// What is missing.
        what: String,
    },
    /// Something in the hub API can't be read.
    #[error("failed to read {what}: {why}")]
    Unreadable {
        /// What.
        what: String,
        /// Why.
        why: String,
    },
}

impl Error {
    /// Whether what was written over had changed.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Wire(error) if error.code() == Some(409))
    }

    /// Whether nothing was tried because this process does not lead.
    #[must_use]
    pub fn is_not_leader(&self) -> bool {
        matches!(self, Self::Wire(error) if error.is_not_leader())
    }

    /// Whether waiting may mend it: the API server is silent or overburdened. Certificates don't mend themselves.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Wire(error) if error.is_retryable() && !error.is_certificate())
    }
}
