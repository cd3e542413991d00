//! The order in which manifests are applied, and deleted backwards.

use crate::model::{api, manifest::Document};

/// A phase: everything in it may be written at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Namespaces and custom resource definitions: others need them.
    Ground,
    /// Tenants and Clusters.
    Tenants,
    /// Policies: a template that arrives first would wait for nothing.
    Policies,
    /// Everything else.
    Templates,
}

impl Phase {
    pub(super) const ALL: [Self; 4] = [Self::Ground, Self::Tenants, Self::Policies, Self::Templates];

    pub(super) fn of(document: &Document) -> Self {
        match (document.group(), document.kind()) {
            ("", "Namespace") | ("apiextensions.k8s.io", "CustomResourceDefinition") => Self::Ground,
            (api::GROUP, "Tenant" | "Cluster") => Self::Tenants,
            (api::GROUP, api::BUNDLE) => Self::Templates,
            (api::GROUP, _) => Self::Policies,
            _ => Self::Templates,
        }
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Ground => "namespaces and definitions",
            Self::Tenants => "tenants",
            Self::Policies => "policies",
            Self::Templates => "templates",
        }
    }
}
