//! Who somebody is, and what they may do: tokens, impersonation, RBAC.
//!
//! ```text
//! headers ─authenticate─► User ─authorize(Attributes)─► yes, or 403 in upstream's words
//!            │ token          │
//!            │ impersonation ─┴─► index: rules and bindings, kept in step with the store
//! a role or binding is written ─admit─► nobody grants what they don't have
//! a ClusterRole is written ─aggregate─► who gathers it by label has its rules
//! ```
//!
//! The objects are the store's: every question first brings the index up to the store's revision, which costs
//! nothing when no role or binding was written since.

mod aggregate;
mod authenticate;
mod authorize;
mod bootstrap;
mod escalate;
mod impersonate;
mod index;
mod review;
mod rule;
#[cfg(test)]
mod tests;
mod token;

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

pub(crate) use aggregate::aggregate;
pub(crate) use bootstrap::bootstrap;
use index::Index;
pub(crate) use token::Subject;
use token::Tokens;

use super::store::Store;
use crate::model::clock::Clock;

/// The group of roles and bindings.
const GROUP: &str = "rbac.authorization.k8s.io";
/// Their version.
const API_VERSION: &str = "rbac.authorization.k8s.io/v1";

/// The gate of one cluster. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Access(Arc<Inner>);

struct Inner {
    store: Store,
    clock: Clock,
    tokens: Tokens,
    index: Mutex<Index>,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Access")
    }
}

impl Access {
    pub(crate) fn new(store: Store, clock: Clock) -> Self {
        Self(Arc::new(Inner {
            store,
            clock,
            tokens: Tokens::default(),
            index: Mutex::default(),
        }))
    }

    /// Roles and bindings as they are now.
    fn index(&self) -> MutexGuard<'_, Index> {
        let mut index = self.0.index.lock();
        index.follow(&self.0.store);
        index
    }
}

/// Somebody who makes requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct User {
    /// `system:serviceaccount:hanse-system:hub`
    pub(crate) name: Arc<str>,
    pub(crate) uid: Arc<str>,
    pub(crate) groups: Vec<Arc<str>>,
    pub(crate) extra: BTreeMap<String, Vec<String>>,
}

/// What somebody wants to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Attributes<'a> {
    Resource {
        /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`, `impersonate`, …
        verb: &'a str,
        group: &'a str,
        /// The plural.
        resource: &'a str,
        /// Empty for the object itself.
        subresource: &'a str,
        /// Empty for cluster-scoped requests.
        namespace: &'a str,
        /// Empty for collections and for creates.
        name: &'a str,
    },
    Path {
        verb: &'a str,
        path: &'a str,
    },
}

impl User {
    /// A part of the control plane, like `system:kube-controller-manager`.
    pub(crate) fn system(name: &str) -> Self {
        Self {
            name: name.into(),
            groups: vec!["system:masters".into(), "system:authenticated".into()],
            ..Self::default()
        }
    }

    pub(crate) fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|of| **of == *group)
    }
}

/// The groups that every ServiceAccount of a namespace is in.
fn groups_of_account(namespace: &str) -> Vec<Arc<str>> {
    let own = format!("system:serviceaccounts:{namespace}");
    vec!["system:serviceaccounts".into(), own.into()]
}

/// `system:serviceaccount:NAMESPACE:NAME` in its parts.
fn account_of(user: &str) -> Option<(&str, &str)> {
    let (namespace, name) = user.strip_prefix("system:serviceaccount:")?.split_once(':')?;
    (!namespace.is_empty() && !name.is_empty() && !name.contains(':')).then_some((namespace, name))
}
