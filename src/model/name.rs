//! Validated names: parsed once where text enters the hub, never checked again inside.
//!
//! All of them are cheap to clone (one reference count) and order, hash and serialize as their text.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::hash::Hash;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Breaks the rule for this sort of name.
    #[error("failed to accept {text:?} as {what}: {rule}")]
    Name {
        /// The refused text, cut to 80 characters.
        text: String,
        /// What it was to name.
        what: &'static str,
        /// What such a name must look like.
        rule: &'static str,
    },
    /// Not `group/Kind/namespace/name`.
    #[error("failed to read {text:?} as an object key: expected group/Kind/namespace/name")]
    Key {
        /// The refused text, cut to 80 characters.
        text: String,
    },
    /// Not `group/version` or `version`.
    #[error("failed to read apiVersion {text:?}: expected group/version, or v1")]
    ApiVersion {
        /// The refused text, cut to 80 characters.
        text: String,
    },
}

fn excerpt(text: &str) -> String {
    text.chars().take(80).collect()
}

/// Pattern of a DNS-1123 label, as the CRDs carry it.
pub const LABEL_PATTERN: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
/// Pattern of a DNS-1123 subdomain, as the CRDs carry it.
pub const SUBDOMAIN_PATTERN: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";

fn is_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    let alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    bytes.first().is_some_and(alphanumeric)
        && bytes.last().is_some_and(alphanumeric)
        && bytes.iter().all(|byte| alphanumeric(byte) || *byte == b'-')
}

fn is_subdomain(text: &str) -> bool {
    text.split('.').all(is_label)
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident: $what:literal, $test:ident, $pattern:ident, max $max:literal, $rule:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The longest such name, in bytes.
            pub const MAX_LEN: usize = $max;

            /// Accepts the text if it is such a name.
            pub fn parse(text: &str) -> Result<Self, Error> {
                if text.len() <= Self::MAX_LEN && $test(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(Error::Name { text: excerpt(text), what: $what, rule: $rule })
                }
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                Self::parse(text)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = Error;

            fn try_from(text: &str) -> Result<Self, Error> {
                Self::parse(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl std::ops::Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                &*self.0 == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                &*self.0 == *other
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <Cow<'_, str>>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }

        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string", "pattern": $pattern, "minLength": 1, "maxLength": $max,
                })
            }
        }
    )*};
}

names! {
    /// A member. Virtual nodes are called `hanse-<lender>`, which must itself be a label: 57 bytes at most.
    ClusterName: "the name of a cluster", is_label, LABEL_PATTERN, max 57,
        "at most 57 lowercase letters, digits and hyphens, starting and ending with a letter or digit";
    /// A tenant. It is written into label values, so it is a label too.
    TenantName: "the name of a tenant", is_label, LABEL_PATTERN, max 63,
        "at most 63 lowercase letters, digits and hyphens, starting and ending with a letter or digit";
    /// A namespace, the same in the hub and in members.
    NamespaceName: "the name of a namespace", is_label, LABEL_PATTERN, max 63,
        "at most 63 lowercase letters, digits and hyphens, starting and ending with a letter or digit";
    /// Any other object. RBAC objects may have wilder names, but those are never propagated.
    ObjectName: "the name of an object", is_subdomain, SUBDOMAIN_PATTERN, max 253,
        "at most 253 lowercase letters, digits, hyphens and dots, each part starting and ending with a letter or digit";
}

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("eu-1", true)]
    #[case("1", true)]
    #[case("a.b", false)]
    #[case("-a", false)]
    #[case("a-", false)]
    #[case("A", false)]
    #[case("é", false)]
    #[case("", false)]
    #[case(&"a".repeat(57), true)]
    #[case(&"a".repeat(58), false)]
    fn a_cluster_name_leaves_room_for_the_name_of_its_virtual_node(
        #[case] text: &str,
        #[case] accepted: bool,
    ) {
        assert_eq!(ClusterName::parse(text).is_ok(), accepted);
        let read: Result<ClusterName, _> = serde_json::from_value(text.into());
        assert_eq!(read.is_ok(), accepted);
    }

    #[rstest]
    #[case("web.v2", true)]
    #[case("a..b", false)]
    #[case("a.-b", false)]
    #[case("web_1", false)]
    #[case("../etc", false)]
    #[case(&"a".repeat(253), true)]
    #[case(&"a".repeat(254), false)]
    fn an_object_name_is_a_subdomain(#[case] text: &str, #[case] accepted: bool) {
        assert_eq!(ObjectName::parse(text).is_ok(), accepted);
    }

    #[rstest]
    #[case("apps/Deployment/shop/web", "apps/Deployment/shop/web")]
    #[case("/ConfigMap/shop/web", "ConfigMap/shop/web")]
    #[case("/Node//n1", "Node/n1")]
    fn a_key_is_read_back_from_its_annotation(#[case] annotation: &str, #[case] shown: &str) {
        let key: ObjectKey = annotation.parse().unwrap();
        assert_eq!(key.annotation(), annotation);
        assert_eq!(key.to_string(), shown);
    }

    #[rstest]
    #[case("Deployment/shop/web")]
    #[case("apps/Deployment/shop/web/x")]
    #[case("apps//shop/web")]
    #[case("apps/Deployment/shop/")]
    fn what_is_not_exactly_the_annotation_form_is_no_key(#[case] text: &str) {
        assert!(text.parse::<ObjectKey>().is_err());
    }

    #[rstest]
    #[case("v1", "ConfigMap", Some(("", "v1")))]
    #[case("apps/v1", "Deployment", Some(("apps", "v1")))]
    #[case("a/b/c", "X", None)]
    #[case("/v1", "X", None)]
    #[case("apps/", "X", None)]
    #[case("", "X", None)]
    #[case("v1", "", None)]
    fn an_api_version_is_split_into_group_and_version(
        #[case] api_version: &str,
        #[case] kind: &str,
        #[case] expected: Option<(&str, &str)>,
    ) {
        let read = GroupVersionKind::from_api_version(api_version, kind).ok();
        assert_eq!(read.as_ref().map(|gvk| (&*gvk.group, &*gvk.version)), expected);
        if let Some(gvk) = read {
            assert_eq!(gvk.api_version(), api_version);
        }
    }

    /// Bindings are found by this name after an upgrade.
    #[test]
    fn the_name_of_a_binding_never_changes() {
        let deployment = GroupKind::new("apps", "Deployment");
        assert_eq!(binding_name(&deployment, "web"), "deployment-web-902c5083e5");
    }

    proptest! {
        #[test]
        fn a_binding_name_is_an_object_name_and_a_label_value(name in "[a-z0-9]([-.a-z0-9]{0,250}[a-z0-9])?") {
            prop_assume!(is_subdomain(&name));
            let bound = binding_name(&GroupKind::new("apps", "Deployment"), &name);
            prop_assert!(ObjectName::parse(&bound).is_ok() && bound.len() <= 63, "{}", bound);
            prop_assert_ne!(&bound, &binding_name(&GroupKind::new("", "Deployment"), &name));
        }
    }
}
