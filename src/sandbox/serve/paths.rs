//! Paths that are no resources: health, version, discovery, OpenAPI.

use http::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderValue, VARY};
use http::{HeaderMap, Response};
use serde_json::{Value, json};

use super::body::Body;
use super::discovery::{self, Root};
use super::{Call, answer, openapi};

/// How clients know the aggregated form of discovery.
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

pub(super) fn answer(call: &Call<'_>, path: &str) -> Response<Body> {
    if !matches!(call.verb, "get" | "head") {
        return answer::text(405, "405 method not allowed\n");
    }
    let path = path.trim_matches('/');
    match path {
        "healthz" | "livez" | "readyz" => answer::text(200, "ok"),
        "version" => answer::json(200, &version()),
        _ => document(call, path).map_or_else(answer::no_such_path, |document| document.answer()),
    }
}

/// A document, and whether it is in the aggregated form.
struct Document {
    body: Value,
    aggregated: bool,
}

impl Document {
    fn answer(&self) -> Response<Body> {
        let mut answer = answer::json(200, &self.body);
        if self.aggregated {
            answer
                .headers_mut()
                .insert(CONTENT_TYPE, HeaderValue::from_static(AGGREGATED));
        }
        answer
            .headers_mut()
            .insert(VARY, HeaderValue::from_static("Accept"));
        answer
    }
}

/// What the server has: discovery and OpenAPI. None: there is no such path.
fn document(call: &Call<'_>, path: &str) -> Option<Document> {
    let kinds = call.server.kinds();
    let parts: Vec<&str> = path.split('/').collect();
    let aggregated = wants_aggregated(call.headers);
    let root = match parts.as_slice() {
        ["api"] => Some(Root::Core),
        ["apis"] => Some(Root::Groups),
        _ => None,
    };
    if let Some(root) = root.filter(|_| aggregated) {
        let body = discovery::aggregated(&kinds, root);
        return Some(Document { body, aggregated });
    }
    let body = match parts.as_slice() {
        ["api"] => {
            let host = call.headers.get(HOST).and_then(|host| host.to_str().ok());
            discovery::api_versions(host.unwrap_or_default())
        }
        ["apis"] => discovery::legacy_groups(&kinds),
        ["api", version] => discovery::legacy_resources(&kinds, "", version)?,
        ["apis", group] => discovery::legacy_group(&kinds, group)?,
        ["apis", group, version] => discovery::legacy_resources(&kinds, group, version)?,
        ["openapi", "v3"] => openapi::index(&kinds),
        ["openapi", "v3", rest @ ..] => openapi::document(&kinds, &rest.join("/"))?,
        _ => return None,
    };
    Some(Document {
        body,
        aggregated: false,
    })
}

/// The client's first wish that is known here decides.
fn wants_aggregated(headers: &HeaderMap) -> bool {
    let wishes = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let mut known = wishes.flat_map(|wishes| wishes.split(',')).filter_map(|wish| {
        let parts: Vec<&str> = wish.split(';').map(str::trim).collect();
        let says = |part| parts.contains(&part);
        match parts[0] {
            "application/json" if says("as=APIGroupDiscoveryList") => {
                (says("g=apidiscovery.k8s.io") && says("v=v2")).then_some(true)
            }
            "application/json" | "application/*" | "*/*" => Some(false),
            _ => None,
        }
    });
    known.next().unwrap_or(false)
}

/// The version whose behaviour is played.
fn version() -> Value {
    json!({
        "major": "1", "minor": "37", "emulationMajor": "1", "emulationMinor": "37",
        "minCompatibilityMajor": "1", "minCompatibilityMinor": "36",
        "gitVersion": "v1.37.2", "gitCommit": "", "gitTreeState": "", "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "", "compiler": "", "platform": "linux/amd64",
    })
}
