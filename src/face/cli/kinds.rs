//! The kinds an API server serves, found by any word a person uses for them.

use http::Request;
use kube::{
    Api, Client, Error as KubeError,
    api::{ApiResource, DynamicObject},
};
use serde_json::Value;

use super::failure::Failure;
use crate::model::{manifest::Code, name::NamespaceName};

/// One kind as it is served, in the version the server prefers.
#[derive(Debug, Clone)]
pub(super) struct Kind {
    pub(super) resource: ApiResource,
    pub(super) namespaced: bool,
    /// Other versions it is served in.
    versions: Vec<String>,
    singular: String,
    short_names: Vec<String>,
    verbs: Vec<String>,
}

impl Kind {
    pub(super) fn can(&self, verb: &str) -> bool {
        self.verbs.iter().any(|has| has == verb)
    }

    /// `deployments.apps`
    pub(super) fn full_name(&self) -> String {
        if self.resource.group.is_empty() {
            self.resource.plural.clone()
        } else {
            format!("{}.{}", self.resource.plural, self.resource.group)
        }
    }

    /// Its objects in a namespace; `None`: in all. A kind without namespaces has one place.
    pub(super) fn api(&self, client: &Client, namespace: Option<&NamespaceName>) -> Api<DynamicObject> {
        match namespace {
            Some(namespace) if self.namespaced => {
                Api::namespaced_with(client.clone(), namespace.as_str(), &self.resource)
            }
            _ => Api::all_with(client.clone(), &self.resource),
        }
    }

    /// The same kind in a version it is served in.
    fn at(&self, version: &str) -> Option<Self> {
        if self.resource.version != version && !self.versions.iter().any(|served| served == version) {
            return None;
        }
        let mut kind = self.clone();
        version.clone_into(&mut kind.resource.version);
        kind.resource.api_version = if kind.resource.group.is_empty() {
            version.to_owned()
        } else {
            format!("{}/{version}", kind.resource.group)
        };
        Some(kind)
    }

    fn is_called(&self, word: &str) -> bool {
        let (name, group) = word
            .split_once('.')
            .map_or((word, None), |(name, group)| (name, Some(group)));
        let named = self.resource.plural == name
            || self.singular == name
            || self.resource.kind.to_lowercase() == name
            || self.short_names.iter().any(|short| short == name);
        named
            && group.is_none_or(|group| {
                self.resource.group == group || self.resource.group.starts_with(&format!("{group}."))
            })
    }
}

/// All kinds of one API server, hub kinds and core first: they win when a word fits several.
#[derive(Debug)]
pub(super) struct Kinds(Vec<Kind>);

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
                          application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";

impl Kinds {
    pub(super) async fn discover(client: &Client) -> Result<Self, KubeError> {
        let mut kinds = Vec::new();
        for path in ["/api", "/apis"] {
            let request = Request::get(path)
                .header(http::header::ACCEPT, AGGREGATED)
                .body(Vec::new())
                .map_err(KubeError::HttpError)?;
            let document: Value = client.request(request).await?;
            read(&document, &mut kinds);
        }
        kinds.sort_by_key(|kind: &Kind| match kind.resource.group.as_str() {
            "hanse.dev" => 0,
            "" => 1,
            "apps" | "batch" => 2,
            group if group.ends_with(".k8s.io") => 3,
            _ => 4,
        });
        Ok(Self(kinds))
    }

    /// The kind that a manifest names.
    pub(super) fn of_manifest(&self, group: &str, version: &str, kind: &str) -> Option<Kind> {
        self.0
            .iter()
            .find(|known| known.resource.group == group && known.resource.kind == kind)?
            .at(version)
    }

    /// Namespaced kinds whose objects can be listed; Events are no objects that anybody placed.
    pub(super) fn listable(&self) -> impl Iterator<Item = &Kind> {
        self.0
            .iter()
            .filter(|kind| kind.namespaced && kind.can("list") && kind.resource.kind != "Event")
    }

    /// The kind a person means: any case, singular, plural, short, with or without its group.
    pub(super) fn called(&self, word: &str) -> Result<&Kind, Failure> {
        let lower = word.to_lowercase();
        if let Some(kind) = self
            .0
            .iter()
            .find(|kind| kind.is_called(&lower) && kind.can("get"))
        {
            return Ok(kind);
        }
        let near = self
            .0
            .iter()
            .flat_map(|kind| [&kind.resource.plural, &kind.singular])
            .filter(|known| !known.is_empty())
            .map(|known| (strsim::osa_distance(known, &lower), known))
            .filter(|(distance, _)| *distance <= 2)
            .min();
        let hint = near.map_or_else(
            || "`kubectl api-resources` lists the kinds that are served".to_owned(),
            |(_, known)| format!("did you mean {known}?"),
        );
        Err(Failure::new(Code::UNKNOWN_KIND, format!("no kind is called {word:?} here")).with_hint(hint))
    }
}

fn read(document: &Value, kinds: &mut Vec<Kind>) {
    let list = |value: &Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
    let words = |value: &Value, key: &str| {
        list(value, key)
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    for group in list(document, "items") {
        let name = group["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        for version in list(&group, "versions") {
            let number = text(&version, "version");
            for resource in list(&version, "resources") {
                let kind = resource["responseKind"]["kind"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned();
                let known = kinds
                    .iter_mut()
                    .find(|known: &&mut Kind| known.resource.group == name && known.resource.kind == kind);
                if let Some(known) = known {
                    known.versions.push(number.clone());
                    continue;
                }
                let api_version = if name.is_empty() {
                    number.clone()
                } else {
                    format!("{name}/{number}")
                };
                kinds.push(Kind {
                    resource: ApiResource {
                        group: name.clone(),
                        version: number.clone(),
                        api_version,
                        kind,
                        plural: text(&resource, "resource"),
                    },
                    namespaced: resource["scope"] == "Namespaced",
                    versions: Vec::new(),
                    singular: text(&resource, "singularResource"),
                    short_names: words(&resource, "shortNames"),
                    verbs: words(&resource, "verbs"),
                });
            }
        }
    }
}

/// Takes `KIND/NAME` apart.
pub(super) fn split(text: &str) -> Result<(&str, &str), Failure> {
    match text.split_once('/') {
        Some((kind, name)) if !kind.is_empty() && !name.is_empty() => Ok((kind, name)),
        _ => {
            Err(Failure::usage(format!("{text:?} is not KIND/NAME")).with_hint("for example deployment/web"))
        }
    }
}
