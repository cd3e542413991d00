//! Why a member could not be joined, taken over or left.

use kube::Error as KubeError;

use crate::{act::wire, model::name::ClusterName};

/// Why a member could not be joined, taken over or left.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// A request to the hub API failed.
    #[error("failed to {what} on the hub API: {}", wire::brief(source))]
    Hub {
        /// What was tried.
        what: String,
        /// The answer.
        #[source]
        source: Box<KubeError>,
    },
    /// A request to the member failed.
    #[error("failed to {what} in the member: {}", wire::brief(source))]
    Member {
        /// What was tried.
        what: String,
        /// The answer.
        #[source]
        source: Box<KubeError>,
    },
    /// The hub API has no hub id: `hub install` was never run there.
    #[error("failed to find ConfigMap hanse-system/hub-identity on the hub API")]
    NotInstalled,
    /// The member has no admission policies to build the fence from.
    #[error("failed to accept the member: Kubernetes {version} is older than 1.30")]
    TooOld {
        /// What it says it is.
        version: String,
    },
    /// Another hub, or another copy of this one, has claimed the member.
    #[error("failed to accept the member: it is claimed by hub {by}")]
    Claimed {
        /// Holder of the claim.
        by: String,
    },
    /// The name belongs to another cluster.
    #[error("failed to join: Cluster {name} is another cluster, with uid {uid}")]
    NameTaken {
        /// The name that was asked for.
        name: ClusterName,
        /// Identity of the cluster that has it.
        uid: String,
    },
    /// The cluster has joined under another name.
    #[error("failed to join: this cluster is a member already, as {name}")]
    AlreadyJoined {
        /// The other name.
        name: String,
    },
    /// There is nothing to refresh, take over or leave.
    #[error("failed to find Cluster {name} on the hub API")]
    NotJoined {
        /// The name that was asked for.
        name: ClusterName,
    },
    /// What is in the way is being deleted, and does not end.
    #[error("failed to join: {what} is still being deleted after {} s", waited.as_secs())]
    Ending {
        /// What it is.
        what: String,
        /// How long it was waited for.
        waited: std::time::Duration,
    },
    /// The fence was applied but does not refuse what it must refuse.
    #[error("failed to see the fence of the member stand within 30 s: {seen}")]
    FenceSilent {
        /// What the probe was answered.
        seen: String,
    },
}

pub(super) fn hub(what: impl Into<String>) -> impl FnOnce(KubeError) -> JoinError {
    let what = what.into();
    move |source| JoinError::Hub {
        what,
        source: Box::new(source),
    }
}

pub(super) fn member(what: impl Into<String>) -> impl FnOnce(KubeError) -> JoinError {
    let what = what.into();
    move |source| JoinError::Member {
        what,
        source: Box::new(source),
    }
}
