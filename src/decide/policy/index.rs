//! All policies, found by the namespaces and kinds they may select.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Policy, PolicyId};
use crate::model::api::Dependencies;
use crate::model::name::{GroupKind, NamespaceName};

/// All policies of the hub API.
#[derive(Debug, Clone, Default)]
pub struct Policies {
    by_id: BTreeMap<PolicyId, Arc<Policy>>,
    namespaces: BTreeMap<NamespaceName, Shelf>,
    cluster: Shelf,
}

/// Policies of one scope, by the kinds they name.
#[derive(Debug, Clone, Default)]
struct Shelf {
    by_kind: BTreeMap<String, Vec<Arc<Policy>>>,
    of_any_kind: Vec<Arc<Policy>>,
}

impl Policies {
    /// Adds the policy, or puts it in the place of its older self.
    pub fn upsert(&mut self, newer: Policy) {
        self.remove(&newer.id);
        let policy = Arc::new(newer);
        let place = match &policy.id.namespace {
            Some(namespace) => self.namespaces.entry(namespace.clone()).or_default(),
            None => &mut self.cluster,
        };
        place.add(&policy);
        self.by_id.insert(policy.id.clone(), policy);
    }

    /// Forgets the policy and gives it back.
    pub fn remove(&mut self, id: &PolicyId) -> Option<Arc<Policy>> {
        let gone = self.by_id.remove(id)?;
        match &id.namespace {
            Some(namespace) => {
                if let Some(shelf) = self.namespaces.get_mut(namespace) {
                    shelf.remove(id);
                    if shelf.is_empty() {
                        self.namespaces.remove(namespace);
                    }
                }
            }
            None => self.cluster.remove(id),
        }
        Some(gone)
    }

    /// The policy, if it exists.
    #[must_use]
    pub fn get(&self, id: &PolicyId) -> Option<&Arc<Policy>> {
        self.by_id.get(id)
    }

    /// All of them, in order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Policy>> {
        self.by_id.values()
    }

    /// Whether some policy may select objects of the kind.
    #[must_use]
    pub fn may_select(&self, kind: &GroupKind) -> bool {
        self.iter().any(|policy| {
            policy
                .kinds()
                .any(|named| named.is_none_or(|named| named == &*kind.kind))
        })
    }

    /// Whether some policy names the kind; `"*"` does not.
    #[must_use]
    pub fn names(&self, kind: &GroupKind) -> bool {
        self.iter().any(|policy| {
            policy.named_kinds().any(|(_, group, named)| {
                named == &*kind.kind && group.is_none_or(|group| group == &*kind.group)
            })
        })
    }

    /// Whether some policy has what its templates need follow them.
    #[must_use]
    pub fn follow_dependencies(&self) -> bool {
        self.iter()
            .any(|policy| policy.spec.dependencies == Dependencies::Follow)
    }

    /// Those that could select an object of this kind in this namespace. One policy may come twice.
    pub(super) fn candidates<'a>(
        &'a self,
        namespace: &NamespaceName,
        kind: &'a str,
    ) -> impl Iterator<Item = &'a Arc<Policy>> {
        let cluster = (!is_reserved(namespace)).then_some(&self.cluster);
        let shelves = self.namespaces.get(namespace).into_iter().chain(cluster);
        shelves.flat_map(move |shelf| shelf.of_kind(kind))
    }
}

/// Namespaces in which cluster-wide policies select nothing.
fn is_reserved(namespace: &str) -> bool {
    namespace == "default" || namespace.starts_with("kube-") || namespace.starts_with("hanse-")
}

impl Shelf {
    fn add(&mut self, policy: &Arc<Policy>) {
        for kind in policy.kinds() {
            let list = match kind {
                Some(kind) => self.by_kind.entry(kind.to_owned()).or_default(),
                None => &mut self.of_any_kind,
            };
            if !list.iter().any(|has| Arc::ptr_eq(has, policy)) {
                list.push(policy.clone());
            }
        }
    }

    fn remove(&mut self, id: &PolicyId) {
        self.of_any_kind.retain(|policy| policy.id != *id);
        self.by_kind.retain(|_, list| {
            list.retain(|policy| policy.id != *id);
            !list.is_empty()
        });
    }

    fn is_empty(&self) -> bool {
        self.by_kind.is_empty() && self.of_any_kind.is_empty()
    }

    fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Arc<Policy>> {
        self.by_kind
            .get(kind)
            .into_iter()
            .flatten()
            .chain(&self.of_any_kind)
    }
}
