//! In which form objects are answered, and how they are written in it.

use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use crate::sandbox::failure::Failure;
use crate::sandbox::kinds::{Origin, Resource};
use crate::sandbox::object::Object;

/// What a client wants to see of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Whole,
    /// `PartialObjectMetadata`
    Metadata,
    Table,
}

impl Form {
    /// The first of the client's wishes that can be fulfilled.
    pub(super) fn wanted(headers: &HeaderMap) -> Result<Self, Failure> {
        let mut asked = false;
        let wishes = headers
            .get_all(ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok());
        for wish in wishes.flat_map(|wishes| wishes.split(',')) {
            asked = true;
            if let Some(form) = Self::read(wish) {
                return Ok(form);
            }
        }
        if asked {
            return Err(Failure::new(
                406,
                "NotAcceptable",
                "only the following media types are accepted: application/json",
            ));
        }
        Ok(Self::Whole)
    }

    fn read(wish: &str) -> Option<Self> {
        let mut parts = wish.split(';').map(str::trim);
        if !matches!(parts.next()?, "application/json" | "application/*" | "*/*") {
            return None;
        }
        let (mut form, mut group, mut version) = (Self::Whole, "meta.k8s.io", "v1");
        for part in parts {
            match part.split_once('=') {
                Some(("as", "Table")) => form = Self::Table,
                Some(("as", "PartialObjectMetadata" | "PartialObjectMetadataList")) => form = Self::Metadata,
                Some(("as", _)) => return None,
                Some(("g", name)) => group = name,
                Some(("v", name)) => version = name,
                _ => {}
            }
        }
        let known = form == Self::Whole || (group == "meta.k8s.io" && version == "v1");
        known.then_some(form)
    }
}

/// The body of a write must be JSON; no word about it is taken for JSON.
pub(super) fn must_be_json(headers: &HeaderMap) -> Result<(), Failure> {
    let content = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    match content.split(';').next().unwrap_or_default().trim() {
        "" | "application/json" | "*/*" => Ok(()),
        _ => Err(Failure::new(
            415,
            "UnsupportedMediaType",
            "the body of the request was in an unknown format - accepted media types include: application/json",
        )),
    }
}

/// An object as the client sees it.
#[derive(Debug)]
pub(super) struct Shown<'a> {
    pub(super) object: &'a Value,
    pub(super) form: Form,
    /// In a list of a built-in kind, whose items don't say what they are.
    pub(super) bare: bool,
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Value::Object(fields) = self.object else {
            return self.object.serialize(serializer);
        };
        let mut map = serializer.serialize_map(None)?;
        if self.form == Form::Metadata {
            map.serialize_entry("kind", "PartialObjectMetadata")?;
            map.serialize_entry("apiVersion", "meta.k8s.io/v1")?;
            map.serialize_entry("metadata", &self.object["metadata"])?;
            return map.end();
        }
        for (field, value) in fields {
            if !(self.bare && matches!(field.as_str(), "kind" | "apiVersion")) {
                map.serialize_entry(field, value)?;
            }
        }
        map.end()
    }
}

/// A list as the client sees it.
#[derive(Debug)]
pub(super) struct List<'a> {
    pub(super) resource: &'a Resource,
    pub(super) version: &'a str,
    pub(super) form: Form,
    pub(super) metadata: &'a Value,
    pub(super) items: &'a [Object],
}

impl Serialize for List<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if self.form == Form::Metadata {
            map.serialize_entry("kind", "PartialObjectMetadataList")?;
            map.serialize_entry("apiVersion", "meta.k8s.io/v1")?;
        } else {
            map.serialize_entry("kind", &*self.resource.list_kind)?;
            map.serialize_entry("apiVersion", &self.resource.api_version(self.version))?;
        }
        map.serialize_entry("metadata", self.metadata)?;
        if self.form == Form::Metadata && self.items.is_empty() {
            // A list that was never made, in Go.
            map.serialize_entry("items", &())?;
        } else {
            let bare = !matches!(self.resource.origin, Origin::Custom { .. });
            let form = self.form;
            let items = self.items.iter().map(|object| Shown { object, form, bare });
            map.serialize_entry("items", &items.collect::<Vec<_>>())?;
        }
        map.end()
    }
}
