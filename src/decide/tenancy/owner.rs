//! Which tenant a namespace belongs to, and as whom the hub acts there.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::api::{PolicyKind, Tenant, TenantRef};
use crate::model::name::{NamespaceName, TenantName};

/// The value of the label `hanse.dev/tenant` on administrators' namespaces, and the name they act under.
pub const ADMIN: &str = "hanse-admin";

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
        let _ = tenants;
        Self::default()
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
        let _ = (labels, policy);
        ActsAs::Nobody {
            reason: format!("no Tenant names the namespace {namespace}"),
        }
    }
}
