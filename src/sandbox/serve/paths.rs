//! Paths that are no resources: health, version, discovery.

use http::Response;
use serde_json::json;

use super::body::Body;
use super::{Call, answer};

pub(super) fn answer(call: &Call<'_>, path: &str) -> Response<Body> {
    if !matches!(call.verb, "get" | "head") {
        return answer::text(405, "405 method not allowed\n");
    }
    match path.trim_end_matches('/') {
        "/healthz" | "/livez" | "/readyz" => answer::text(200, "ok"),
        "/version" => answer::json(200, &version()),
        _ => answer::no_such_path(),
    }
}

/// The version whose behaviour is played.
fn version() -> serde_json::Value {
    json!({
        "major": "1", "minor": "37", "emulationMajor": "1", "emulationMinor": "37",
        "minCompatibilityMajor": "1", "minCompatibilityMinor": "36",
        "gitVersion": "v1.37.2", "gitCommit": "", "gitTreeState": "", "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "", "compiler": "", "platform": "linux/amd64",
    })
}
