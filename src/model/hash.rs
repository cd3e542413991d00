//! Stable hashes: the same value has the same hash in every build, on every platform, after every restart.
//!
//! Intents, decisions and managedFields entries are compared by hash, and the hashes are persisted in
//! bindings. A hash that moved without its value would rewrite every member, so nothing here depends on
//! map order, on the standard library's hasher, or on how `serde_json` was configured.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Why a text is not a hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("failed to read hash {text:?}: expected 32 lowercase hexadecimal digits")]
pub struct Error {
    /// The refused text, as it was given.
    pub text: String,
}

/// The first 16 bytes of a SHA-256, written as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; 16]);

impl Hash {
    /// Hashes a JSON value over its canonical text: object keys sorted by bytes, no white space.
    #[must_use]
    pub fn of(value: &Value) -> Self {
        let mut text = String::new();
        write_canonical(value, &mut text);
        Self::of_bytes(text.as_bytes())
    }

    /// Hashes bytes as they are.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let digest = Sha256::digest(bytes);
        let mut first = [0; 16];
        first.copy_from_slice(&digest[..16]);
        Self(first)
    }

    /// The first `digits` hexadecimal digits, for names that people read; at most 32.
    #[must_use]
    pub fn short(&self, digits: usize) -> String {
        let mut text = self.to_string();
        text.truncate(digits);
        text
    }
}

/// Sorting here rather than trusting `serde_json::Map`: a dependency may switch on `preserve_order` for all.
fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_canonical(item, out);
            }
            out.push(']');
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_unstable_by_key(|(key, _)| key.as_str());
            out.push('{');
            for (index, (key, item)) in fields.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_scalar(&Value::String(key.clone()), out);
                out.push(':');
                write_canonical(item, out);
            }
            out.push('}');
        }
        scalar => write_scalar(scalar, out),
    }
}

fn write_scalar(value: &Value, out: &mut String) {
    // Writing to a String cannot fail.
    let _ = write!(out, "{value}");
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl FromStr for Hash {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let refused = || Error {
            text: text.to_owned(),
        };
        let digits = text.as_bytes();
        if digits.len() != 32 || !digits.iter().all(|d| matches!(d, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(refused());
        }
        u128::from_str_radix(text, 16)
            .map(|number| Self(number.to_be_bytes()))
            .map_err(|_| refused())
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Hash {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Hash".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": "^[0-9a-f]{32}$", "maxLength": 32})
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_hash_does_not_depend_on_the_order_of_keys() {
        let one: Value = serde_json::from_str(r#"{"b": [1, {"y": null, "x": true}], "a": "é\n"}"#).unwrap();
        let other: Value = serde_json::from_str(r#"{"a": "é\n", "b": [1, {"x": true, "y": null}]}"#).unwrap();
        assert_eq!(Hash::of(&one), Hash::of(&other));
    }

    /// Persisted in every binding: a change of this number rewrites every member after an upgrade.
    #[test]
    fn the_hash_of_a_known_value_never_changes() {
        let value = json!({"b": 1, "a": [true, null, "x\"y"]});
        assert_eq!(
            Hash::of(&value),
            Hash::of_bytes(br#"{"a":[true,null,"x\"y"],"b":1}"#)
        );
        assert_eq!(
            Hash::of(&json!({})).to_string(),
            "44136fa355b3678a1146ad16f7e8649e"
        );
    }

    #[test]
    fn a_hash_is_read_back_from_its_text_and_nothing_else_is() {
        let hash = Hash::of(&json!(1));
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert_eq!(hash.short(8), hash.to_string()[..8]);
        for wrong in [
            "",
            "0123",
            "G4136fa355b3678a1146ad16f7e8649e",
            "44136FA355B3678A1146AD16F7E8649E",
        ] {
            assert!(wrong.parse::<Hash>().is_err(), "{wrong}");
        }
    }
}
