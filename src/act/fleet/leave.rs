//! Letting a member go: the hub drains it, then what join made is removed, and never more than that.

use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::{
    Api, Client, Discovery, Error as KubeError,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams},
    discovery::{Scope, verbs},
};
use serde_json::json;

use super::{
    footprint::{JOIN_VERSION, Part, describe, take_away},
    grant::secret_name,
    join_error::{JoinError, hub, member},
};
use crate::model::{
    api::{Cluster, WorkloadBinding},
    mark,
    name::ClusterName,
};

/// How far draining is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drain {
    /// The Cluster is gone: nothing of the hub is left in the member but what join made.
    Done,
    /// The time ran out; so many bindings still name the member.
    Waiting {
        /// Bindings that still name it.
        bindings: usize,
    },
}

/// Deletes the Cluster and waits until the hub has drained it. False when there is no such Cluster.
pub async fn drain(
    client: &Client,
    name: &ClusterName,
    timeout: Duration,
    mut report: impl FnMut(usize),
) -> Result<Option<Drain>, JoinError> {
    let clusters: Api<Cluster> = Api::all(client.clone());
    match clusters.delete(name.as_str(), &DeleteParams::background()).await {
        Err(KubeError::Api(status)) if status.code == 404 => return Ok(None),
        Err(error) => return Err(hub("delete the Cluster")(error)),
        Ok(_) => {}
    }
    let deadline = tokio::time::Instant::now() + timeout;
    loop {
        if clusters
            .get_metadata_opt(name.as_str())
            .await
            .map_err(hub("read the Cluster"))?
            .is_none()
        {
            return Ok(Some(Drain::Done));
        }
        let bindings = bindings_in(client, name).await?.len();
        report(bindings);
        if tokio::time::Instant::now() >= deadline {
            return Ok(Some(Drain::Waiting { bindings }));
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// The bindings that name a member: what they are for is there, or may be.
pub async fn bindings_in(client: &Client, name: &ClusterName) -> Result<Vec<WorkloadBinding>, JoinError> {
    let mut bindings = Api::<WorkloadBinding>::all(client.clone())
        .list(&ListParams::default())
        .await
        .map_err(hub("list bindings"))?
        .items;
    bindings.retain(|binding| binding.spec.clusters.iter().any(|cluster| cluster.name == *name));
    Ok(bindings)
}

/// Gives the member up for good: what was placed there is forgotten, not removed.
pub async fn forget(client: &Client, name: &ClusterName) -> Result<(), JoinError> {
    let clusters: Api<Cluster> = Api::all(client.clone());
    let missing = |error: &KubeError| matches!(error, KubeError::Api(status) if status.code == 404);
    match clusters.delete(name.as_str(), &DeleteParams::background()).await {
        Err(error) if !missing(&error) => return Err(hub("delete the Cluster")(error)),
        _ => {}
    }
    forget_removals(client, name).await?;
    if let Some(cluster) = clusters
        .get_opt(name.as_str())
        .await
        .map_err(hub("read the Cluster"))?
    {
        // Only the hub's own finalizer; the version keeps somebody else's from being lost.
        let finalizers: Vec<_> = cluster
            .metadata
            .finalizers
            .unwrap_or_default()
            .into_iter()
            .filter(|name| name != mark::FINALIZER)
            .collect();
        let change = json!({"metadata": {"finalizers": finalizers, "resourceVersion": cluster.metadata.resource_version}});
        match clusters
            .patch(name.as_str(), &PatchParams::default(), &Patch::Merge(&change))
            .await
        {
            Err(error) if !missing(&error) => return Err(hub("release the Cluster")(error)),
            _ => {}
        }
    }
    forget_secret(client, name).await
}

/// Deletes what was to be removed in the member one day: it never will.
async fn forget_removals(client: &Client, name: &ClusterName) -> Result<(), JoinError> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), mark::SYSTEM_NAMESPACE);
    let prefix = format!("removals-{name}-");
    let all = maps
        .list_metadata(&ListParams::default())
        .await
        .map_err(hub("list pending removals"))?;
    for map in all.items.into_iter().filter_map(|map| map.metadata.name) {
        // `removals-eu-1-2` is of eu-1; of a member called `eu` only when nothing but a number follows.
        if map
            .strip_prefix(&prefix)
            .is_some_and(|number| number.chars().all(|c| c.is_ascii_digit()))
        {
            maps.delete(&map, &DeleteParams::default())
                .await
                .map_err(hub("delete pending removals"))?;
        }
    }
    Ok(())
}

/// Deletes the member's credential from the hub API.
pub async fn forget_secret(client: &Client, name: &ClusterName) -> Result<(), JoinError> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), mark::SYSTEM_NAMESPACE);
    match secrets.delete(&secret_name(name), &DeleteParams::default()).await {
        Err(KubeError::Api(status)) if status.code == 404 => Ok(()),
        done => done.map(drop).map_err(hub("delete the member's Secret")),
    }
}

/// Removes what join made in the member, with its owner's credential: the hub's rights first, the fence last.
/// What stays behind, and why, is handed back for people to read.
pub async fn remove_footprint(
    client: &Client,
    mut report: impl FnMut(&str),
) -> Result<Vec<String>, JoinError> {
    let mut kept = Vec::new();
    for (part, words) in [
        (Part::Rights, "taking the hub's rights away"),
        (Part::Identity, "removing the hub's identity"),
        (Part::Roles, "removing roles"),
    ] {
        report(words);
        remove(client, part, &mut kept).await?;
    }
    report("giving up the claim");
    let claim = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": mark::HUB_CLAIM, "namespace": mark::SYSTEM_NAMESPACE},
    });
    if let Ok(claim) = serde_json::from_value::<DynamicObject>(claim) {
        take_away(client, &claim)
            .await
            .map_err(member("delete the claim"))?;
    }
    report("removing the hub's namespaces");
    for namespace in Part::Namespaces.objects() {
        let name = namespace.metadata.name.clone().unwrap_or_default();
        match foreign(client, &name)
            .await
            .map_err(member(format!("look into namespace {name}")))?
        {
            None => {
                if !take_away(client, &namespace)
                    .await
                    .map_err(member(format!("delete namespace {name}")))?
                {
                    kept.push(format!(
                        "namespace {name}: it does not carry the label {}",
                        mark::JOIN_VERSION
                    ));
                }
            }
            Some(found) => kept.push(format!("namespace {name}: it holds {found}")),
        }
    }
    report("taking the fence down");
    remove(client, Part::Fence, &mut kept).await?;
    let tenants = Api::<Namespace>::all(client.clone())
        .list_metadata(&ListParams::default().labels(mark::TENANT))
        .await
        .map_err(member("list the namespaces of tenants"))?;
    for namespace in tenants.items {
        if namespace.metadata.deletion_timestamp.is_some() {
            continue;
        }
        let name = namespace.metadata.name.unwrap_or_default();
        kept.push(format!(
            "namespace {name}: it holds what the hub did not make, or may not look for"
        ));
    }
    Ok(kept)
}

async fn remove(client: &Client, part: Part, kept: &mut Vec<String>) -> Result<(), JoinError> {
    for object in part.objects().iter().rev() {
        let what = describe(object);
        if !take_away(client, object)
            .await
            .map_err(member(format!("delete {what}")))?
        {
            kept.push(format!(
                "{what}: it does not carry the label {}",
                mark::JOIN_VERSION
            ));
        }
    }
    Ok(())
}

/// The first thing in a namespace that is neither join's nor made by Kubernetes itself. An error when not every
/// kind could be listed: then nothing may be deleted.
async fn foreign(client: &Client, namespace: &str) -> Result<Option<String>, KubeError> {
    let discovery = Discovery::new(client.clone()).run_aggregated().await?;
    for group in discovery.groups() {
        for (resource, capabilities) in group.recommended_resources() {
            if capabilities.scope != Scope::Namespaced
                || !capabilities.supports_operation(verbs::LIST)
                || resource.kind == "Event"
            {
                continue;
            }
            let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
            for object in api.list_metadata(&ListParams::default().limit(20)).await?.items {
                let name = object.metadata.name.unwrap_or_default();
                let own = matches!(
                    (resource.kind.as_str(), name.as_str()),
                    ("ConfigMap", "kube-root-ca.crt") | ("ServiceAccount", "default")
                ) || object.metadata.deletion_timestamp.is_some();
                if !own {
                    return Ok(Some(format!("{} {name}", resource.kind)));
                }
            }
        }
    }
    Ok(None)
}

/// The commands that do the same, for an owner who has no kubeconfig at hand here.
#[must_use]
pub fn footprint_commands() -> Vec<String> {
    let selector = format!("{}={JOIN_VERSION}", mark::JOIN_VERSION);
    vec![
        format!("kubectl delete clusterrolebindings,rolebindings -A -l {selector}"),
        format!("kubectl delete clusterroles,roles,serviceaccounts,leases -A -l {selector}"),
        format!(
            "kubectl get all,configmaps,secrets -n {}   # delete the namespaces only if they hold nothing of yours",
            mark::SYSTEM_NAMESPACE
        ),
        format!("kubectl delete namespaces -l {selector}"),
        format!("kubectl delete validatingadmissionpolicybindings,validatingadmissionpolicies -l {selector}"),
    ]
}
