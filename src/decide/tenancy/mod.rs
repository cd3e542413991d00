//! Who owns a namespace, as whom the hub acts there, what tenants may propagate, and the objects that a tenant
//! owns in the hub and in members.

mod may;
mod objects;
mod owner;

pub use may::{Refusal, may_propagate};
pub use objects::{
    MEMBER_BINDING, OWNER_ROLE, OWNERS_BINDING, hub_namespace, hub_owners_binding, member_namespace,
    member_role_binding,
};
pub use owner::{ADMIN, ActsAs, Loss, Tenants, admin, is_admin};
