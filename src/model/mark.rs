//! Labels, annotations and fixed names of the hub: signs for people and watches, never proof (PROTOCOL §2.3).

/// Label on everything the hub writes into a member.
pub const MANAGED_BY: &str = "hanse.dev/managed-by";
/// The value of [`MANAGED_BY`].
pub const HANSE: &str = "hanse";
/// Key of the taint of a cordoned member: nothing new is placed there.
pub const CORDONED: &str = "hanse.dev/cordoned";
/// Key of the taint of a member that `hub drain` empties.
pub const DRAINED: &str = "hanse.dev/drained";
/// Label with the tenant's name; on a namespace it makes it the tenant's.
pub const TENANT: &str = "hanse.dev/tenant";
/// Label with the uid of the Tenant object a namespace was made for.
pub const TENANT_UID: &str = "hanse.dev/tenant-uid";
/// Label with the name of the binding that wants the object.
pub const BINDING: &str = "hanse.dev/binding";
/// Label on system objects that only the hub may change.
pub const SYSTEM: &str = "hanse.dev/system";
/// Annotation with the hub id.
pub const HUB: &str = "hanse.dev/hub";
/// Annotation with the object's own `group/Kind/namespace/name`: copies made by controllers don't match it.
pub const OBJECT: &str = "hanse.dev/object";
/// Annotation with the template's `group/Kind/namespace/name`.
pub const TEMPLATE: &str = "hanse.dev/template";
/// Annotation with the hash of the intent.
pub const INTENT: &str = "hanse.dev/intent";
/// Annotation by which a member's owner lets a tenant use a namespace that exists already.
pub const ADOPT: &str = "hanse.dev/adopt";
/// Annotation on a template: any new value asks for a new division of its replicas.
pub const REBALANCE: &str = "hanse.dev/rebalance";
/// What `hub join` has made carries its version.
pub const JOIN_VERSION: &str = "hanse.dev/join-version";
/// Finalizer of WorkloadBindings, Clusters and Tenants.
pub const FINALIZER: &str = "hanse.dev/members";

/// Namespace of the hub, on the hub API and in members.
pub const SYSTEM_NAMESPACE: &str = "hanse-system";
/// ConfigMap in [`SYSTEM_NAMESPACE`] of the hub API that holds the hub id.
pub const HUB_IDENTITY: &str = "hub-identity";
/// Lease in [`SYSTEM_NAMESPACE`] of a member that says which hub it belongs to.
pub const HUB_CLAIM: &str = "hub-claim";
/// Lease in [`SYSTEM_NAMESPACE`] of the hub API.
pub const HUB_LEADER: &str = "hub-leader";
/// The ClusterRole that tenants' identities are bound to in members.
pub const TENANT_ROLE: &str = "hanse:tenant";
