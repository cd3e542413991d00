//! `ValidatingAdmissionPolicies`: what the members' fence refuses on real Kubernetes, it refuses here.
//!
//! ```text
//! policies, bindings (objects) ─compile, once per change─► Policy ─judge(request)─► refusal
//! ```
//!
//! Enforced are policies whose expressions all compile here and that have no parameters; bindings with `Deny`. What
//! else there may be (parameters, authorizer, match by selectors) is stored only, and listed as a difference.

mod compile;
mod judge;
#[cfg(test)]
mod tests;

pub(crate) use judge::{Judged, Operation, Policies};
