//! A node as a decision sees it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Amounts;

/// What of a node does not move with its pods.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeFacts {
    /// Its name.
    pub name: Box<str>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Taints that keep pods away: `NoSchedule` and `NoExecute`.
    pub taints: Vec<NodeTaint>,
    /// What its pods may take together.
    pub allocatable: Amounts,
}

/// A taint of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeTaint {
    /// Its key.
    pub key: Box<str>,
    /// Its value; empty if it has none.
    pub value: Box<str>,
    /// `NoSchedule` or `NoExecute`.
    pub effect: Box<str>,
}

/// What a node that is ready and not cordoned can still take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRoom {
    /// The node.
    pub node: Arc<NodeFacts>,
    /// What is free.
    pub free: Amounts,
}
