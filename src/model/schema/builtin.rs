//! The kinds of Kubernetes itself, as the real server describes them: `make builtin` writes the file.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::Schemas;

const FILE: &str = include_str!("builtin.json");

/// What the file says.
#[derive(Debug)]
pub struct Builtin {
    /// Of the server that was asked: `v1.37.2`.
    pub version: String,
    /// Names, verbs and endpoints of each kind, as discovery has them.
    pub resources: Vec<Value>,
    /// By schema: which fields the server adds, and when.
    pub defaults: Map<String, Value>,
    /// All of them.
    pub schemas: Schemas,
    document: Value,
}

impl Builtin {
    /// The schemas as an OpenAPI document has them, without descriptions.
    #[must_use]
    pub fn definitions(&self) -> &Map<String, Value> {
        static NONE: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
        self.document
            .pointer("/components/schemas")
            .and_then(Value::as_object)
            .unwrap_or(&NONE)
    }
}

/// The kinds, read once.
#[must_use]
pub fn builtin() -> &'static Builtin {
    static BUILTIN: LazyLock<Builtin> = LazyLock::new(|| {
        // A file that can't be read would fail the first test that looks at it: it is part of the program.
        let mut file: Value = serde_json::from_str(FILE).unwrap_or_default();
        let document = json!({"components": {"schemas": file["definitions"].take()}});
        let resources = match file["resources"].take() {
            Value::Array(resources) => resources,
            _ => Vec::new(),
        };
        let defaults = match file["defaults"].take() {
            Value::Object(defaults) => defaults,
            _ => Map::new(),
        };
        Builtin {
            version: file["version"].as_str().unwrap_or_default().to_owned(),
            resources,
            defaults,
            schemas: Schemas::from_openapi(&document).unwrap_or_default(),
            document,
        }
    });
    &BUILTIN
}
