//! What is kept of one object in one member.

use std::sync::Arc;

use crate::model::hash::Hash;

/// An object in a member that bears the hub's stamp, as last seen.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ObjectRow {
    /// `metadata.uid`
    pub uid: String,
    /// `metadata.resourceVersion`
    pub resource_version: String,
    /// `metadata.generation`; 0 for kinds without.
    pub generation: i64,
    /// Annotation `hanse.dev/intent`: which intent it says it holds.
    pub intent: Option<String>,
    /// Label `hanse.dev/binding`.
    pub binding: Option<String>,
    /// Annotation `hanse.dev/object`, to tell an object from what copied its labels.
    pub stamp: Option<String>,
    /// Hash of this hub's managedFields entry; `None` when it has none.
    pub owned: Option<Hash>,
    /// Who edited last besides the hub, for the event that reports drift.
    pub last_editor: Option<String>,
    /// `spec.replicas`
    pub replicas: Option<i64>,
    /// `spec.clusterIP` of a Service.
    pub cluster_ip: Option<String>,
    /// `spec.type` of a Service.
    pub service_type: Option<String>,
    /// How its controller is told to change pods.
    pub pace: Pace,
    /// The spec as JSON, of kinds that are not built in: rules may ask for any field of it.
    pub spec: Option<Arc<str>>,
    /// The status as the member wrote it: compact JSON.
    pub status: Option<Arc<str>>,
    /// Whether it is being deleted.
    pub deleting: bool,
}

/// What the spec of a workload says of when its controller changes pods.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pace {
    /// A Deployment that is paused, or a Job or `CronJob` that is suspended.
    pub held: bool,
    /// Pods are changed only when somebody deletes them.
    pub on_delete: bool,
    /// So many pods of a `StatefulSet` stay as they were.
    pub partition: i64,
}
