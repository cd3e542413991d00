//! What a tenant may propagate, decided on the final rendered object and the member's live discovery.

use serde_json::Value;

use super::ActsAs;
use crate::model::fleet::ApiKind;
use crate::model::kind::{self, Facts, never_selected};
use crate::model::name::{GroupKind, GroupVersionKind};

/// Why the rendered object is not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The kind is cluster-scoped in the member.
    #[error("{kind} is cluster-scoped: for administrators only")]
    ClusterScoped {
        /// The kind.
        kind: GroupKind,
    },
    /// The kind gives rights, or changes what the API server admits or serves.
    #[error("{kind} gives rights or changes what the cluster admits: it is never propagated")]
    Privileged {
        /// The kind.
        kind: GroupKind,
    },
    /// It is never propagated for anybody, such as a token Secret.
    #[error(transparent)]
    Never(#[from] kind::Refusal),
    /// It was rendered into another kind than its template's.
    #[error("the object says that it is {found}, its template is {expected}")]
    OtherKind {
        /// The template's kind.
        expected: GroupKind,
        /// What the object says.
        found: String,
    },
    /// The object names another namespace than its binding's.
    #[error("the object is in namespace {found:?}, not in {expected}")]
    Namespace {
        /// The binding's namespace.
        expected: String,
        /// What stands in the object.
        found: String,
    },
    /// Lists, watches or creates are not served for it.
    #[error("the member does not let {kind} objects be listed, watched and created")]
    NotManageable {
        /// The kind.
        kind: GroupKind,
    },
    /// Nobody acts there.
    #[error("{reason}")]
    Nobody {
        /// Why.
        reason: String,
    },
}

/// Whether the rendered object may be written in the member that serves its kind as `served`.
pub fn may_propagate(
    acts_as: &ActsAs,
    namespace: &str,
    kind: &GroupKind,
    served: &ApiKind,
    object: &Value,
) -> Result<(), Refusal> {
    if let ActsAs::Nobody { reason } = acts_as {
        let reason = reason.clone();
        return Err(Refusal::Nobody { reason });
    }
    let text = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let says = GroupVersionKind::from_api_version(text("/apiVersion"), text("/kind"));
    if says.as_ref().map(GroupVersionKind::group_kind) != Ok(kind.clone()) {
        return Err(Refusal::OtherKind {
            expected: kind.clone(),
            found: format!("{} {}", text("/apiVersion"), text("/kind")),
        });
    }
    if is_privileged(kind) {
        return Err(Refusal::Privileged { kind: kind.clone() });
    }
    if !served.namespaced {
        return match acts_as {
            ActsAs::Admin => Ok(()),
            _ => Err(Refusal::ClusterScoped { kind: kind.clone() }),
        };
    }
    if text("/metadata/namespace") != namespace {
        return Err(Refusal::Namespace {
            expected: namespace.to_owned(),
            found: text("/metadata/namespace").to_owned(),
        });
    }
    let labels = object.pointer("/metadata/labels").and_then(Value::as_object);
    let facts = Facts {
        kind,
        name: text("/metadata/name"),
        labels: &labels
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
            .collect(),
        controlled: false,
        secret_type: object.get("type").and_then(Value::as_str),
    };
    if let Some(refusal) = never_selected(&facts, true) {
        return Err(refusal.into());
    }
    if !served.is_manageable() {
        return Err(Refusal::NotManageable { kind: kind.clone() });
    }
    Ok(())
}

/// Kinds that give rights, change what an API server admits or serves, or are its nodes: the member owner's,
/// also against administrators of the hub. The fence in each member says the same.
fn is_privileged(kind: &GroupKind) -> bool {
    matches!(
        (&*kind.group, &*kind.kind),
        (
            "rbac.authorization.k8s.io"
                | "admissionregistration.k8s.io"
                | "apiregistration.k8s.io"
                | "certificates.k8s.io"
                | "authentication.k8s.io"
                | "authorization.k8s.io",
            _
        ) | ("", "Namespace" | "Node")
    )
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::model::api::TenantRef;
    use crate::model::name::TenantName;

    fn tenant() -> ActsAs {
        let name = TenantName::parse("shop").unwrap();
        ActsAs::Tenant(TenantRef {
            name,
            uid: "u".to_owned(),
        })
    }

    fn judge(acts_as: &ActsAs, api_version: &str, kind: &str, namespaced: bool) -> Result<(), Refusal> {
        let served = ApiKind {
            versions: vec!["v1".to_owned()],
            plural: String::new(),
            namespaced,
            verbs: ["list", "watch", "create"].map(str::to_owned).to_vec(),
            status: true,
        };
        let object =
            json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x", "namespace": "shop"}});
        let of = GroupVersionKind::from_api_version(api_version, kind)
            .unwrap()
            .group_kind();
        may_propagate(acts_as, "shop", &of, &served, &object)
    }

    #[rstest]
    #[case::plain("apps/v1", "Deployment", true, true, true)]
    #[case::custom("example.com/v1", "Widget", true, true, true)]
    #[case::cluster_scoped("example.com/v1", "Widget", false, false, true)]
    #[case::definitions("apiextensions.k8s.io/v1", "CustomResourceDefinition", false, false, true)]
    #[case::volumes("v1", "PersistentVolume", false, false, true)]
    #[case::cluster_roles("rbac.authorization.k8s.io/v1", "ClusterRole", false, false, false)]
    #[case::role_bindings("rbac.authorization.k8s.io/v1", "RoleBinding", true, false, false)]
    #[case::webhooks(
        "admissionregistration.k8s.io/v1",
        "ValidatingWebhookConfiguration",
        false,
        false,
        false
    )]
    #[case::api_services("apiregistration.k8s.io/v1", "APIService", false, false, false)]
    #[case::requests("certificates.k8s.io/v1", "CertificateSigningRequest", false, false, false)]
    #[case::nodes("v1", "Node", false, false, false)]
    #[case::namespaces("v1", "Namespace", false, false, false)]
    #[case::quotas("v1", "ResourceQuota", true, false, false)]
    fn the_scope_of_the_member_and_the_privilege_of_the_kind_decide(
        #[case] api_version: &str,
        #[case] kind: &str,
        #[case] namespaced: bool,
        #[case] for_tenants: bool,
        #[case] for_administrators: bool,
    ) {
        assert_eq!(
            judge(&tenant(), api_version, kind, namespaced).is_ok(),
            for_tenants
        );
        assert_eq!(
            judge(&ActsAs::Admin, api_version, kind, namespaced).is_ok(),
            for_administrators
        );
    }

    #[rstest]
    #[case::another_namespace(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x", "namespace": "bank"}}))]
    #[case::another_kind(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "shop"}}))]
    #[case::a_token(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x", "namespace": "shop"}, "type": "kubernetes.io/service-account-token"}))]
    #[case::a_system_object(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x", "namespace": "shop", "labels": {"hanse.dev/system": "true"}}}))]
    fn the_rendered_object_is_judged_and_not_its_template(#[case] object: Value) {
        let served = ApiKind {
            versions: vec!["v1".to_owned()],
            plural: "secrets".to_owned(),
            namespaced: true,
            verbs: ["list", "watch", "create"].map(str::to_owned).to_vec(),
            status: false,
        };
        assert!(may_propagate(&tenant(), "shop", &GroupKind::new("", "Secret"), &served, &object).is_err());
    }
}
