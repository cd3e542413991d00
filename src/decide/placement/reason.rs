//! Why a member was not chosen.

use std::fmt;

use crate::model::api::{PlacementReason, Resources};
use crate::model::name::ClusterName;

/// The filters, in the order in which they are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Filter {
    /// No Cluster has the name that the policy gives.
    ClusterExists,
    /// The Cluster is being deleted.
    Leaving,
    /// The tenant may not use it.
    Tenant,
    /// The policy does not choose it.
    ClusterSelection,
    /// Its taints keep the workload away.
    TaintToleration,
    /// It was never heard of since the hub started.
    Heard,
    /// It does not serve the kind, or it is not known whether it does.
    ApiEnabled,
    /// It does not answer: nothing new goes there, and what is there may move away.
    Answers,
    /// It answers, and none of its nodes is ready: as if it did not answer.
    NodesReady,
    /// Nothing may be written there until a person has decided.
    Held,
    /// No node of it could run one pod, even empty.
    NodeFit,
    /// A spread leaves its group out, or it is in none.
    Spread,
    /// Another term of the policy is used.
    Term,
    /// No replicas were left for it, or it has no room.
    Division,
}

impl Filter {
    /// Those that are asked of each member for itself, in this order.
    pub(super) const ASKED: [Self; 10] = [
        Self::Leaving,
        Self::Tenant,
        Self::ClusterSelection,
        Self::TaintToleration,
        Self::Heard,
        Self::Answers,
        Self::NodesReady,
        Self::ApiEnabled,
        Self::Held,
        Self::NodeFit,
    ];
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::ClusterExists => "ClusterExists",
            Self::Leaving => "Leaving",
            Self::Tenant => "Tenant",
            Self::ClusterSelection => "ClusterSelection",
            Self::TaintToleration => "TaintToleration",
            Self::ApiEnabled => "ApiEnabled",
            Self::Heard => "Heard",
            Self::Answers => "Answers",
            Self::NodesReady => "NodesReady",
            Self::Held => "Held",
            Self::NodeFit => "NodeFit",
            Self::Spread => "Spread",
            Self::Term => "Term",
            Self::Division => "Division",
        })
    }
}

/// The first "no" for one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The member, or a name that no member has.
    pub cluster: ClusterName,
    /// The filter that refused it first.
    pub filter: Filter,
    /// The names and numbers it used, for people.
    pub message: String,
    /// The numbers of the member that it compared.
    pub numbers: Resources,
}

/// The longest message that a binding's status takes.
const MESSAGE_MAX: usize = 1024;
/// The most numbers that it takes.
const NUMBERS_MAX: usize = 32;

impl From<Reason> for PlacementReason {
    fn from(reason: Reason) -> Self {
        Self {
            cluster: reason.cluster,
            filter: reason.filter.to_string(),
            message: reason.message.chars().take(MESSAGE_MAX).collect(),
            numbers: reason.numbers.into_iter().take(NUMBERS_MAX).collect(),
        }
    }
}
