//! The kinds that are kept, their discovery and their schemas.

use std::collections::BTreeSet;

use kube::Client;
use serde_json::{Map, Value, json};

use super::{Error, ask};

/// Group, version and the plurals kept of it.
const KEPT: &[(&str, &str, &[&str])] = &[
    (
        "",
        "v1",
        &[
            "bindings",
            "configmaps",
            "endpoints",
            "events",
            "limitranges",
            "namespaces",
            "nodes",
            "persistentvolumeclaims",
            "persistentvolumes",
            "pods",
            "podtemplates",
            "replicationcontrollers",
            "resourcequotas",
            "secrets",
            "serviceaccounts",
            "services",
        ],
    ),
    (
        "admissionregistration.k8s.io",
        "v1",
        &[
            "mutatingwebhookconfigurations",
            "validatingadmissionpolicies",
            "validatingadmissionpolicybindings",
            "validatingwebhookconfigurations",
        ],
    ),
    ("apiextensions.k8s.io", "v1", &["customresourcedefinitions"]),
    ("apiregistration.k8s.io", "v1", &["apiservices"]),
    (
        "apps",
        "v1",
        &[
            "controllerrevisions",
            "daemonsets",
            "deployments",
            "replicasets",
            "statefulsets",
        ],
    ),
    (
        "authentication.k8s.io",
        "v1",
        &["selfsubjectreviews", "tokenreviews"],
    ),
    (
        "authorization.k8s.io",
        "v1",
        &[
            "localsubjectaccessreviews",
            "selfsubjectaccessreviews",
            "selfsubjectrulesreviews",
            "subjectaccessreviews",
        ],
    ),
    ("autoscaling", "v2", &["horizontalpodautoscalers"]),
    ("batch", "v1", &["cronjobs", "jobs"]),
    ("certificates.k8s.io", "v1", &["certificatesigningrequests"]),
    ("coordination.k8s.io", "v1", &["leases"]),
    ("discovery.k8s.io", "v1", &["endpointslices"]),
    ("events.k8s.io", "v1", &["events"]),
    (
        "networking.k8s.io",
        "v1",
        &["ingressclasses", "ingresses", "networkpolicies"],
    ),
    ("policy", "v1", &["poddisruptionbudgets"]),
    (
        "rbac.authorization.k8s.io",
        "v1",
        &["clusterrolebindings", "clusterroles", "rolebindings", "roles"],
    ),
    ("scheduling.k8s.io", "v1", &["priorityclasses"]),
    ("storage.k8s.io", "v1", &["storageclasses"]),
];

/// Kinds that are no resource but are sent or answered by an endpoint.
const PARTS: &[&str] = &[
    "io.k8s.api.autoscaling.v1.Scale",
    "io.k8s.api.policy.v1.Eviction",
    "io.k8s.api.authentication.v1.TokenRequest",
    "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Status",
    "io.k8s.apimachinery.pkg.apis.meta.v1.WatchEvent",
];

const DISCOVERY: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// What discovery says of each kept kind.
pub(crate) async fn resources(client: &Client) -> Result<Vec<Value>, Error> {
    let mut groups = Vec::new();
    for path in ["/api", "/apis"] {
        let list = ask(client, path, Some(DISCOVERY)).await?;
        groups.extend(list["items"].as_array().cloned().unwrap_or_default());
    }
    let mut resources = Vec::new();
    for (group, version, plurals) in KEPT {
        let found = groups
            .iter()
            .find(|item| item["metadata"]["name"].as_str().unwrap_or_default() == *group)
            .and_then(|item| {
                item["versions"]
                    .as_array()?
                    .iter()
                    .find(|one| one["version"] == *version)
            })
            .ok_or_else(|| format!("the server has no {group}/{version}"))?;
        for plural in *plurals {
            let resource = found["resources"]
                .as_array()
                .into_iter()
                .flatten()
                .find(|resource| resource["resource"] == *plural)
                .ok_or_else(|| format!("the server has no {plural}.{version}.{group}"))?;
            resources.push(entry(group, version, resource));
        }
    }
    Ok(resources)
}

fn entry(group: &str, version: &str, resource: &Value) -> Value {
    let subresources = resource["subresources"].as_array().into_iter().flatten();
    let subresources: Map<String, Value> = subresources
        .map(|one| {
            let kind = &one["responseKind"];
            let entry = json!({
                "group": kind["group"], "version": kind["version"], "kind": kind["kind"], "verbs": one["verbs"],
            });
            (one["subresource"].as_str().unwrap_or_default().to_owned(), entry)
        })
        .collect();
    json!({
        "group": group,
        "version": version,
        "plural": resource["resource"],
        "singular": resource["singularResource"],
        "kind": resource["responseKind"]["kind"],
        "namespaced": resource["scope"] == "Namespaced",
        "short": resource.get("shortNames").cloned().unwrap_or_else(|| json!([])),
        "categories": resource.get("categories").cloned().unwrap_or_else(|| json!([])),
        "verbs": resource["verbs"],
        "subresources": subresources,
    })
}

/// `apps/v1`
pub(crate) fn api_version(resource: &Value) -> String {
    match (resource["group"].as_str(), resource["version"].as_str()) {
        (Some(""), Some(version)) => version.to_owned(),
        (Some(group), Some(version)) => format!("{group}/{version}"),
        _ => String::new(),
    }
}

/// The path of the collection, in the namespace `default`.
pub(crate) fn path(resource: &Value) -> String {
    let root = if resource["group"] == "" { "/api" } else { "/apis" };
    let namespace = if resource["namespaced"] == true {
        "/namespaces/default"
    } else {
        ""
    };
    let plural = resource["plural"].as_str().unwrap_or_default();
    format!("{root}/{}{namespace}/{plural}", api_version(resource))
}

/// The schemas of the kinds and of everything in them; each kind is told the name of its own.
pub(crate) async fn definitions(client: &Client, resources: &[Value]) -> Result<Map<String, Value>, Error> {
    let mut all = Map::new();
    let versions: BTreeSet<String> = resources.iter().map(api_version).collect();
    for version in versions {
        let root = if version.contains('/') { "apis" } else { "api" };
        let document = ask(client, &format!("/openapi/v3/{root}/{version}"), None).await?;
        if let Some(schemas) = document.pointer("/components/schemas").and_then(Value::as_object) {
            all.extend(
                schemas
                    .iter()
                    .map(|(name, schema)| (name.clone(), schema.clone())),
            );
        }
    }
    let mut kept = Map::new();
    for name in PARTS {
        keep(name, &all, &mut kept);
    }
    for resource in resources {
        let name = schema_of(&all, resource).ok_or_else(|| format!("{resource} has no schema"))?;
        keep(&name, &all, &mut kept);
    }
    Ok(kept)
}

/// The name of the schema of a kind.
pub(crate) fn schema_of(definitions: &Map<String, Value>, resource: &Value) -> Option<String> {
    let gvk = json!({"group": resource["group"], "version": resource["version"], "kind": resource["kind"]});
    let found = definitions
        .iter()
        .find(|(_, schema)| schema["x-kubernetes-group-version-kind"] == json!([gvk]));
    found.map(|(name, _)| name.clone())
}

fn keep(name: &str, all: &Map<String, Value>, kept: &mut Map<String, Value>) {
    if kept.contains_key(name) {
        return;
    }
    let Some(schema) = all.get(name) else { return };
    let mut schema = schema.clone();
    strip(&mut schema);
    let mut names = Vec::new();
    references(&schema, &mut names);
    kept.insert(name.to_owned(), schema);
    for name in names {
        keep(&name, all, kept);
    }
}

/// Takes the descriptions out, but not properties that are called so.
fn strip(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.retain(|name, value| name != "description" || !value.is_string());
            fields.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

fn references(schema: &Value, names: &mut Vec<String>) {
    match schema {
        Value::Object(fields) => {
            if let Some(name) = fields
                .get("$ref")
                .and_then(Value::as_str)
                .and_then(|text| text.rsplit('/').next())
            {
                names.push(name.to_owned());
            }
            fields.values().for_each(|value| references(value, names));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, names)),
        _ => {}
    }
}
