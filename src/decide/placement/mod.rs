//! Where a template runs: from the snapshot of the fleet to a plan with its reasons.
//!
//! ```text
//! Snapshot, Request ─► per member: Leaving → Tenant → ClusterSelection → TaintToleration → Heard → ApiEnabled → Held ─► Plan
//! ```
//!
//! A plan is a fixed point: planning again on its own result changes nothing. What is not known never removes
//! a member from a plan: silence, an incomplete discovery and an expression that fails keep what was decided.

mod choose;
mod plan;
mod reason;
mod taint;

pub use choose::{Answer, Choice};
pub use plan::{Placed, Plan, Request, inputs_hash, place};
pub use reason::{Filter, Reason};
