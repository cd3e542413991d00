//! Tenant namespaces and rights: made before anything lands there, taken away last.
//!
//! ```text
//! Tenant ─► hub namespaces + RoleBinding `hanse-owners`                       (hub.rs)
//! first object for (member, namespace) ─► Namespace + RoleBinding to `hanse:tenant` ─► its lane goes on   (member.rs)
//! ```
//!
//! What these objects are is decided in `decide::tenancy`; here they are compared, written and read back.

mod hub;
mod member;

pub use hub::{enforce_tenant, release_namespace};
pub use member::{Enforcer, Obstacle, Withdrawn};
