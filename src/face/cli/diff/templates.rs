//! The templates that files concern: those in them, and those that their policies and overrides reach.

use std::collections::BTreeSet;

use kube::{Api, Error as KubeError, api::ListParams};

use super::super::{context::Hub, failure::Failure, kinds::Kinds, plan::Phase, rehearse::Rehearsed};
use super::shown_of;
use super::world::{World, is_override, is_policy, namespace_of};
use crate::model::{
    api::{ResourceSelector, WorkloadBinding},
    manifest::Document,
    name::{GroupVersionKind, NamespaceName, ObjectKey},
    template::Template,
};

/// A template, and how it is called in what is printed.
pub(super) struct Looked {
    pub(super) template: Template,
    /// `deployment.apps/web`
    pub(super) shown: String,
}

/// Those in the files first, then the others by namespace and name.
pub(super) async fn look_for(
    hub: &Hub,
    world: &World,
    documents: &[Document],
    rehearsed: &[Rehearsed<'_>],
) -> Result<Vec<Looked>, Failure> {
    let mut found = Vec::new();
    let mut known: BTreeSet<ObjectKey> = BTreeSet::new();
    for Rehearsed { item, object } in rehearsed {
        if Phase::of(item.document) != Phase::Templates || item.namespace.is_none() {
            continue;
        }
        // A namespace that is still to come answers nothing.
        let value = match object {
            Some(object) => serde_json::to_value(object).unwrap_or_default(),
            None => item.body(),
        };
        if let Ok(template) = Template::from_object(&value, &|manager| world.is_hubs(manager))
            && known.insert(template.key.clone())
        {
            let shown = item.shown();
            found.push(Looked { template, shown });
        }
    }
    let reaching = documents
        .iter()
        .filter(|document| is_override(document) || is_policy(document));
    let reaching: Vec<&Document> = reaching.collect();
    if reaching.is_empty() {
        return Ok(found);
    }
    let kinds = Kinds::discover(&hub.client)
        .await
        .map_err(|error| Failure::hub("read the kinds of the hub API", &error))?;
    let mut others = Vec::new();
    for document in reaching {
        let namespace = namespace_of(hub, document);
        if is_policy(document) {
            others.extend(named(hub, &kinds, document, namespace.as_ref()).await?);
        }
        others.extend(placed(hub, namespace.as_ref()).await?);
    }
    others.sort();
    others.dedup();
    for (key, version) in others {
        if known.contains(&key) {
            continue;
        }
        let Some(kind) = kinds.of_manifest(&key.group, &version, &key.kind) else {
            continue;
        };
        let api = kind.api(&hub.client, key.namespace.as_ref());
        let live = match api.get_opt(&key.name).await {
            Ok(live) => live,
            Err(KubeError::Api(status)) if status.code == 403 => None,
            Err(error) => return Err(Failure::hub(&format!("read {key}"), &error)),
        };
        let value = live.and_then(|live| serde_json::to_value(live).ok());
        let template =
            value.and_then(|value| Template::from_object(&value, &|manager| world.is_hubs(manager)).ok());
        if let Some(template) = template.filter(|template| world.reaches(template)) {
            let shown = shown_of(&key);
            known.insert(key);
            found.push(Looked { template, shown });
        }
    }
    Ok(found)
}

/// A template by name, with the version it is read at.
type Named = (ObjectKey, String);

/// Everything that is placed now.
async fn placed(hub: &Hub, namespace: Option<&NamespaceName>) -> Result<Vec<Named>, Failure> {
    let api: Api<WorkloadBinding> = match namespace {
        Some(namespace) => Api::namespaced(hub.client.clone(), namespace),
        None => Api::all(hub.client.clone()),
    };
    let bindings = api
        .list(&ListParams::default())
        .await
        .map_err(|error| Failure::hub("list bindings", &error))?;
    let of = |binding: &WorkloadBinding| {
        let namespace = binding.metadata.namespace.as_deref()?.parse().ok()?;
        let template = &binding.spec.template;
        let gvk = GroupVersionKind::from_api_version(&template.api_version, &template.kind).ok()?;
        Some((template.key(&namespace).ok()?, gvk.version.to_string()))
    };
    Ok(bindings.iter().filter_map(of).collect())
}

/// What a policy names that may not be placed yet.
async fn named(
    hub: &Hub,
    kinds: &Kinds,
    document: &Document,
    namespace: Option<&NamespaceName>,
) -> Result<Vec<Named>, Failure> {
    let selectors = document.object.pointer("/spec/resourceSelectors").cloned();
    let selectors: Vec<ResourceSelector> = selectors
        .and_then(|selectors| serde_json::from_value(selectors).ok())
        .unwrap_or_default();
    let mut found = Vec::new();
    for selector in selectors {
        let Ok(gvk) = GroupVersionKind::from_api_version(&selector.api_version, &selector.kind) else {
            continue; // what "*" stands for is found where it is placed
        };
        let Some(kind) = kinds.of_manifest(&gvk.group, &gvk.version, &gvk.kind) else {
            continue;
        };
        let listed = kind
            .api(&hub.client, namespace)
            .list_metadata(&ListParams::default())
            .await;
        let listed = match listed {
            Ok(listed) => listed,
            Err(KubeError::Api(status)) if matches!(status.code, 403 | 404) => continue,
            Err(error) => return Err(Failure::hub(&format!("list {}", kind.full_name()), &error)),
        };
        for object in listed {
            let meta = object.metadata;
            let namespace = meta.namespace.unwrap_or_default();
            if let Ok(key) = ObjectKey::parse(&gvk.group_kind(), &namespace, &meta.name.unwrap_or_default()) {
                found.push((key, gvk.version.to_string()));
            }
        }
    }
    Ok(found)
}
