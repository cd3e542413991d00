//! The status of a template, summed over its members (PROTOCOL §5.1).

use serde_json::Value;

use crate::model::name::{ClusterName, GroupKind};

/// What must be known of the template.
#[derive(Debug, Clone, Copy)]
pub struct TemplateFacts<'a> {
    /// Its kind.
    pub kind: &'a GroupKind,
    /// `metadata.generation`
    pub generation: i64,
    /// `spec.type` of a Service.
    pub service_type: Option<&'a str>,
    /// Its status as it stands in the hub API: some numbers must never go back.
    pub previous: Option<&'a Value>,
}

/// What one member says.
#[derive(Debug, Clone, Copy)]
pub struct MemberStatus<'a> {
    /// The member.
    pub cluster: &'a ClusterName,
    /// Generation of the template that was last applied there.
    pub applied_generation: Option<i64>,
    /// Whether the member's controller has seen what was applied: its status' `observedGeneration` has reached
    /// the object's own generation in the member.
    pub observed: bool,
    /// The status there as JSON; None when there is none, or the member may not be believed.
    pub status: Option<&'a str>,
}

/// The status that the template shall have; None for kinds whose status is not summed. An answer equal to
/// `previous` needs no write.
#[must_use]
pub fn aggregate(template: &TemplateFacts<'_>, members: &[MemberStatus<'_>]) -> Option<Value> {
    let _ = (template, members);
    None
}
