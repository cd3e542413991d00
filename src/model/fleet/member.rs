//! One member, and all of them, at one moment.

use std::{collections::BTreeMap, sync::Arc};

use super::Apis;
use crate::model::{api::Taint, clock::Timestamp, name::ClusterName, pod::NodeRoom};

/// The whole fleet at one moment. Never changed: the next moment is another value.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Every registered member by name, also those never heard of.
    pub members: BTreeMap<ClusterName, Arc<Member>>,
}

/// What is known of one member.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// Name of its `Cluster` object.
    pub name: ClusterName,
    /// Labels of its `Cluster` object: what selectors see.
    pub labels: BTreeMap<String, String>,
    /// From the spec, or from the nodes' topology labels when these agree.
    pub region: Option<String>,
    /// As `region`.
    pub zone: Option<String>,
    /// From the spec.
    pub provider: Option<String>,
    /// From the spec; a cordoned member has one more.
    pub taints: Vec<Taint>,
    /// Its `Cluster` object is being deleted: the hub drains it and places nothing more there.
    pub leaving: bool,
    /// Whether it answers.
    pub reach: Reach,
    /// Since when it does not answer, as far as is known: its Cluster remembers it over restarts of the hub.
    pub lost: Option<Timestamp>,
    /// Since when none of its nodes is ready, of one that answers and has nodes: its Cluster remembers it, too.
    pub unready: Option<Timestamp>,
    /// Why nothing may be written there although it answers.
    pub held: Option<Held>,
    /// `gitVersion` of its API server.
    pub version: Option<String>,
    /// uid of its kube-system namespace: the member's identity.
    pub identity: Option<String>,
    /// Ready and all nodes; zero until the first list.
    pub nodes: Nodes,
    /// Sums over ready, schedulable nodes.
    pub allocatable: Resources,
    /// Requests of non-terminal pods bound to nodes.
    pub requested: Resources,
    /// What is free on the node with the most free CPU.
    pub largest_gap: Resources,
    /// What each ready, schedulable node can still take; `None` until nodes and pods were listed.
    pub room: Option<Arc<[NodeRoom]>>,
    /// The kinds it serves.
    pub apis: Arc<Apis>,
}

impl Member {
    /// A member of which nothing is known but its name.
    #[must_use]
    pub fn unheard(name: ClusterName) -> Self {
        Self {
            name,
            labels: BTreeMap::new(),
            region: None,
            zone: None,
            provider: None,
            taints: Vec::new(),
            leaving: false,
            reach: Reach::Unknown,
            lost: None,
            unready: None,
            held: None,
            version: None,
            identity: None,
            nodes: Nodes::default(),
            allocatable: Resources::default(),
            requested: Resources::default(),
            largest_gap: Resources::default(),
            room: None,
            apis: Arc::default(),
        }
    }

    /// Whether its nodes and pods were listed since the hub started: before that numbers are too small, and places that
    /// come from nodes are missing.
    #[must_use]
    pub fn is_listed(&self) -> bool {
        self.room.is_some()
    }

    /// Whether everything a decision looks at is equal: all but the numbers that move with every pod.
    #[must_use]
    pub fn decides_alike(&self, other: &Self) -> bool {
        let numbers = |member: &Self| Self {
            requested: Resources::default(),
            largest_gap: Resources::default(),
            room: None,
            ..member.clone()
        };
        numbers(self) == numbers(other) && self.nodes_alike(other)
    }

    /// Whether they have the same nodes, however full.
    fn nodes_alike(&self, other: &Self) -> bool {
        let nodes = |member: &Self| {
            member
                .room
                .as_ref()
                .map(|room| room.iter().map(|at| at.node.clone()).collect::<Vec<_>>())
        };
        nodes(self) == nodes(other)
    }

    /// Whether some node can take more than it could in `before`.
    #[must_use]
    pub fn has_more_room_than(&self, before: &Self) -> bool {
        let idle = |member: &Self| member.allocatable.minus(member.requested);
        let (now, then) = (idle(self), idle(before));
        now.cpu_milli > then.cpu_milli
            || now.memory > then.memory
            || now.pods > then.pods
            || self.largest_gap != before.largest_gap
            || (self.room.is_some() && before.room.is_none())
    }

    /// Whether the hub may write there now.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        matches!(self.reach, Reach::Reachable | Reach::Suspect) && self.held.is_none()
    }
}

/// Whether a member answers its probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, serde::Serialize)]
pub enum Reach {
    /// Never heard of since this hub started.
    #[default]
    Unknown,
    /// The last probe was answered.
    Reachable,
    /// One probe failed.
    Suspect,
    /// Two probes failed: what is shown of it is old.
    Unreachable,
}

/// Why nothing is written to a member that answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// Its kube-system namespace has another uid than the one it was joined with.
    IdentityChanged {
        /// The uid in the Cluster's status.
        expected: String,
        /// The uid the member shows.
        found: String,
    },
    /// Its claim names another hub, or another copy of this one.
    Claimed {
        /// The hub id in the claim.
        by: String,
    },
    /// Nothing claims it: it was not joined, or the claim was removed.
    Unclaimed,
    /// It answers and does not accept the hub's credential.
    Unauthorized,
    /// Its identity and claim were not read since it was last connected to, or since it was last silent.
    Unverified,
    /// Another registered member has the same identity: two names for one cluster.
    Duplicate {
        /// The name that was there first.
        of: ClusterName,
    },
}

impl std::fmt::Display for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::IdentityChanged { expected, found } => {
                write!(
                    f,
                    "its kube-system namespace has uid {found}, it was joined with {expected}: it is another cluster"
                )
            }
            Self::Claimed { by } => write!(f, "hub {by} claims it; hint: hub takeover"),
            Self::Unclaimed => f.write_str("it has no claim of this hub; hint: hub join"),
            Self::Unauthorized => f.write_str("it refuses the hub's credential; hint: hub join --refresh"),
            Self::Unverified => f.write_str("its identity is not verified yet"),
            Self::Duplicate { of } => write!(f, "it is the same cluster as {of}"),
        }
    }
}

/// Nodes of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Nodes {
    /// Ready ones.
    pub ready: u32,
    /// All, virtual nodes of the hub left out.
    pub total: u32,
}

impl Nodes {
    /// Whether there are some, and none of them is ready. A member without nodes may be one that makes them when pods come.
    #[must_use]
    pub fn none_ready(self) -> bool {
        self.ready == 0 && self.total > 0
    }
}

/// Amounts of the resources that every node has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize)]
pub struct Resources {
    /// Thousandths of a CPU.
    pub cpu_milli: u64,
    /// Bytes.
    pub memory: u64,
    /// Pods.
    pub pods: u64,
}

impl Resources {
    /// What is left when `used` is taken away; never below zero.
    #[must_use]
    pub fn minus(self, used: Self) -> Self {
        Self {
            cpu_milli: self.cpu_milli.saturating_sub(used.cpu_milli),
            memory: self.memory.saturating_sub(used.memory),
            pods: self.pods.saturating_sub(used.pods),
        }
    }

    /// So many times as much; stops at the largest number there is.
    #[must_use]
    pub fn times(self, times: u64) -> Self {
        Self {
            cpu_milli: self.cpu_milli.saturating_mul(times),
            memory: self.memory.saturating_mul(times),
            pods: self.pods.saturating_mul(times),
        }
    }

    /// Both together; stops at the largest number there is.
    #[must_use]
    pub fn plus(self, more: Self) -> Self {
        Self {
            cpu_milli: self.cpu_milli.saturating_add(more.cpu_milli),
            memory: self.memory.saturating_add(more.memory),
            pods: self.pods.saturating_add(more.pods),
        }
    }
}
