//! Kinds that clusters learn: from a `CustomResourceDefinition` to a kind of the registry.
//!
//! ```text
//! definition written ─validate─► stored ─► run: names accepted? ─► conditions
//!                                              established?    ─► registry
//!                                              deleted?        ─► its objects go, then its kind
//! ```

mod resource;
mod validate;

pub(crate) use resource::resource;
pub(crate) use validate::validate;

/// The group of definitions.
pub(crate) const GROUP: &str = "apiextensions.k8s.io";
/// Their plural.
pub(crate) const PLURAL: &str = "customresourcedefinitions";
