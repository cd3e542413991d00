//! Where a template runs: from the snapshot of the fleet to a plan with its reasons.
//!
//! ```text
//! Snapshot, Request ─► filter: Leaving → Tenant → ClusterSelection → TaintToleration → Heard → Answers
//!                              → NodesReady → ApiEnabled → Held → NodeFit                           (the first "no" of each member)
//!                   ─► per term: spread (which groups) ─► divide (how many replicas) ─► the first that holds it ─► Plan
//! ```
//!
//! A plan is a fixed point: planning again on its own result changes nothing. What is not known never removes
//! a member from a plan: silence, an incomplete discovery and an expression that fails keep what was decided.
//! Replicas are conserved: those of a plan and those that wait are those of the template.

mod audit;
mod choose;
mod divide;
mod failover;
mod filter;
mod plan;
mod range;
mod reason;
mod room;
mod spread;
mod taint;

pub use audit::audit;
pub use choose::{Answer, Choice};
pub use failover::{Brake, Moving, doubt};
pub use plan::{Placed, Plan, Request, Waiting, Workload, inputs_hash, place};
pub use range::{Shares, divide_range, shares_of};
pub use reason::{Filter, Reason};
pub use room::{PATIENCE, Ready, Rooms};
