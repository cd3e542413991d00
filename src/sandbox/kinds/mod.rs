//! Which kinds the server has: their names, versions, schemas, endpoints and columns.
//!
//! Built-in ones come from the generated data file, others from `CustomResourceDefinition`s. A [`Registry`] is an
//! immutable value; a change of a definition makes a new one.

mod builtin;
pub(crate) mod columns;

pub(crate) use builtin::{builtin, definition_of, definitions};

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::model::schema::SchemaRef;

/// All kinds at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Registry {
    /// By group, then plural.
    resources: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Arc<Resource>>>,
}

/// One kind, at all its versions.
#[derive(Debug, Clone)]
pub(crate) struct Resource {
    /// Empty for the core group.
    pub(crate) group: Arc<str>,
    pub(crate) plural: Arc<str>,
    pub(crate) singular: Arc<str>,
    pub(crate) kind: Arc<str>,
    pub(crate) list_kind: Arc<str>,
    pub(crate) short_names: Vec<Arc<str>>,
    pub(crate) categories: Vec<Arc<str>>,
    pub(crate) namespaced: bool,
    /// Served ones, the preferred first. Objects are kept as one of them: [`Resource::storage`].
    pub(crate) versions: Vec<Version>,
    /// The version objects are kept in.
    pub(crate) storage: Arc<str>,
    pub(crate) origin: Origin,
}

/// Where a kind comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The server itself.
    BuiltIn,
    /// A definition, by its uid.
    Custom { definition: Arc<str> },
    /// Answered but not stored: reviews.
    Virtual,
}

/// A kind at one version.
#[derive(Debug, Clone)]
pub(crate) struct Version {
    pub(crate) name: Arc<str>,
    /// None: anything goes.
    pub(crate) schema: Option<SchemaRef>,
    pub(crate) verbs: Vec<Arc<str>>,
    /// `/status` is an endpoint of its own, and the main one ignores it.
    pub(crate) status: bool,
    pub(crate) scale: Option<Scale>,
    /// Further ones: `eviction`, `binding`, `log`, `token`, …
    pub(crate) others: Vec<Arc<str>>,
    /// `additionalPrinterColumns` of custom kinds, as they are written.
    pub(crate) columns: Vec<Value>,
    /// For `/openapi/v3`, as a definition refers to it; None for built-in kinds, whose documents are whole.
    pub(crate) openapi: Option<Arc<Value>>,
}

/// Where `/scale` reads and writes, as JSON pointers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scale {
    pub(crate) replicas: String,
    pub(crate) status_replicas: String,
    /// A text (custom kinds), or a label selector (built-in ones).
    pub(crate) selector: Option<String>,
}

impl Registry {
    /// The same with one more kind, or another in place of the one with its group and plural.
    #[must_use]
    pub(crate) fn with(mut self, resource: Resource) -> Self {
        self.resources
            .entry(resource.group.clone())
            .or_default()
            .insert(resource.plural.clone(), Arc::new(resource));
        self
    }

    #[must_use]
    pub(crate) fn without(mut self, group: &str, plural: &str) -> Self {
        if let Some(resources) = self.resources.get_mut(group) {
            resources.remove(plural);
            if resources.is_empty() {
                self.resources.remove(group);
            }
        }
        self
    }

    pub(crate) fn resource(&self, group: &str, plural: &str) -> Option<&Arc<Resource>> {
        self.resources.get(group)?.get(plural)
    }

    pub(crate) fn kind(&self, group: &str, kind: &str) -> Option<&Arc<Resource>> {
        self.resources
            .get(group)?
            .values()
            .find(|resource| *resource.kind == *kind)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.resources.values().flat_map(BTreeMap::values)
    }
}

impl Version {
    /// The greater is preferred: `v2`, `v1`, `v1beta2`, `v1beta1`, `v1alpha1`, then other names by the alphabet.
    pub(crate) fn rank(name: &str) -> impl Ord + use<> {
        kube::core::Version::parse(name).priority()
    }
}

impl Resource {
    pub(crate) fn version(&self, name: &str) -> Option<&Version> {
        self.versions.iter().find(|version| *version.name == *name)
    }

    /// `apps/v1`, or `v1`.
    pub(crate) fn api_version(&self, version: &str) -> String {
        match &*self.group {
            "" => version.to_owned(),
            group => format!("{group}/{version}"),
        }
    }

    /// `deployments.apps`, `pods`.
    pub(crate) fn qualified(&self) -> String {
        super::failure::qualified(&self.group, &self.plural)
    }
}
