//! Schemas of kinds, from OpenAPI documents and CRDs.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;
use thiserror::Error;

use super::compile::Compiler;
use super::node::{Arena, Id, Node};

/// Why a document cannot be compiled.
#[derive(Debug, Error)]
pub enum Error {
    #[error("failed to compile an OpenAPI document: it has no components.schemas")]
    NoSchemas,
    #[error("failed to compile a CRD: {what} is missing")]
    NotACrd { what: &'static str },
}

/// Group, version and kind.
type Key = (Box<str>, Box<str>, Box<str>);

/// The schemas of all kinds of one OpenAPI document, or of one CRD. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Schemas {
    arena: Arc<Arena>,
    kinds: Arc<HashMap<Key, Id>>,
    skipped: Arc<Vec<String>>,
}

/// The schema of one kind. Cheap to clone; keeps its document's schemas alive.
#[derive(Clone, Debug)]
pub struct SchemaRef {
    pub(super) arena: Arc<Arena>,
    pub(super) id: Id,
}

impl Schemas {
    /// Compiles one document of `/openapi/v3/…`: every kind that names itself in
    /// `x-kubernetes-group-version-kind`, and what it reaches.
    pub fn from_openapi(document: &Value) -> Result<Self, Error> {
        let definitions = document
            .pointer("/components/schemas")
            .and_then(Value::as_object)
            .ok_or(Error::NoSchemas)?;
        let mut compiler = Compiler::of_openapi(definitions);
        let mut kinds = HashMap::new();
        for (name, schema) in definitions {
            let named = schema["x-kubernetes-group-version-kind"].as_array();
            // Types shared by all groups (DeleteOptions, WatchEvent) name many kinds and are none of them.
            for gvk in named
                .into_iter()
                .flatten()
                .filter(|_| named.is_some_and(|named| named.len() == 1))
            {
                let part = |field: &str| Box::from(gvk[field].as_str().unwrap_or_default());
                kinds.insert(
                    (part("group"), part("version"), part("kind")),
                    compiler.definition(name),
                );
            }
        }
        Ok(Self::new(compiler, kinds))
    }

    /// Compiles all versions of a `CustomResourceDefinition`, with its validation rules.
    pub fn from_crd(crd: &Value) -> Result<Self, Error> {
        let text = |pointer: &str, what| {
            crd.pointer(pointer)
                .and_then(Value::as_str)
                .ok_or(Error::NotACrd { what })
        };
        let group = text("/spec/group", "spec.group")?;
        let kind = text("/spec/names/kind", "spec.names.kind")?;
        let versions = crd
            .pointer("/spec/versions")
            .and_then(Value::as_array)
            .ok_or(Error::NotACrd {
                what: "spec.versions",
            })?;
        let mut compiler = Compiler::of_crd();
        let mut kinds = HashMap::new();
        for version in versions {
            let name = version["name"].as_str().ok_or(Error::NotACrd {
                what: "a version's name",
            })?;
            let schema = version.pointer("/schema/openAPIV3Schema").ok_or(Error::NotACrd {
                what: "openAPIV3Schema",
            })?;
            kinds.insert((group.into(), name.into(), kind.into()), compiler.root(schema));
        }
        Ok(Self::new(compiler, kinds))
    }

    fn new(compiler: Compiler<'_>, kinds: HashMap<Key, Id>) -> Self {
        let (mut arena, skipped) = compiler.finish();
        arena.nodes.shrink_to_fit();
        Self {
            arena: Arc::new(arena),
            kinds: Arc::new(kinds),
            skipped: Arc::new(skipped),
        }
    }

    /// The schema of a kind; the group of core kinds is empty.
    #[must_use]
    pub fn kind(&self, group: &str, version: &str, kind: &str) -> Option<SchemaRef> {
        let id = *self.kinds.get(&(group.into(), version.into(), kind.into()))?;
        Some(SchemaRef {
            arena: Arc::clone(&self.arena),
            id,
        })
    }

    /// Group, version and kind of everything in it.
    pub fn kinds(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.kinds
            .keys()
            .map(|(group, version, kind)| (&**group, &**version, &**kind))
    }

    /// Validation rules that could not be compiled and are therefore not checked: of our own CRDs there must be
    /// none.
    #[must_use]
    pub fn skipped_rules(&self) -> &[String] {
        &self.skipped
    }
}

impl SchemaRef {
    pub(super) fn node(&self, id: Id) -> &Node {
        &self.arena.nodes[id as usize]
    }
}
