//! Labels, annotations and names that the hub puts on objects, or that people put there for the hub.
//!
//! Marks are signs for people and watches, never proof of anything: controllers copy them to objects that
//! the hub did not make.

/// Label of every object the hub wrote into a member; its value is [`MANAGED_BY_HANSE`].
pub const MANAGED_BY: &str = "hanse.dev/managed-by";
/// The value of [`MANAGED_BY`].
pub const MANAGED_BY_HANSE: &str = "hanse";
/// Label: the tenant. On a member's namespace it makes the namespace ours.
pub const TENANT: &str = "hanse.dev/tenant";
/// Label: the binding an object belongs to.
pub const BINDING: &str = "hanse.dev/binding";
/// Label of objects that tenants may not touch; its value is `true`.
pub const SYSTEM: &str = "hanse.dev/system";
/// Annotation: the id of the hub that wrote the object.
pub const HUB: &str = "hanse.dev/hub";
/// Annotation: the object's own `group/Kind/namespace/name`, so that a copied annotation shows.
pub const OBJECT: &str = "hanse.dev/object";
/// Annotation: the template it was rendered from.
pub const TEMPLATE: &str = "hanse.dev/template";
/// Annotation: hash of the intent that was applied.
pub const INTENT: &str = "hanse.dev/intent";
/// Annotation that the owner of a member sets on a namespace: the tenant that may use it.
pub const ADOPT: &str = "hanse.dev/adopt";
/// Annotation that people set to `allowed` when an object may be deleted and made again.
pub const RECREATE: &str = "hanse.dev/recreate";
/// Annotation that people set to any new value to have a template placed anew.
pub const REBALANCE: &str = "hanse.dev/rebalance";
/// Annotation: version of what `hub join` made.
pub const JOIN_VERSION: &str = "hanse.dev/join-version";
/// Label that aggregates a `ClusterRole` into what tenants may do; its value is `true`.
pub const AGGREGATE_TO_TENANT: &str = "hanse.dev/aggregate-to-tenant";
/// Label that aggregates a `ClusterRole` into what administrators' templates may do; its value is `true`.
pub const AGGREGATE_TO_ADMIN: &str = "hanse.dev/aggregate-to-admin";
/// Finalizer of bindings: something of them may still be in a member.
pub const MEMBERS_FINALIZER: &str = "hanse.dev/members";
/// Namespace of the hub, in the hub API and in members.
pub const SYSTEM_NAMESPACE: &str = "hanse-system";
/// Namespace of the identities of tenants. No `ServiceAccount` is ever made in it.
pub const TENANTS_NAMESPACE: &str = "hanse-tenants";
/// The identity of administrators' templates, and the value of [`TENANT`] on their namespaces.
pub const ADMIN: &str = "hanse-admin";
