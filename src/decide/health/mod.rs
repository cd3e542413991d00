//! How an object does in one member, and what its template's status says of all of them.
//!
//! Sources: `kubectl rollout status` for workloads, kstatus (sigs.k8s.io/cli-utils) for what has only conditions, a
//! `KindRule` where there is one. A status written for an older generation is never taken for Healthy.

mod aggregate;
mod builtin;
mod conditions;
mod job;
mod judge;
mod status;

pub use aggregate::{MemberStatus, TemplateFacts, aggregate, cleared};
pub use judge::{Verdict, health, object_of, ready_replicas};
pub use status::has_observed;
