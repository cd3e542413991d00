//! Planning.

use crate::model::api::{BindingCluster, ClusterSelector, Placement, RequiredBy};
use crate::model::fleet::Snapshot;
use crate::model::hash::Hash;
use crate::model::name::{ClusterName, GroupVersionKind};

use super::Reason;

/// What is to be placed.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The policy's placement; None for what is only needed by other bindings.
    pub placement: Option<&'a Placement>,
    /// The members the tenant may use; empty for administrators.
    pub tenant: &'a ClusterSelector,
    /// The kind the members must serve; the version does not matter.
    pub kind: &'a GroupVersionKind,
    /// The decision that stands, from the binding.
    pub current: &'a [BindingCluster],
    /// The bindings that need this one where they are.
    pub required: &'a [RequiredBy],
}

/// A decision and its reasons.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// The members, by name.
    pub clusters: Vec<Placed>,
    /// The first "no" per other member, by name.
    pub reasons: Vec<Reason>,
}

/// One member of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The member.
    pub name: ClusterName,
    /// How many replicas; None: as many as the template has.
    pub replicas: Option<i64>,
}

/// Decides where the template runs.
#[must_use]
pub fn place(fleet: &Snapshot, request: &Request<'_>) -> Plan {
    let _ = (fleet, request);
    Plan::default()
}

/// Hash of what this template's decision was made from. The fleet is left out on purpose: it changes for all
/// bindings at once, planning again costs microseconds, and a hash over it would rewrite every binding for
/// every label on every member.
#[must_use]
pub fn inputs_hash(request: &Request<'_>) -> Hash {
    Hash::of(&serde_json::json!([
        request.placement,
        request.tenant,
        request.kind.group_kind().to_string(),
        request.required,
    ]))
}
