//! `make builtin`: asks the real API server what its kinds are, and writes `src/model/schema/builtin.json`.
//!
//! ```text
//! discovery ──► resources    names, verbs, endpoints
//! openapi/v3 ─► definitions  schemas without descriptions, only what those kinds reach
//! probes.yaml ─dryRun=All─► defaults   what the server added, and under which condition
//! ```
//!
//! The answers to `probes.yaml` and `sessions.yaml` are recorded too: the sandbox must give the same.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it is a program for people"
)]

#[path = "../../tests/kubernetes/harness/mod.rs"]
mod harness;
mod kinds;
mod learn;
mod record;
mod still;

use std::process::ExitCode;

use harness::{Fleet, FleetOptions};
use http_body_util::BodyExt as _;
use kube::Client;
use serde_json::{Value, json};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/model/schema/builtin.json");
const RECORDED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/sandbox/write/recorded.json");
const PROBES: &str = include_str!("probes.yaml");

type Error = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Error> {
    let options = FleetOptions {
        members: 0,
        ..FleetOptions::default()
    };
    let fleet = Fleet::start(options).await?;
    let client = fleet.hub().admin();
    let version = ask(&client, "/version", None).await?["gitVersion"].clone();
    let resources = kinds::resources(&client).await?;
    let definitions = kinds::definitions(&client, &resources).await?;
    let (defaults, probes) = defaults(&client, &resources, &definitions).await?;
    let sessions = record::sessions(&client, &resources).await?;
    std::fs::write(RECORDED, rows(&json!({"probes": probes, "sessions": sessions})))?;
    let file = json!({
        "version": version,
        "resources": resources,
        "defaults": defaults,
        "definitions": definitions,
    });
    let text = lines(&file);
    println!(
        "{FILE}: {} bytes, {} kinds, {} schemas",
        text.len(),
        resources.len(),
        definitions.len()
    );
    std::fs::write(FILE, text)?;
    Ok(())
}

/// Sends every probe and learns from the answers.
async fn defaults(
    client: &Client,
    resources: &[Value],
    definitions: &serde_json::Map<String, Value>,
) -> Result<(Value, Value), Error> {
    let probes: Vec<Value> = serde_saphyr::from_multiple(PROBES)?;
    let mut recorded = Vec::new();
    let mut lessons = learn::Lessons::new(definitions);
    for probe in &probes {
        let resource = resources
            .iter()
            .find(|resource| {
                resource["kind"] == probe["kind"] && kinds::api_version(resource) == probe["apiVersion"]
            })
            .ok_or_else(|| format!("{} is not among the kinds", probe["kind"]))?;
        let path = kinds::path(resource);
        let path = format!("{path}?dryRun=All&fieldValidation=Strict&fieldManager=probe");
        let answer = send(client, "POST", &path, "application/json", probe).await?;
        if answer["kind"] == "Status" {
            return Err(format!("{} {}: {answer}", probe["kind"], probe["metadata"]["name"]).into());
        }
        let schema = kinds::schema_of(definitions, resource).unwrap_or_default();
        lessons.see(&schema, probe, &answer);
        recorded.push(json!({"sent": probe, "answer": still::still(answer)}));
    }
    Ok((lessons.rules(), recorded.into()))
}

/// A request, and its answer whatever its code.
async fn send(
    client: &Client,
    method: &str,
    path: &str,
    content: &str,
    body: &Value,
) -> Result<Value, Error> {
    let body = if body.is_null() {
        Vec::new()
    } else {
        serde_json::to_vec(body)?
    };
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("Content-Type", content)
        .body(kube::client::Body::from(body))?;
    let response = client.send(request).await?;
    let bytes = response.into_body().collect().await?.to_bytes();
    // A path that is not served yet answers in plain text.
    let text = || json!({"kind": "Status", "message": String::from_utf8_lossy(&bytes)});
    Ok(serde_json::from_slice(&bytes).unwrap_or_else(|_| text()))
}

/// A GET, as JSON.
async fn ask(client: &Client, path: &str, accept: Option<&str>) -> Result<Value, Error> {
    let request = http::Request::get(path)
        .header("Accept", accept.unwrap_or("application/json"))
        .body(Vec::new())?;
    Ok(client.request(request).await?)
}

/// Each list with one entry a line.
fn rows(file: &Value) -> String {
    let sections = file.as_object().into_iter().flatten().map(|(name, list)| {
        let entries: Vec<String> = list
            .as_array()
            .into_iter()
            .flatten()
            .map(Value::to_string)
            .collect();
        format!("\"{name}\":[\n{}\n]", entries.join(",\n"))
    });
    format!("{{\n{}\n}}\n", sections.collect::<Vec<_>>().join(",\n"))
}

/// One entry a line, so that a new server's changes can be read.
fn lines(file: &Value) -> String {
    let mut text = format!("{{\n\"version\":{},\n\"resources\":[\n", file["version"]);
    let rows = |rows: Vec<String>| rows.join(",\n");
    let list = file["resources"].as_array().into_iter().flatten();
    text += &rows(list.map(Value::to_string).collect());
    text += "\n]";
    for section in ["defaults", "definitions"] {
        let entries = file[section].as_object().into_iter().flatten();
        let entries = entries.map(|(name, value)| format!("{}:{value}", Value::from(name.as_str())));
        let entries = rows(entries.collect());
        text = format!("{text},\n\"{section}\":{{\n{entries}\n}}");
    }
    text += "\n}\n";
    text
}
