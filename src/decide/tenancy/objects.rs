//! The objects that a tenant owns, as server-side apply bodies.

use serde_json::{Value, json};

use crate::model::api::{Owner, OwnerKind, PodSecurity, TenantRef};
use crate::model::mark;
use crate::model::name::NamespaceName;

/// RoleBinding in a tenant's hub namespaces that gives them to its owners.
pub const OWNERS_BINDING: &str = "hanse-owners";
/// ClusterRole on the hub API that owners are bound to.
pub const OWNER_ROLE: &str = "hanse:hub-owner";
/// RoleBinding in a member's namespace that gives it to the tenant's identity.
pub const TENANT_BINDING: &str = "hanse-tenant";

const RBAC: &str = "rbac.authorization.k8s.io";

/// The namespace in the hub API.
#[must_use]
pub fn hub_namespace(tenant: &TenantRef, namespace: &NamespaceName) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": namespace, "labels": {
            mark::MANAGED_BY: mark::HANSE, mark::TENANT: tenant.name, mark::TENANT_UID: tenant.uid,
        }},
    })
}

/// The RoleBinding that lets owners edit templates and policies in a hub namespace. Without owners it has no
/// subjects, and so takes back what it gave.
#[must_use]
pub fn hub_owners_binding(tenant: &TenantRef, namespace: &NamespaceName, owners: &[Owner]) -> Value {
    let subjects: Vec<Value> = owners.iter().map(subject).collect();
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": OWNERS_BINDING, "namespace": namespace, "labels": {
            mark::MANAGED_BY: mark::HANSE, mark::TENANT: tenant.name, mark::SYSTEM: "true",
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
/// For administrators `tenant` is `hanse-admin` without a uid.
#[must_use]
pub fn member_namespace(
    tenant: &str,
    uid: Option<&str>,
    namespace: &NamespaceName,
    level: PodSecurity,
) -> Value {
    let level = match level {
        PodSecurity::Baseline => "baseline",
        PodSecurity::Restricted => "restricted",
    };
    let mut labels = json!({
        mark::MANAGED_BY: mark::HANSE, mark::TENANT: tenant, "pod-security.kubernetes.io/enforce": level,
    });
    if let Some(uid) = uid {
        labels[mark::TENANT_UID] = uid.into();
    }
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}})
}

/// The RoleBinding in a member that gives the namespace to its own tenant identity, a ServiceAccount that
/// exists only by impersonation. Administrators' namespaces get none: `hanse:admin` is bound at join.
#[must_use]
pub fn member_role_binding(tenant: &TenantRef, namespace: &NamespaceName) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": TENANT_BINDING, "namespace": namespace, "labels": {
            mark::MANAGED_BY: mark::HANSE, mark::TENANT: tenant.name, mark::SYSTEM: "true",
        }},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": mark::TENANT_ROLE},
        "subjects": [{"kind": "ServiceAccount", "name": namespace, "namespace": "hanse-tenants"}],
    })
}
