//! The keys of objects, and the names of their bindings.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::label::is_subdomain;
use super::{Error, GroupKind, NamespaceName, ObjectName, excerpt};
use crate::model::hash::Hash;

/// One object in one API server, whatever the version it is read at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// Empty for the core group.
    pub group: Arc<str>,
    /// `Deployment`
    pub kind: Arc<str>,
    /// None for cluster-scoped objects.
    pub namespace: Option<NamespaceName>,
    /// `web`
    pub name: ObjectName,
}

impl ObjectKey {
    /// The key of an object of this kind.
    #[must_use]
    pub fn new(group_kind: &GroupKind, namespace: Option<NamespaceName>, name: ObjectName) -> Self {
        Self {
            group: group_kind.group.clone(),
            kind: group_kind.kind.clone(),
            namespace,
            name,
        }
    }

    /// Reads and checks the two names; an empty namespace means none.
    pub fn parse(group_kind: &GroupKind, namespace: &str, name: &str) -> Result<Self, Error> {
        let namespace = if namespace.is_empty() {
            None
        } else {
            Some(NamespaceName::parse(namespace)?)
        };
        Ok(Self::new(group_kind, namespace, ObjectName::parse(name)?))
    }

    /// The kind without its version.
    #[must_use]
    pub fn group_kind(&self) -> GroupKind {
        GroupKind {
            group: self.group.clone(),
            kind: self.kind.clone(),
        }
    }

    /// Exactly `group/Kind/namespace/name`: the form of the annotation `hanse.dev/object`. Always four parts,
    /// of which the group is empty for the core group and the namespace for cluster-scoped objects.
    #[must_use]
    pub fn annotation(&self) -> String {
        let namespace = self.namespace.as_ref().map_or("", |namespace| namespace.as_str());
        format!("{}/{}/{namespace}/{}", self.group, self.kind, self.name)
    }
}

impl fmt::Display for ObjectKey {
    /// For people: `apps/Deployment/shop/web`, `ConfigMap/shop/web`, `Node/n1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.group.is_empty() {
            write!(f, "{}/", self.group)?;
        }
        write!(f, "{}/", self.kind)?;
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        write!(f, "{}", self.name)
    }
}

impl FromStr for ObjectKey {
    type Err = Error;

    /// Reads the annotation form, and only it.
    fn from_str(text: &str) -> Result<Self, Error> {
        let refused = || Error::Key { text: excerpt(text) };
        let parts: Vec<&str> = text.split('/').collect();
        let &[group, kind, namespace, name] = parts.as_slice() else {
            return Err(refused());
        };
        if kind.is_empty() || !(group.is_empty() || is_subdomain(group)) {
            return Err(refused());
        }
        Self::parse(&GroupKind::new(group, kind), namespace, name)
    }
}

impl Serialize for ObjectKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.annotation())
    }
}

impl<'de> Deserialize<'de> for ObjectKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <Cow<'_, str>>::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// The longest name of a binding: it is also written into label values.
const BINDING_NAME_MAX: usize = 63;
const BINDING_HASH_DIGITS: usize = 10;

/// The name of the binding of a template: `deployment-web-<hash>`.
///
/// The hash is of group, kind and name, so two templates of one namespace never share a binding even when
/// their readable parts are cut to the same text, and a template made again finds its old one.
#[must_use]
pub fn binding_name(group_kind: &GroupKind, name: &str) -> String {
    let identity = format!("{}/{}/{name}", group_kind.group, group_kind.kind);
    let hash = Hash::of_bytes(identity.as_bytes()).short(BINDING_HASH_DIGITS);
    let mut readable = format!("{}-{name}", group_kind.kind.to_ascii_lowercase());
    let mut end = readable.len().min(BINDING_NAME_MAX - 1 - BINDING_HASH_DIGITS);
    while !readable.is_char_boundary(end) {
        end -= 1;
    }
    readable.truncate(end);
    // A part that ends in a dot or hyphen would make "-<hash>" start a part of its own.
    format!("{}-{hash}", readable.trim_end_matches(['.', '-']))
}
