//! From method and path to what is asked for.

use http::Method;

use super::query::{Query, decode};
use crate::sandbox::access::Attributes;
use crate::sandbox::api::Fields;

/// What a request asks for, before anybody looked whether it exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`; the method in small
    /// letters for paths that are no resources.
    pub(super) verb: &'static str,
    pub(super) path: String,
    /// None: the path is no resource's.
    pub(super) place: Option<Place>,
}

/// A resource's place in the API.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) namespace: String,
    pub(super) resource: String,
    pub(super) name: String,
    /// The name is the only one that a field selector lets through; the path has none.
    selected: bool,
    pub(super) subresource: String,
}

impl Asked {
    pub(super) fn read(method: &Method, path: &str, query: &Query) -> Self {
        let parts: Vec<String> = path
            .split('/')
            .filter(|part| !part.is_empty())
            .map(decode)
            .collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let place = match parts.as_slice() {
            ["api", version, rest @ ..] if !rest.is_empty() => Some(Place::read("", version, rest)),
            ["apis", group, version, rest @ ..] if !rest.is_empty() => {
                Some(Place::read(group, version, rest))
            }
            _ => None,
        };
        let path = path.to_owned();
        let Some(mut place) = place else {
            return Self {
                verb: small(method),
                path,
                place: None,
            };
        };
        let collection = place.name.is_empty();
        let verb = match *method {
            Method::GET | Method::HEAD if collection && query.flag("watch") == Some(true) => "watch",
            Method::GET | Method::HEAD if collection => "list",
            Method::GET | Method::HEAD => "get",
            Method::POST => "create",
            Method::PUT => "update",
            Method::PATCH => "patch",
            Method::DELETE if collection => "deletecollection",
            Method::DELETE => "delete",
            _ => "",
        };
        if matches!(verb, "list" | "watch")
            && let Ok(fields) = Fields::parse(query.text("fieldSelector"))
            && let Some(name) = fields.exactly("metadata.name").filter(|name| !name.is_empty())
        {
            name.clone_into(&mut place.name);
            place.selected = true;
        }
        Self {
            verb,
            path,
            place: Some(place),
        }
    }

    /// What access is asked about.
    pub(super) fn attributes(&self) -> Attributes<'_> {
        match &self.place {
            None => Attributes::Path {
                verb: self.verb,
                path: &self.path,
            },
            Some(place) => Attributes::Resource {
                verb: self.verb,
                group: &place.group,
                resource: &place.resource,
                subresource: &place.subresource,
                namespace: &place.namespace,
                name: &place.name,
            },
        }
    }
}

impl Place {
    fn read(group: &str, version: &str, rest: &[&str]) -> Self {
        let mut place = Self {
            group: group.to_owned(),
            version: version.to_owned(),
            ..Self::default()
        };
        let parts = match rest {
            ["namespaces", namespace, "status" | "finalize"] | ["namespaces", namespace] => {
                (*namespace).clone_into(&mut place.namespace);
                rest
            }
            ["namespaces", namespace, inside @ ..] => {
                (*namespace).clone_into(&mut place.namespace);
                inside
            }
            _ => rest,
        };
        let part = |at: usize| parts.get(at).copied().unwrap_or_default().to_owned();
        place.resource = part(0);
        place.name = part(1);
        place.subresource = part(2);
        place
    }

    /// Where the object is; a namespace is in none, though access to it is asked about in it.
    pub(super) fn kept_in(&self) -> &str {
        if self.resource == "namespaces" && self.group.is_empty() {
            return "";
        }
        &self.namespace
    }

    /// The name that the path has.
    pub(super) fn named(&self) -> &str {
        if self.selected { "" } else { &self.name }
    }
}

fn small(method: &Method) -> &'static str {
    match *method {
        Method::GET => "get",
        Method::HEAD => "head",
        Method::POST => "post",
        Method::PUT => "put",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        Method::OPTIONS => "options",
        _ => "",
    }
}
