//! One object of a file, and where its fields stand.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::{Code, Diagnostic, Source, Span};

/// Where a field stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The key; `None` for items of lists and for the document itself.
    pub key: Option<Span>,
    pub value: Span,
}

/// One object that was read, with the place of each of its fields.
///
/// It has `apiVersion`, `kind` and a valid `metadata.name`. Items of a `kind: List` are documents of their own.
#[derive(Clone, Debug)]
pub struct Document {
    /// What kubectl would send.
    pub object: Value,
    pub(super) source: Arc<Source>,
    pub(super) places: HashMap<String, Place>,
}

impl Document {
    /// The file as it was named on the command line.
    #[must_use]
    pub fn file(&self) -> &str {
        self.source.file()
    }

    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    #[must_use]
    pub fn api_version(&self) -> &str {
        self.text("/apiVersion")
    }

    /// The API group; empty for the core group.
    #[must_use]
    pub fn group(&self) -> &str {
        self.api_version().split_once('/').map_or("", |(group, _)| group)
    }

    #[must_use]
    pub fn version(&self) -> &str {
        self.api_version()
            .split_once('/')
            .map_or(self.api_version(), |(_, version)| version)
    }

    #[must_use]
    pub fn kind(&self) -> &str {
        self.text("/kind")
    }

    #[must_use]
    pub fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.object.pointer("/metadata/namespace").and_then(Value::as_str)
    }

    /// Where the field at a JSON pointer stands; the nearest field above it when it isn't there itself.
    #[must_use]
    pub fn place(&self, pointer: &str) -> &Place {
        let mut pointer = pointer;
        loop {
            if let Some(place) = self.places.get(pointer) {
                return place;
            }
            match pointer.rfind('/') {
                Some(cut) => pointer = &pointer[..cut],
                None => return &WHOLE,
            }
        }
    }

    /// An error about the value at a JSON pointer (`""` is the document).
    #[must_use]
    pub fn error(&self, code: Code, pointer: &str, message: impl Into<String>) -> Diagnostic {
        self.source
            .error(code, self.place(pointer).value.clone(), message)
    }

    /// An error about the key at a JSON pointer: for a field that should not be there at all.
    #[must_use]
    pub fn error_at_key(&self, code: Code, pointer: &str, message: impl Into<String>) -> Diagnostic {
        let place = self.place(pointer);
        self.source.error(
            code,
            place.key.clone().unwrap_or_else(|| place.value.clone()),
            message,
        )
    }

    fn text(&self, pointer: &str) -> &str {
        self.object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }
}

/// The place of a document without places, which `read` never makes.
static WHOLE: Place = Place {
    key: None,
    value: 0..0,
};
