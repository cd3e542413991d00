//! How an object does in one member, and what its template's status says of all of them.

mod aggregate;
mod conditions;
mod job;
mod judge;

pub use aggregate::{MemberStatus, TemplateFacts, aggregate};
pub use judge::{Verdict, health, ready_replicas};
