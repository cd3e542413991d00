//! OpenAPI schemas of kinds, checking values against them, and the field sets of managedFields.
//!
//! ```text
//! OpenAPI v3 document ─┐
//! CRD ─────────────────┴─► Schemas ─kind(group, version, kind)─► SchemaRef ─check(value)─► Vec<Problem>
//! fieldsV1 ─► FieldSet ─prune(value)─► only the fields that the set owns
//! SchemaRef ─shape()─► Shape, at each place of a value: how it merges, what may be in it
//! builtin() ─► Kubernetes' own kinds, from the data file
//! ```

mod algebra;
mod builtin;
mod check;
mod compile;
mod defaults;
mod fields;
mod node;
mod open;
mod pointer;
mod problem;
mod prune;
mod shape;
#[cfg(test)]
mod tests;

pub use builtin::{Builtin, builtin};
pub use check::{check, check_change};
pub use fields::{FieldSet, Step};
pub use open::{Error, SchemaRef, Schemas};
pub use pointer::{Inseparable, Pointer};
pub use problem::{Bound, Detail, Problem, ProblemKind};
pub use prune::prune;
pub use shape::{Merge, Shape};
