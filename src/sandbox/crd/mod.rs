//! Kinds that clusters learn: from a `CustomResourceDefinition` to a kind of the registry.
//!
//! ```text
//! definition ─complete─► validate ─► stored ─► run: names free?  ─► conditions NamesAccepted, Established
//!                                                   established? ─► registry (resource)
//! deleted ─leaving─► waits ──────────────────► run: its objects go, then itself, then its kind
//! its objects ─judge─► what its schema and rules refuse
//! ```
//!
//! Schemas must be structural, as upstream demands; their rules and defaults are [`crate::model::schema`]'s.

mod complete;
mod condition;
mod judge;
mod names;
mod resource;
mod run;
mod structural;
#[cfg(test)]
mod tests;
mod validate;

pub(crate) use complete::{complete, leaving};
pub(crate) use judge::{judge, path};
pub(crate) use resource::is_selectable;
pub(crate) use run::run;
pub(crate) use validate::validate;

/// The group of definitions.
pub(crate) const GROUP: &str = "apiextensions.k8s.io";
/// Their plural.
pub(crate) const PLURAL: &str = "customresourcedefinitions";

/// Holds a definition until its objects are gone.
const FINALIZER: &str = "customresourcecleanup.apiextensions.k8s.io";
