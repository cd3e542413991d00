//! The kinds of the server itself, from the data file.

use serde_json::{Map, Value};

use super::Registry;

/// All built-in kinds.
pub(crate) fn builtin() -> Registry {
    Registry::default()
}

/// The schemas of built-in kinds and their parts, as an OpenAPI v3 document has them, without descriptions.
pub(crate) fn definitions() -> &'static Map<String, Value> {
    static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    &NONE
}
