//! The objects that a tenant owns, as server-side apply bodies.

use serde_json::{Value, json};

use super::is_admin;
use crate::model::api::{Owner, OwnerKind, Tenant, TenantRef};
use crate::model::mark;
use crate::model::name::NamespaceName;

/// `RoleBinding` in a tenant's hub namespaces that gives them to its owners.
pub const OWNERS_BINDING: &str = "hanse-owners";
/// `ClusterRole` on the hub API that owners are bound to.
pub const OWNER_ROLE: &str = "hanse:hub-owner";
/// `RoleBinding` in a member's namespace that gives it to the tenant's identity.
pub const MEMBER_BINDING: &str = "hanse-tenant";

const RBAC: &str = "rbac.authorization.k8s.io";

/// The namespace in the hub API.
#[must_use]
pub fn hub_namespace(namespace: &NamespaceName, tenant: &Tenant) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": namespace, "labels": {
            mark::MANAGED_BY: mark::HANSE,
            mark::TENANT: tenant.metadata.name,
            mark::TENANT_UID: tenant.metadata.uid,
        }},
    })
}

/// The `RoleBinding` that lets owners edit templates and policies in a hub namespace. Without owners it has no
/// subjects, and so takes back what it gave.
#[must_use]
pub fn hub_owners_binding(namespace: &NamespaceName, tenant: &Tenant) -> Value {
    let subjects: Vec<Value> = tenant.spec.owners.iter().map(subject).collect();
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": OWNERS_BINDING, "namespace": namespace, "labels": {
            mark::MANAGED_BY: mark::HANSE, mark::TENANT: tenant.metadata.name, mark::SYSTEM: "true",
        }},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": OWNER_ROLE},
        "subjects": subjects,
    })
}

fn subject(owner: &Owner) -> Value {
    match owner.kind {
        OwnerKind::User => json!({"apiGroup": RBAC, "kind": "User", "name": owner.name}),
        OwnerKind::Group => json!({"apiGroup": RBAC, "kind": "Group", "name": owner.name}),
        OwnerKind::ServiceAccount => {
            json!({"kind": "ServiceAccount", "name": owner.name, "namespace": owner.namespace})
        }
    }
}

/// The namespace in a member. The fence there refuses it without the tenant's label and a pod security level.
#[must_use]
pub fn member_namespace(namespace: &NamespaceName, tenant: &TenantRef) -> Value {
    let mut labels = json!({
        mark::MANAGED_BY: mark::HANSE, mark::TENANT: tenant.name, "pod-security.kubernetes.io/enforce": "baseline",
    });
    // Administrators have no Tenant object.
    if !is_admin(tenant) {
        labels[mark::TENANT_UID] = tenant.uid.as_str().into();
    }
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}})
}

/// The `RoleBinding` in a member that gives the namespace to its own tenant identity, a `ServiceAccount` that
/// exists only by impersonation. Administrators' namespaces get none: `hanse:admin` is bound at join.
#[must_use]
pub fn member_role_binding(namespace: &NamespaceName, tenant: &TenantRef) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": MEMBER_BINDING, "namespace": namespace, "labels": {
            mark::MANAGED_BY: mark::HANSE, mark::TENANT: tenant.name, mark::SYSTEM: "true",
        }},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": mark::TENANT_ROLE},
        "subjects": [{"kind": "ServiceAccount", "name": namespace, "namespace": "hanse-tenants"}],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant() -> Tenant {
        let tenant = json!({
            "apiVersion": "hanse.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": "shop", "uid": "u1"},
            "spec": {"namespaces": ["shop"], "owners": [
                {"kind": "User", "name": "ana"}, {"kind": "Group", "name": "devs"},
                {"kind": "ServiceAccount", "namespace": "ci", "name": "deployer"},
            ]},
        });
        serde_json::from_value(tenant).unwrap()
    }

    #[test]
    fn owners_are_bound_as_rbac_wants_each_sort_of_subject() {
        let binding = hub_owners_binding(&NamespaceName::parse("shop").unwrap(), &tenant());
        let expected = json!([
            {"apiGroup": RBAC, "kind": "User", "name": "ana"},
            {"apiGroup": RBAC, "kind": "Group", "name": "devs"},
            {"kind": "ServiceAccount", "name": "deployer", "namespace": "ci"},
        ]);
        assert_eq!(binding["subjects"], expected);
    }

    /// The member's fence lets nothing else pass.
    #[test]
    fn in_a_member_a_namespace_goes_to_its_own_identity_alone() {
        let namespace = NamespaceName::parse("shop").unwrap();
        let name = crate::model::name::TenantName::parse("shop").unwrap();
        let of = TenantRef {
            name,
            uid: "u1".to_owned(),
        };
        let labels = member_namespace(&namespace, &of)["metadata"]["labels"].clone();
        assert_eq!(labels["pod-security.kubernetes.io/enforce"], "baseline");
        assert_eq!(
            (labels[mark::TENANT].as_str(), labels[mark::TENANT_UID].as_str()),
            (Some("shop"), Some("u1"))
        );
        let binding = member_role_binding(&namespace, &of);
        assert_eq!(binding["roleRef"]["name"], "hanse:tenant");
        assert_eq!(
            binding["subjects"],
            json!([{"kind": "ServiceAccount", "name": "shop", "namespace": "hanse-tenants"}])
        );
    }
}
