//! The intent.

use std::sync::Arc;

use serde_json::Value;

use crate::model::fleet::Member;
use crate::model::hash::Hash;
use crate::model::name::{ClusterName, GroupKind, GroupVersionKind, ObjectKey, ObjectName};
use crate::model::template::Template;

/// Why there is no intent for a member.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The member does not serve the kind. With an incomplete discovery it may serve it all the same.
    #[error("failed to render for cluster {cluster}: it does not serve {kind}{}", if *.certain { "" } else { ", as far as its incomplete discovery tells" })]
    KindUnknown {
        /// The member.
        cluster: ClusterName,
        /// The kind.
        kind: GroupKind,
        /// Whether every API group of the member answered.
        certain: bool,
    },
    /// The template's body is not an object.
    #[error("failed to render {key}: its body is not an object")]
    Body {
        /// The template.
        key: ObjectKey,
    },
}

/// What an intent is made for.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The hub's id.
    pub hub: &'a str,
    /// Name of the binding.
    pub binding: &'a ObjectName,
    /// The tenant's name, or `hanse-admin`.
    pub tenant: &'a str,
    /// The member.
    pub member: &'a Member,
    /// Who says how many replicas.
    pub replicas: Replicas,
}

/// Who says how many replicas (PROTOCOL §3.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replicas {
    /// The template: its live number.
    Template,
    /// The plan.
    Exactly(i64),
    /// An autoscaler: the field is left out. Only for objects that are already there, after the live number
    /// was handed over to the second manager.
    Autoscaler,
}

/// The exact object that the hub wants one member to have.
#[derive(Debug, Clone, PartialEq)]
pub struct Intent {
    /// Which object it is.
    pub key: ObjectKey,
    /// Its kind at a version the member serves.
    pub gvk: GroupVersionKind,
    /// The object, with all marks.
    pub body: Arc<Value>,
    /// Hash of the body without the annotation that holds this hash.
    pub hash: Hash,
}

impl Intent {
    /// The body that hands the live number of replicas over to the second field manager before the hub leaves
    /// the field: only the replicas and nothing else. None for kinds without.
    #[must_use]
    pub fn replicas_only(&self, live: i64) -> Option<Value> {
        let _ = live;
        None
    }
}

/// What the member shall hold of the template.
pub fn render(template: &Template, context: &Context<'_>) -> Result<Intent, Error> {
    let _ = context;
    Err(Error::Body {
        key: template.key.clone(),
    })
}
