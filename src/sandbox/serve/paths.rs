//! Paths that are no resources: health, version, discovery, schemas.

use http::Response;
use http::header::{ACCEPT, HOST};
use serde_json::{Value, json};

use super::body::Body;
use super::discovery::{self, Root};
use super::{Call, answer, openapi};

/// What a client says that reads all of discovery at once.
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

pub(super) fn answer(call: &Call<'_>, path: &str) -> Response<Body> {
    if !matches!(call.verb, "get" | "head") {
        return answer::text(405, "405 method not allowed\n");
    }
    let kinds = call.server.kinds();
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let found = match parts.as_slice() {
        ["healthz" | "livez" | "readyz", ..] => return answer::text(200, "ok"),
        ["version"] => Some(version()),
        ["version", ..] => return answer::no_such_resource(),
        ["api"] if accepts_aggregated(call) => return aggregated(&discovery::aggregated(&kinds, Root::Core)),
        ["apis"] if accepts_aggregated(call) => {
            let mut groups = discovery::aggregated(&kinds, Root::Groups);
            let services = call
                .server
                .store()
                .list("apiservices.apiregistration.k8s.io", None);
            discovery::add_stale(&mut groups, &services.0);
            return aggregated(&groups);
        }
        ["api"] => Some(discovery::api_versions(&host(call))),
        ["apis"] => Some(discovery::legacy_groups(&kinds)),
        ["api", version] => discovery::legacy_resources(&kinds, "", version),
        ["apis", group] => discovery::legacy_group(&kinds, group),
        ["apis", group, version] => discovery::legacy_resources(&kinds, group, version),
        ["openapi", "v3"] => Some(openapi::index(&kinds)),
        ["openapi", "v3", document @ ..] => openapi::document(&kinds, &document.join("/")),
        _ => None,
    };
    found.map_or_else(answer::no_such_path, |value| answer::json(200, &value))
}

fn accepts_aggregated(call: &Call<'_>) -> bool {
    let accepted = call
        .headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok());
    accepted.flat_map(|accepted| accepted.split(',')).any(|one| {
        one.contains("as=APIGroupDiscoveryList") && one.contains("v=v2") && !one.contains("v=v2beta1")
    })
}

/// Clients read from the type whether they got what they asked for.
fn aggregated(value: &Value) -> Response<Body> {
    answer::json_as(200, AGGREGATED, value)
}

fn host(call: &Call<'_>) -> String {
    let host = call.headers.get(HOST).and_then(|host| host.to_str().ok());
    host.unwrap_or("127.0.0.1:443").to_owned()
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
