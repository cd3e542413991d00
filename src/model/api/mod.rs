//! The custom resources of the group `hanse.dev`, as `manifests/crds/` publishes them.
//!
//! Each kind is a Rust type that derives its schema ([`crds`] adds the rules a type cannot say). A field
//! that is declared but not implemented is refused by the API server, with the message "… is not implemented
//! yet", so nobody's wish is silently ignored. No schema has defaults: what a user wrote is what is stored,
//! and GitOps diffs stay clean; an absent field means its `Default` here.

mod binding;
mod bundle;
mod cluster;
mod column;
mod condition;
mod crd;
mod kind_rule;
mod override_policy;
mod placement;
mod policy;
mod reason;
mod refusal;
mod rule;
mod selector;
mod tenant;

pub use binding::*;
pub use bundle::*;
pub use cluster::*;
pub use condition::{ConditionStatus, find_condition, is_true, remove_condition, set_condition};
pub use crd::{crds, render};
pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector, Time};
pub use kind_rule::*;
pub use override_policy::*;
pub use placement::*;
pub use policy::*;
pub use reason::{ConditionType, EventReason, Reason};
pub use refusal::{NotImplemented, not_implemented};
pub use selector::{ClusterSelector, ResourceSelector};
pub use tenant::*;

/// The API group of all kinds here.
pub const GROUP: &str = "hanse.dev";
/// The version they are served at.
pub const VERSION: &str = "v1alpha1";
/// The one kind here that can be a template.
pub const BUNDLE: &str = "Bundle";

/// For `skip_serializing_if`: what equals its default is not written.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests;
