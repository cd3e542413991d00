//! Which policy governs which template, and which overrides change it.
//!
//! ```text
//! PropagationPolicy, ClusterPropagationPolicy ─► Policy (selectors compiled) ─► Policies ─govern(template)─► Governed
//! ```
//!
//! A policy is compiled once, when it changes; [`Policies`] keeps them by namespace and kind, so that asking
//! for a template touches only the policies that could select it.

mod compile;
mod govern;
mod index;
mod overrides;

pub use compile::{Policy, PolicyId};
pub use govern::{Governed, Refused};
pub use index::Policies;
pub use overrides::{Override, OverrideId, Overrides};
