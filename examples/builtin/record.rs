//! What the real server answers to sessions of requests, for the sandbox to be compared with.

use std::time::Duration;

use kube::Client;
use serde_json::{Value, json};

use super::still::still;
use super::{Error, kinds, send};

const SESSIONS: &str = include_str!("sessions.yaml");
const THING: &str = include_str!("thing.yaml");

/// Plays every session; each step with its answer.
pub(crate) async fn sessions(client: &Client, resources: &[Value]) -> Result<Value, Error> {
    let definition: Value = serde_saphyr::from_str(THING)?;
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    send(client, "POST", path, "application/json", &definition).await?;
    let thing = json!({
        "group": "example.com", "version": "v1", "kind": "Thing", "plural": "things", "namespaced": true,
    });
    // Until the kind is served.
    while send(
        client,
        "GET",
        &kinds::path(&thing),
        "application/json",
        &Value::Null,
    )
    .await?["kind"]
        == "Status"
    {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut recorded = Vec::new();
    for (number, session) in serde_saphyr::from_multiple::<Value>(SESSIONS)?
        .into_iter()
        .enumerate()
    {
        let resource = resources
            .iter()
            .chain([&thing])
            .find(|resource| resource["kind"] == session["kind"])
            .ok_or("a session of an unknown kind")?;
        let mut steps = Vec::new();
        for step in session["steps"].as_array().into_iter().flatten() {
            let answer = play(client, resource, &format!("session-{number}"), step).await?;
            let mut step = step.clone();
            step["answer"] = answer;
            steps.push(step);
        }
        recorded.push(json!({"name": session["name"], "kind": session["kind"], "steps": steps}));
    }
    Ok(recorded.into())
}

async fn play(client: &Client, resource: &Value, name: &str, step: &Value) -> Result<Value, Error> {
    let mut body = step["body"].clone();
    let deed = step["do"].as_str().unwrap_or_default();
    if matches!(deed, "create" | "apply" | "replace") {
        let mut whole =
            json!({"apiVersion": kinds::api_version(resource), "kind": resource["kind"], "metadata": {}});
        for (field, value) in body.as_object().into_iter().flatten() {
            whole[field] = value.clone();
        }
        whole["metadata"]["name"] = name.into();
        body = whole;
    }
    let collection = kinds::path(resource);
    let mut object = format!("{collection}/{name}");
    if let Some(subresource) = step["at"].as_str() {
        object = format!("{object}/{subresource}");
    }
    let (method, path, content) = match deed {
        "create" => ("POST", collection, "application/json"),
        "replace" => ("PUT", object, "application/json"),
        "apply" => ("PATCH", object, "application/apply-patch+yaml"),
        "merge" => ("PATCH", object, "application/merge-patch+json"),
        "strategic" => ("PATCH", object, "application/strategic-merge-patch+json"),
        _ => ("PATCH", object, "application/json-patch+json"),
    };
    let force = if step["force"] == true { "&force=true" } else { "" };
    let manager = step["by"].as_str().unwrap_or_default();
    let validation = if deed == "create" { "Strict" } else { "Ignore" };
    let path = format!("{path}?fieldManager={manager}&fieldValidation={validation}{force}");
    send(client, method, &path, content, &body).await.map(still)
}
