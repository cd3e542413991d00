//! Which tenant a namespace belongs to, and as whom the hub acts there.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::api::{PolicyKind, Tenant, TenantRef};
use crate::model::mark;
use crate::model::name::{NamespaceName, TenantName};

/// The value of the label `hanse.dev/tenant` on administrators' namespaces, and the name they act under.
pub const ADMIN: &str = "hanse-admin";

/// Whether it stands for the administrators, who have no Tenant object.
#[must_use]
pub fn is_admin(tenant: &TenantRef) -> bool {
    tenant.name == ADMIN
}

/// What stands for the administrators where a tenant is named.
#[must_use]
pub fn admin() -> TenantRef {
    let name = TenantName::parse(ADMIN).unwrap_or_else(|error| unreachable!("{error}"));
    TenantRef {
        name,
        uid: String::new(),
    }
}

/// All tenants, and what each of them has.
#[derive(Debug, Clone, Default)]
pub struct Tenants {
    by_name: BTreeMap<TenantName, Arc<Tenant>>,
    owners: BTreeMap<NamespaceName, TenantName>,
    losses: BTreeMap<String, Vec<Loss>>,
}

/// Why a tenant does not have what its spec names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Loss {
    /// An older tenant names the namespace too.
    #[error("namespace {namespace} belongs to tenant {by}, which is older")]
    Claimed {
        /// The namespace.
        namespace: NamespaceName,
        /// Who has it.
        by: TenantName,
    },
    /// `default`, `kube-*` and `hanse-*` belong to nobody.
    #[error(
        "namespace {namespace} cannot belong to a tenant: default, kube-* and hanse-* are the clusters' own"
    )]
    Reserved {
        /// The namespace.
        namespace: NamespaceName,
    },
    /// The name cannot be a label value, or is the administrators'.
    #[error("{name:?} cannot be the name of a tenant: {why}")]
    Name {
        /// The name.
        name: String,
        /// The rule it breaks.
        why: String,
    },
}

/// As whom the hub writes what a policy selects in a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActsAs {
    /// As the tenant's identity of that namespace.
    Tenant(TenantRef),
    /// As `hanse-admin`.
    Admin,
    /// As nobody: nothing is written.
    Nobody {
        /// Why, for people.
        reason: String,
    },
}

impl Tenants {
    /// Gives each namespace to the oldest tenant that names it.
    #[must_use]
    pub fn new(tenants: impl IntoIterator<Item = Arc<Tenant>>) -> Self {
        let mut tenants: Vec<Arc<Tenant>> = tenants.into_iter().collect();
        tenants.sort_by_cached_key(|tenant| {
            let created = tenant.metadata.creation_timestamp.as_ref().map(|time| time.0);
            (created.is_none(), created, tenant.metadata.name.clone())
        });
        let mut all = Self::default();
        for tenant in tenants {
            all.take(tenant);
        }
        all
    }

    fn take(&mut self, tenant: Arc<Tenant>) {
        let given = tenant.metadata.name.clone().unwrap_or_default();
        let name = match TenantName::parse(&given) {
            Ok(name) if name != ADMIN => name,
            refused => {
                let why = refused.map_or_else(
                    |error| error.to_string(),
                    |_| "administrators act under it".to_owned(),
                );
                self.losses
                    .insert(given.clone(), vec![Loss::Name { name: given, why }]);
                return;
            }
        };
        let mut losses = Vec::new();
        for namespace in &tenant.spec.namespaces {
            let namespace = namespace.clone();
            if is_reserved(&namespace) {
                losses.push(Loss::Reserved { namespace });
            } else if let Some(by) = self.owners.get(&namespace).filter(|by| **by != name) {
                losses.push(Loss::Claimed {
                    namespace,
                    by: by.clone(),
                });
            } else {
                self.owners.insert(namespace, name.clone());
            }
        }
        if !losses.is_empty() {
            self.losses.insert(given, losses);
        }
        self.by_name.insert(name, tenant);
    }

    /// The tenant that has the namespace, also while it is being deleted.
    #[must_use]
    pub fn owner(&self, namespace: &NamespaceName) -> Option<&Arc<Tenant>> {
        self.by_name.get(self.owners.get(namespace)?)
    }

    /// The tenant of that name.
    #[must_use]
    pub fn get(&self, name: &TenantName) -> Option<&Arc<Tenant>> {
        self.by_name.get(name)
    }

    /// All tenants, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&TenantName, &Arc<Tenant>)> {
        self.by_name.iter()
    }

    /// The namespaces that the tenant has.
    pub fn namespaces<'a>(&'a self, name: &'a TenantName) -> impl Iterator<Item = &'a NamespaceName> {
        self.owners
            .iter()
            .filter(move |(_, owner)| *owner == name)
            .map(|(namespace, _)| namespace)
    }

    /// What a tenant's spec names and it does not have; by the name of the object, which may be no valid one.
    #[must_use]
    pub fn losses(&self, name: &str) -> &[Loss] {
        self.losses.get(name).map_or(&[], Vec::as_slice)
    }

    /// As whom the hub acts for a policy of this kind in this namespace, whose labels on the hub API are given.
    #[must_use]
    pub fn acts_as(
        &self,
        namespace: &NamespaceName,
        labels: &BTreeMap<String, String>,
        policy: PolicyKind,
    ) -> ActsAs {
        let nobody = |reason: String| ActsAs::Nobody { reason };
        if let Some((name, tenant)) = self
            .owners
            .get(namespace)
            .and_then(|name| self.by_name.get_key_value(name))
        {
            if tenant.metadata.deletion_timestamp.is_some() {
                return nobody(format!("Tenant {name} is being deleted"));
            }
            let uid = tenant.metadata.uid.clone().unwrap_or_default();
            return ActsAs::Tenant(TenantRef {
                name: name.clone(),
                uid,
            });
        }
        let is_admin =
            labels.get(mark::TENANT).is_some_and(|tenant| tenant == ADMIN) && !is_reserved(namespace);
        match policy {
            PolicyKind::ClusterPropagationPolicy if is_admin => ActsAs::Admin,
            PolicyKind::PropagationPolicy if is_admin => nobody(format!(
                "namespace {namespace} is an administrators' one: only a ClusterPropagationPolicy acts there"
            )),
            _ => nobody(format!("no Tenant names the namespace {namespace}")),
        }
    }
}

/// Namespaces that can belong to no tenant.
fn is_reserved(namespace: &str) -> bool {
    namespace == "default" || namespace.starts_with("kube-") || namespace.starts_with("hanse-")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn tenant(name: &str, created: &str, namespaces: &[&str]) -> Arc<Tenant> {
        let tenant = json!({
            "apiVersion": "hanse.dev/v1alpha1", "kind": "Tenant",
            "metadata": {"name": name, "uid": format!("uid-{name}"), "creationTimestamp": created},
            "spec": {"namespaces": namespaces},
        });
        Arc::new(serde_json::from_value(tenant).unwrap())
    }

    const OLD: &str = "2026-01-01T00:00:00Z";
    const NEW: &str = "2026-01-02T00:00:00Z";

    fn namespace(name: &str) -> NamespaceName {
        NamespaceName::parse(name).unwrap()
    }

    #[test]
    fn of_two_tenants_the_older_has_the_namespace_and_the_other_is_told() {
        let tenants = Tenants::new([tenant("a", NEW, &["shop", "a"]), tenant("b", OLD, &["shop"])]);
        assert_eq!(
            tenants
                .owner(&namespace("shop"))
                .unwrap()
                .metadata
                .name
                .as_deref(),
            Some("b")
        );
        assert_eq!(
            tenants.owner(&namespace("a")).unwrap().metadata.name.as_deref(),
            Some("a")
        );
        let by = TenantName::parse("b").unwrap();
        assert_eq!(
            tenants.losses("a"),
            [Loss::Claimed {
                namespace: namespace("shop"),
                by
            }]
        );
        assert!(tenants.losses("b").is_empty());
    }

    #[rstest]
    #[case::dots("a.b", &["shop"])]
    #[case::the_administrators("hanse-admin", &["shop"])]
    #[case::system_namespace("a", &["kube-system"])]
    #[case::hub_namespace("a", &["hanse-tenants"])]
    fn what_cannot_belong_to_a_tenant_does_not(#[case] name: &str, #[case] namespaces: &[&str]) {
        let tenants = Tenants::new([tenant(name, OLD, namespaces)]);
        assert!(tenants.owner(&namespace(namespaces[0])).is_none());
        assert_eq!(tenants.losses(name).len(), 1);
    }

    #[rstest]
    #[case::in_a_tenants_namespace_as_the_tenant("shop", "", PolicyKind::PropagationPolicy, Some("shop"))]
    #[case::also_for_administrators_policies(
        "shop",
        "hanse-admin",
        PolicyKind::ClusterPropagationPolicy,
        Some("shop")
    )]
    #[case::in_an_administrators_namespace_as_admin(
        "infra",
        "hanse-admin",
        PolicyKind::ClusterPropagationPolicy,
        Some("hanse-admin")
    )]
    #[case::but_not_for_namespaced_policies("infra", "hanse-admin", PolicyKind::PropagationPolicy, None)]
    #[case::elsewhere_as_nobody("infra", "", PolicyKind::ClusterPropagationPolicy, None)]
    #[case::never_in_system_namespaces(
        "kube-system",
        "hanse-admin",
        PolicyKind::ClusterPropagationPolicy,
        None
    )]
    fn the_namespace_says_as_whom_the_hub_acts(
        #[case] at: &str,
        #[case] label: &str,
        #[case] policy: PolicyKind,
        #[case] expected: Option<&str>,
    ) {
        let tenants = Tenants::new([tenant("shop", OLD, &["shop"])]);
        let labels = BTreeMap::from([(mark::TENANT.to_owned(), label.to_owned())]);
        let found = match tenants.acts_as(&namespace(at), &labels, policy) {
            ActsAs::Tenant(tenant) => Some(tenant.name.to_string()),
            ActsAs::Admin => Some(ADMIN.to_owned()),
            ActsAs::Nobody { .. } => None,
        };
        assert_eq!(found.as_deref(), expected);
    }
}
