//! Who somebody is, and what they may do: tokens, impersonation, RBAC.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Somebody who makes requests.
#[derive(Debug, Clone, PartialEq, Eq)]
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
        version: &'a str,
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
            uid: Arc::from(""),
            groups: vec!["system:masters".into(), "system:authenticated".into()],
            extra: BTreeMap::new(),
        }
    }

    pub(crate) fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|of| **of == *group)
    }
}
