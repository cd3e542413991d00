//! The names of members, tenants, namespaces and objects.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Error, excerpt};

/// Pattern of a DNS-1123 label, as the CRDs carry it.
pub const LABEL_PATTERN: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
/// Pattern of a DNS-1123 subdomain, as the CRDs carry it.
pub const SUBDOMAIN_PATTERN: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";

pub(super) fn is_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    let alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    bytes.first().is_some_and(alphanumeric)
        && bytes.last().is_some_and(alphanumeric)
        && bytes.iter().all(|byte| alphanumeric(byte) || *byte == b'-')
}

pub(super) fn is_subdomain(text: &str) -> bool {
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
