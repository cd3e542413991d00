//! `hub install` and `hub crds`: what the hub API needs before a hub can run.

use std::time::Duration;

use k8s_openapi::{
    api::core::v1::ConfigMap, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, Error as KubeError,
    api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams},
    core::GroupVersionKind,
};
use serde_json::json;

use super::{
    args::{Global, Install},
    context::Hub,
    failure::{Exit, Failure},
    output::Screen,
    progress::Progress,
};
use crate::model::{
    api::{self, crds as definitions},
    manifest::{self, Code},
    mark,
};

const MANAGER: &str = "hub-install";

/// The hub's rights, in order.
const RIGHTS: &[(&str, &str)] = &[
    (
        "10-namespace.yaml",
        include_str!("../../../manifests/hub/10-namespace.yaml"),
    ),
    (
        "20-roles.yaml",
        include_str!("../../../manifests/hub/20-roles.yaml"),
    ),
    (
        "30-identity.yaml",
        include_str!("../../../manifests/hub/30-identity.yaml"),
    ),
    (
        "40-bindings.yaml",
        include_str!("../../../manifests/hub/40-bindings.yaml"),
    ),
];

/// `hub crds`
pub(super) fn crds(screen: Screen, global: &Global) -> Result<Exit, Failure> {
    let definitions = definitions();
    if global.output == Some(super::args::Format::Json) {
        screen.structured(
            global.output,
            &json!({"apiVersion": "v1", "kind": "List", "items": definitions}),
        )?;
        return Ok(Exit::Done);
    }
    let mut text = String::new();
    for definition in &definitions {
        let page = api::render(definition)
            .map_err(|error| Failure::new(Code::SYSTEM, format!("failed to write YAML: {error}")))?;
        if !page.starts_with("---") {
            text.push_str("---\n");
        }
        text.push_str(&page);
    }
    screen.data(&text)?;
    Ok(Exit::Done)
}

pub(super) async fn run(global: &Global, screen: Screen, wanted: &Install) -> Result<Exit, Failure> {
    let hub = Hub::connect(global).await?;
    let mut progress = Progress::new(screen);
    let Installed { id, names } = install(&hub.client, wanted.timeout.0, |step| progress.doing(step)).await?;
    drop(progress);
    if !screen.structured(global.output, &json!({"hub": id, "customResources": names}))? {
        screen.data(&format!(
            "installed: {} custom resources, hub id {id}",
            names.len()
        ))?;
    }
    Ok(Exit::Done)
}

/// What a hub API has after an installation.
pub(super) struct Installed {
    /// The hub id, also of an earlier installation.
    pub(super) id: String,
    /// Of the custom resource definitions.
    names: Vec<String>,
}

/// Makes what the hub API needs, and waits until it is served. `report` is told each step when it begins.
pub(super) async fn install(
    client: &Client,
    timeout: Duration,
    mut report: impl FnMut(&str),
) -> Result<Installed, Failure> {
    report("applying custom resource definitions");
    let names = apply_definitions(client).await?;
    report("applying the hub's namespace and rights");
    for (file, text) in RIGHTS {
        for document in manifest::read(file, text).0 {
            if let Ok(object) = serde_json::from_value::<DynamicObject>(document.object) {
                apply(client, &object).await?;
            }
        }
    }
    let id = identify(client).await?;
    report("waiting until the custom resources are served");
    established(client, &names, timeout).await?;
    Ok(Installed { id, names })
}

async fn apply_definitions(client: &Client) -> Result<Vec<String>, Failure> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let mut names = Vec::new();
    for definition in definitions() {
        let name = definition.metadata.name.clone().unwrap_or_default();
        api.patch(
            &name,
            &PatchParams::apply(MANAGER).force(),
            &Patch::Apply(&definition),
        )
        .await
        .map_err(|error| Failure::hub(&format!("apply CustomResourceDefinition {name}"), &error))?;
        names.push(name);
    }
    Ok(names)
}

async fn apply(client: &Client, object: &DynamicObject) -> Result<(), Failure> {
    let types = object.types.clone().unwrap_or_default();
    let (group, version) = types
        .api_version
        .split_once('/')
        .unwrap_or(("", &types.api_version));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &types.kind));
    let api: Api<DynamicObject> = match &object.metadata.namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let name = object.metadata.name.clone().unwrap_or_default();
    api.patch(&name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(object))
        .await
        .map_err(|error| Failure::hub(&format!("apply {} {name}", types.kind), &error))?;
    Ok(())
}

/// The hub id: made once, never overwritten, because members are claimed by it.
async fn identify(client: &Client) -> Result<String, Failure> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), mark::SYSTEM_NAMESPACE);
    let id = random_id()?;
    let map = serde_json::from_value(json!({
        "metadata": {"name": mark::HUB_IDENTITY, "labels": {mark::MANAGED_BY: mark::HANSE}},
        "data": {"id": id},
    }))
    .unwrap_or_default();
    match maps
        .create(
            &PostParams {
                field_manager: Some(MANAGER.to_owned()),
                ..PostParams::default()
            },
            &map,
        )
        .await
    {
        Ok(_) => return Ok(id),
        Err(KubeError::Api(status)) if status.code == 409 => {}
        Err(error) => return Err(Failure::hub("create ConfigMap hanse-system/hub-identity", &error)),
    }
    let map = maps
        .get(mark::HUB_IDENTITY)
        .await
        .map_err(|error| Failure::hub("read ConfigMap hanse-system/hub-identity", &error))?;
    map.data.and_then(|mut data| data.remove("id")).ok_or_else(|| {
        Failure::new(
            Code::REQUEST_REFUSED,
            "ConfigMap hanse-system/hub-identity holds no id",
        )
        .with_hint("restore its `id` from a backup; with another id every member must be taken over")
    })
}

/// A random UUID (RFC 9562, version 4).
fn random_id() -> Result<String, Failure> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::new(Code::SYSTEM, format!("failed to get random bytes: {error}")))?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok([&hex[..4], &hex[4..6], &hex[6..8], &hex[8..10], &hex[10..]]
        .map(<[String]>::concat)
        .join("-"))
}

/// Waits until the API server serves the definitions.
pub(super) async fn established(client: &Client, names: &[String], timeout: Duration) -> Result<(), Failure> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let deadline = tokio::time::Instant::now() + timeout;
    for name in names {
        loop {
            let found = api
                .get_opt(name)
                .await
                .map_err(|error| Failure::hub(&format!("read CustomResourceDefinition {name}"), &error))?;
            let conditions = found
                .and_then(|found| found.status)
                .and_then(|status| status.conditions);
            if conditions
                .unwrap_or_default()
                .iter()
                .any(|c| c.type_ == "Established" && c.status == "True")
            {
                break;
            }
            if tokio::time::Instant::now() >= deadline {
                return Err(Failure::timed_out(format!("{name} is not served yet"))
                    .with_hint(format!("kubectl get crd {name} -o yaml says what it waits for")));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hub_ids_are_version_4_uuids_and_differ() {
        let [a, b] = [random_id().unwrap(), random_id().unwrap()];
        assert_ne!(a, b);
        assert_eq!(a.len(), 36);
        assert_eq!(&a[14..15], "4");
    }

    #[test]
    fn the_hub_s_rights_are_read_without_a_complaint() {
        for (file, text) in RIGHTS {
            let (documents, diagnostics) = manifest::read(file, text);
            assert!(
                !documents.is_empty() && diagnostics.is_empty(),
                "{file}: {diagnostics:?}"
            );
        }
    }
}
