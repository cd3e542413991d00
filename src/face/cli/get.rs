//! `hub get`: objects of the hub API, or of a member as the tenant.

use http::{Request, header};
use kube::{
    Client,
    api::{DynamicObject, ListParams},
};
use serde_json::{Value, json};

use super::{
    args::{Format, Get, Global},
    clusters,
    context::Hub,
    failure::{Exit, Failure},
    kinds::{Kind, Kinds},
    member, orphans,
    output::Screen,
    table,
};
use crate::model::name::NamespaceName;

pub(super) async fn run(global: &Global, screen: Screen, wanted: &Get) -> Result<Exit, Failure> {
    show(global, screen, &Hub::connect(global).await?, wanted).await
}

/// Objects, as a hub API shows them.
pub(super) async fn show(global: &Global, screen: Screen, hub: &Hub, wanted: &Get) -> Result<Exit, Failure> {
    let (word, name) = match (wanted.kind.split_once('/'), &wanted.name) {
        (Some((kind, name)), None) => (kind, Some(name)),
        (_, name) => (wanted.kind.as_str(), name.as_deref()),
    };
    let word = word.to_lowercase();
    if word == "orphans" || word == "orphan" {
        return orphans::run(global, screen, hub).await;
    }
    let (client, from_member) = match &wanted.cluster {
        Some(cluster) => (member::as_tenant(hub, cluster, &hub.namespace).await?, true),
        None => (hub.client.clone(), false),
    };
    if !from_member
        && matches!(word.as_str(), "clusters" | "cluster" | "cl")
        && !matches!(global.output, Some(Format::Json | Format::Yaml))
    {
        return clusters::show(hub, screen, global, name).await;
    }
    let kinds = Kinds::discover(&client)
        .await
        .map_err(|error| match &wanted.cluster {
            Some(cluster) => Failure::member(cluster.as_str(), "read its kinds", &error),
            None => Failure::hub("read the kinds of the hub API", &error),
        })?;
    let chosen: Vec<&Kind> = match word.as_str() {
        "policies" | "policy" => vec![
            kinds.called("propagationpolicies.hanse.dev")?,
            kinds.called("clusterpropagationpolicies.hanse.dev")?,
        ],
        "bindings" | "binding" => vec![kinds.called("workloadbindings.hanse.dev")?],
        word => vec![kinds.called(word)?],
    };
    let namespace = (!wanted.all_namespaces).then_some(&hub.namespace);
    let mut objects = Vec::new();
    for kind in &chosen {
        match read(&client, kind, namespace, name).await {
            Ok(found) => objects.extend(found.into_iter().map(|object| (*kind, object))),
            // With two kinds of policies a name is in one of them.
            Err(kube::Error::Api(status)) if status.code == 404 && chosen.len() > 1 => {}
            Err(error) => {
                let what = format!(
                    "read {}",
                    name.map_or_else(|| kind.full_name(), |name| format!("{}/{name}", kind.full_name()))
                );
                return Err(match &wanted.cluster {
                    Some(cluster) => Failure::member(cluster.as_str(), &what, &error),
                    None => Failure::hub(&what, &error),
                });
            }
        }
    }
    if matches!(global.output, Some(Format::Json | Format::Yaml)) {
        let mut items: Vec<Value> = objects
            .into_iter()
            .map(|(kind, object)| shown(kind, &object))
            .collect();
        let value = match (name, items.len()) {
            (Some(_), 1) => items.remove(0),
            _ => json!({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": items}),
        };
        screen.structured(global.output, &value)?;
        return Ok(Exit::Done);
    }
    let mut text = String::new();
    for kind in chosen {
        text.push_str(
            &server_table(
                &client,
                kind,
                namespace,
                name,
                screen,
                global.output == Some(Format::Wide),
            )
            .await?,
        );
    }
    if text.is_empty() {
        let place = namespace.map_or_else(
            || "any namespace".to_owned(),
            |namespace| format!("namespace {namespace}"),
        );
        screen.words(&format!("there are no {} in {place}", wanted.kind));
    }
    screen.data(&text)?;
    Ok(Exit::Done)
}

async fn read(
    client: &Client,
    kind: &Kind,
    namespace: Option<&NamespaceName>,
    name: Option<&str>,
) -> Result<Vec<DynamicObject>, kube::Error> {
    let api = kind.api(client, namespace);
    match name {
        Some(name) => Ok(vec![api.get(name).await?]),
        None => Ok(api.list(&ListParams::default()).await?.items),
    }
}

/// An object as it is printed: with its kind, without the bookkeeping of managers, and never with a Secret's bytes.
fn shown(kind: &Kind, object: &DynamicObject) -> Value {
    let mut value = serde_json::to_value(object).unwrap_or_default();
    value["apiVersion"] = json!(kind.resource.api_version);
    value["kind"] = json!(kind.resource.kind);
    if let Some(metadata) = value["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
    if kind.resource.kind == "Secret" && kind.resource.group.is_empty() {
        redact(&mut value);
    }
    value
}

/// Takes the bytes out of a Secret: also those that kubectl keeps in an annotation.
pub(super) fn redact(secret: &mut Value) {
    for field in ["data", "stringData"] {
        if let Some(data) = secret.get_mut(field).and_then(Value::as_object_mut) {
            data.values_mut().for_each(|value| *value = json!("<redacted>"));
        }
    }
    if let Some(annotations) = secret
        .pointer_mut("/metadata/annotations")
        .and_then(Value::as_object_mut)
    {
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
    }
}

/// The table that the server makes of the kind's own columns.
async fn server_table(
    client: &Client,
    kind: &Kind,
    namespace: Option<&NamespaceName>,
    name: Option<&str>,
    screen: Screen,
    wide: bool,
) -> Result<String, Failure> {
    let failed = |error: &kube::Error| Failure::hub(&format!("read {}", kind.full_name()), error);
    let resource = &kind.resource;
    let root = if resource.group.is_empty() {
        format!("/api/{}", resource.version)
    } else {
        format!("/apis/{}", resource.api_version)
    };
    let inside = namespace
        .filter(|_| kind.namespaced)
        .map(|namespace| format!("/namespaces/{namespace}"))
        .unwrap_or_default();
    let one = name.map(|name| format!("/{name}")).unwrap_or_default();
    let request = Request::get(format!("{root}{inside}/{}{one}", resource.plural))
        .header(
            header::ACCEPT,
            "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
        )
        .body(Vec::new())
        .map_err(|error| failed(&kube::Error::HttpError(error)))?;
    let answer: Value = match client.request(request).await {
        Ok(answer) => answer,
        Err(kube::Error::Api(status)) if status.code == 404 && name.is_some() => return Ok(String::new()),
        Err(error) => return Err(failed(&error)),
    };
    let list = |key: &str| answer[key].as_array().cloned().unwrap_or_default();
    let rows = list("rows");
    if rows.is_empty() {
        return Ok(String::new());
    }
    let columns: Vec<(usize, String)> = list("columnDefinitions")
        .iter()
        .enumerate()
        .filter(|(_, column)| wide || column["priority"].as_i64().unwrap_or(0) == 0)
        .map(|(index, column)| (index, column["name"].as_str().unwrap_or_default().to_owned()))
        .collect();
    let everywhere = namespace.is_none() && kind.namespaced;
    let mut head: Vec<&str> = columns.iter().map(|(_, name)| name.as_str()).collect();
    if everywhere {
        head.insert(0, "Namespace");
    }
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let mut cells: Vec<String> = columns
                .iter()
                .map(|(index, _)| plain(&row["cells"][*index]))
                .collect();
            if everywhere {
                cells.insert(0, plain(&row["object"]["metadata"]["namespace"]));
            }
            cells
        })
        .collect();
    Ok(table::render(screen, &head, &cells))
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        // A column of a custom resource that selects a list comes as the list's JSON.
        Value::String(text) if text.starts_with('[') => {
            let items = serde_json::from_str::<Vec<String>>(text);
            items.map_or_else(|_| text.clone(), |items| items.join(","))
        }
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::a_list(json!("[\"shop\",\"shop-staging\"]"), "shop,shop-staging")]
    #[case::something_else(json!("[x"), "[x")]
    #[case::a_number(json!(3), "3")]
    #[case::nothing(json!(null), "")]
    fn a_cell_is_shown_as_people_write_it(#[case] cell: Value, #[case] shown: &str) {
        assert_eq!(plain(&cell), shown);
    }
}
