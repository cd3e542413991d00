//! `make builtin`: asks the real API server what its kinds are, and writes `src/model/schema/builtin.json`.
//!
//! ```text
//! discovery ──► resources    names, verbs, endpoints
//! openapi/v3 ─► definitions  schemas without descriptions, only what those kinds reach
//! probes.yaml ─dryRun=All─► defaults   what the server added, and under which condition
//! ```

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it is a program for people"
)]

#[path = "../../tests/kubernetes/harness/mod.rs"]
mod harness;
mod kinds;
mod learn;

use std::process::ExitCode;

use harness::{Fleet, FleetOptions};
use kube::Client;
use serde_json::{Value, json};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/model/schema/builtin.json");
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
    let defaults = defaults(&client, &resources, &definitions).await?;
    let file = json!({
        "version": version,
        "resources": resources,
        "defaults": defaults,
        "definitions": definitions,
    });
    let text = lines(&file)?;
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
) -> Result<Value, Error> {
    let probes: Vec<Value> = serde_saphyr::from_multiple(PROBES)?;
    let mut lessons = learn::Lessons::new(definitions);
    for probe in &probes {
        let resource = resources
            .iter()
            .find(|resource| {
                resource["kind"] == probe["kind"] && kinds::api_version(resource) == probe["apiVersion"]
            })
            .ok_or_else(|| format!("{} is not among the kinds", probe["kind"]))?;
        let path = kinds::path(resource);
        let request = http::Request::post(format!("{path}?dryRun=All&fieldValidation=Strict"))
            .header("Content-Type", "application/json")
            .body(serde_json::to_vec(probe)?)?;
        let answer: Value = client
            .request(request)
            .await
            .map_err(|error| format!("{} {}: {error}", probe["kind"], probe["metadata"]["name"]))?;
        let schema = kinds::schema_of(definitions, resource).unwrap_or_default();
        lessons.see(&schema, probe, &answer);
    }
    Ok(lessons.rules())
}

/// A GET, as JSON.
async fn ask(client: &Client, path: &str, accept: Option<&str>) -> Result<Value, Error> {
    let request = http::Request::get(path)
        .header("Accept", accept.unwrap_or("application/json"))
        .body(Vec::new())?;
    Ok(client.request(request).await?)
}

/// One entry a line, so that a new server's changes can be read.
fn lines(file: &Value) -> Result<String, Error> {
    let mut text = String::from("{\n");
    text += &format!("\"version\":{},\n\"resources\":[\n", file["version"]);
    let rows = |rows: Vec<String>| rows.join(",\n");
    let list = file["resources"].as_array().into_iter().flatten();
    text += &rows(list.map(Value::to_string).collect());
    text += "\n]";
    for section in ["defaults", "definitions"] {
        let entries = file[section].as_object().into_iter().flatten();
        let entries = entries.map(|(name, value)| format!("{}:{value}", Value::from(name.as_str())));
        text += &format!(",\n\"{section}\":{{\n{}\n}}", rows(entries.collect()));
    }
    text += "\n}\n";
    Ok(text)
}
