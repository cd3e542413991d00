//! `hub get orphans`: objects in members that carry this hub's stamp and belong to no binding. Shown, never deleted.

use std::collections::BTreeSet;

use kube::{Api, api::ListParams};
use serde_json::json;

use super::{
    args::Global,
    context::Hub,
    failure::{Exit, Failure},
    kinds::Kinds,
    member,
    output::Screen,
    roster::Roster,
    table,
};
use crate::{
    act::fleet::read_claim,
    model::{
        api::WorkloadBinding,
        mark,
        name::{ClusterName, GroupKind, ObjectKey},
    },
};

pub(super) async fn run(global: &Global, screen: Screen, hub: &Hub) -> Result<Exit, Failure> {
    let roster = Roster::read(&hub.client).await?;
    let mut found = Vec::new();
    let mut failed = Exit::Done;
    for (name, _) in roster.clusters() {
        let Ok(cluster) = name.parse::<ClusterName>() else {
            continue;
        };
        if !roster.is_heard(name) {
            screen.words(&format!("{name} does not answer and was not looked at"));
            failed = Exit::Refused;
            continue;
        }
        found.extend(of_member(hub, &cluster).await?);
    }
    let items: Vec<_> = found
        .iter()
        .map(|(cluster, key, binding)| {
            json!({"cluster": cluster, "group": &*key.group, "kind": &*key.kind, "namespace": key.namespace, "name": key.name, "binding": binding})
        })
        .collect();
    if screen.structured(global.output, &items)? {
        return Ok(failed);
    }
    if found.is_empty() {
        screen.words("there are no orphans");
        return Ok(failed);
    }
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|(cluster, key, binding)| {
            let namespace = key
                .namespace
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default();
            vec![
                cluster.to_string(),
                namespace,
                key.kind.to_string(),
                key.name.to_string(),
                binding.clone(),
            ]
        })
        .collect();
    screen.data(&table::render(
        screen,
        &["Cluster", "Namespace", "Kind", "Name", "Former binding"],
        &rows,
    ))?;
    Ok(failed)
}

/// Stamped objects of one member that no binding lists there. The bindings are read last: one that is made
/// meanwhile is seen.
async fn of_member(
    hub: &Hub,
    cluster: &ClusterName,
) -> Result<Vec<(ClusterName, ObjectKey, String)>, Failure> {
    let failed = |what: &str, error: &kube::Error| Failure::member(cluster.as_str(), what, error);
    let claim = read_claim(&hub.client)
        .await
        .map_err(|error| member::failure(cluster, &error))?;
    let client = member::through_secret(hub, cluster).await?.client();
    let kinds = Kinds::discover(&client)
        .await
        .map_err(|error| failed("read its kinds", &error))?;
    let stamped = ListParams::default().labels(&format!("{}={}", mark::MANAGED_BY, mark::HANSE));
    let mut candidates = Vec::new();
    for kind in kinds.listable() {
        let api: Api<kube::api::DynamicObject> = kind.api(&client, None);
        let list = match api.list_metadata(&stamped).await {
            Ok(list) => list,
            // The hub sees no Secrets, and no kinds that the member's owner did not add to `view`.
            Err(kube::Error::Api(status)) if matches!(status.code, 403..=405) => continue,
            Err(error) => return Err(failed(&format!("list {}", kind.full_name()), &error)),
        };
        for object in list.items {
            let metadata = object.metadata;
            let annotations = metadata.annotations.unwrap_or_default();
            let group_kind = GroupKind::new(kind.resource.group.as_str(), kind.resource.kind.as_str());
            let name = metadata.name.unwrap_or_default();
            let Ok(key) = ObjectKey::parse(
                &group_kind,
                metadata.namespace.as_deref().unwrap_or_default(),
                &name,
            ) else {
                continue;
            };
            // Copies that controllers make carry labels and annotations of another object's name.
            let own = annotations
                .get(mark::OBJECT)
                .is_some_and(|stamp| *stamp == key.annotation());
            if own && annotations.get(mark::HUB).is_some_and(|hub| *hub == claim.hub) {
                let binding = metadata
                    .labels
                    .unwrap_or_default()
                    .remove(mark::BINDING)
                    .unwrap_or_default();
                candidates.push((key, binding));
            }
        }
    }
    let bindings = Api::<WorkloadBinding>::all(hub.client.clone())
        .list(&ListParams::default())
        .await
        .map_err(|error| Failure::hub("list bindings", &error))?;
    let mut listed = BTreeSet::new();
    for binding in &bindings.items {
        let status = binding.status_or_default();
        for placed in status.clusters.iter().filter(|placed| placed.name == *cluster) {
            listed.extend(placed.objects.iter().map(|object| object.key().annotation()));
        }
        let bound = binding.spec.clusters.iter().any(|placed| placed.name == *cluster);
        if let (true, Some(name)) = (bound, &binding.metadata.name) {
            listed.insert(name.clone());
        }
    }
    let orphan = |(key, binding): &(ObjectKey, String)| {
        !listed.contains(&key.annotation()) && !listed.contains(binding)
    };
    Ok(candidates
        .into_iter()
        .filter(orphan)
        .map(|(key, binding)| (cluster.clone(), key, binding))
        .collect())
}
