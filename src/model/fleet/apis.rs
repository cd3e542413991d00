//! The kinds an API server serves, from its discovery.

use std::collections::BTreeMap;

use crate::model::name::GroupKind;

/// What one API server serves. A failed discovery leaves the last one in place: that a kind is not found
/// counts only when [`Apis::complete`] says that every group answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Apis {
    /// Every kind with the versions it is served in, preferred one first.
    pub kinds: BTreeMap<GroupKind, ApiKind>,
    /// Whether every group answered (an aggregated API that is down makes it incomplete).
    pub complete: bool,
}

/// One kind as it is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKind {
    /// Preferred first.
    pub versions: Vec<String>,
    /// Lower case, as in URLs.
    pub plural: String,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// `list`, `watch`, `create`, …
    pub verbs: Vec<String>,
    /// Whether it has a status subresource.
    pub status: bool,
}

impl ApiKind {
    /// Whether the hub could keep its objects right: list, watch, create, patch and delete.
    #[must_use]
    pub fn is_manageable(&self) -> bool {
        ["list", "watch", "create"]
            .iter()
            .all(|verb| self.verbs.iter().any(|has| has == verb))
    }

    /// `version` if it is served, else the preferred one.
    #[must_use]
    pub fn version_or_preferred(&self, version: &str) -> Option<&str> {
        self.versions
            .iter()
            .find(|has| *has == version)
            .or(self.versions.first())
            .map(String::as_str)
    }
}

impl Apis {
    /// The kind, if it is served.
    #[must_use]
    pub fn kind(&self, kind: &GroupKind) -> Option<&ApiKind> {
        self.kinds.get(kind)
    }
}
