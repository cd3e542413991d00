//! Kinds, with and without their version.

use std::fmt;
use std::sync::Arc;

use super::label::{is_label, is_subdomain};
use super::{Error, excerpt};

/// A kind without its version: what stays the same while an API moves from v1beta1 to v1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupKind {
    /// Empty for the core group.
    pub group: Arc<str>,
    /// `Deployment`
    pub kind: Arc<str>,
}

impl GroupKind {
    /// From parts that come from the API server or are written in the code.
    pub fn new(group: impl Into<Arc<str>>, kind: impl Into<Arc<str>>) -> Self {
        Self {
            group: group.into(),
            kind: kind.into(),
        }
    }

    /// This kind at a version.
    pub fn at(&self, version: impl Into<Arc<str>>) -> GroupVersionKind {
        GroupVersionKind {
            group: self.group.clone(),
            version: version.into(),
            kind: self.kind.clone(),
        }
    }
}

impl fmt::Display for GroupKind {
    /// `Deployment.apps`, as kubectl writes it; `ConfigMap` for the core group.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.group {
            "" => f.write_str(&self.kind),
            group => write!(f, "{}.{group}", self.kind),
        }
    }
}

/// A kind at a version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupVersionKind {
    /// Empty for the core group.
    pub group: Arc<str>,
    /// `v1`
    pub version: Arc<str>,
    /// `Deployment`
    pub kind: Arc<str>,
}

impl GroupVersionKind {
    /// From parts that come from the API server or are written in the code.
    pub fn new(group: impl Into<Arc<str>>, version: impl Into<Arc<str>>, kind: impl Into<Arc<str>>) -> Self {
        Self {
            group: group.into(),
            version: version.into(),
            kind: kind.into(),
        }
    }

    /// From the `apiVersion` and `kind` of a manifest.
    pub fn from_api_version(api_version: &str, kind: &str) -> Result<Self, Error> {
        let refused = || Error::ApiVersion {
            text: excerpt(api_version),
        };
        let (group, version) = match api_version.split_once('/') {
            Some((group, _)) if !is_subdomain(group) => return Err(refused()),
            Some(parts) => parts,
            None => ("", api_version),
        };
        if !is_label(version) {
            return Err(refused());
        }
        if kind.is_empty() || kind.len() > 63 || !kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        {
            let rule = "at most 63 letters and digits, like Deployment";
            return Err(Error::Name {
                text: excerpt(kind),
                what: "a kind",
                rule,
            });
        }
        Ok(Self::new(group, version, kind))
    }

    /// `apps/v1`, or `v1` for the core group.
    #[must_use]
    pub fn api_version(&self) -> String {
        match &*self.group {
            "" => self.version.to_string(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// The kind without its version.
    #[must_use]
    pub fn group_kind(&self) -> GroupKind {
        GroupKind {
            group: self.group.clone(),
            kind: self.kind.clone(),
        }
    }
}

impl fmt::Display for GroupVersionKind {
    /// `apps/v1 Deployment`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.api_version(), self.kind)
    }
}
