//! What should be: pure passes from a snapshot to a decision and its reasons.
//!
//! No client, no clock, no task. `{policy, health} ← tenancy ← placement ← render`.

pub mod health;
pub mod placement;
pub mod policy;
pub mod render;
pub mod tenancy;
