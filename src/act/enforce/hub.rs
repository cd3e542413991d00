//! A tenant's namespaces on the hub API, and its owners' rights there.

use serde_json::{Value, json};

use super::member::{key, namespaces, role_bindings};
use crate::{
    act::wire::{Created, Error, HubIdentity, Observed, Stack, Target},
    decide::tenancy,
    model::{api::Tenant, mark, name::NamespaceName},
};

/// Makes missing hub namespaces and the owners' RoleBinding in each. Reads first: at rest nothing is written.
/// Returns what stands in the way, by namespace.
pub async fn enforce_tenant(
    hub: &Stack,
    me: &HubIdentity,
    tenant: &Tenant,
    namespaces_of: &[NamespaceName],
) -> Result<Vec<String>, Error> {
    let client = hub.client();
    let mut obstacles = Vec::new();
    for namespace in namespaces_of {
        let wanted = tenancy::hub_namespace(namespace, tenant);
        let resource = namespaces();
        let key_of_namespace = key("", "Namespace", None, namespace);
        let target = Target {
            client: &client,
            resource: &resource,
            key: &key_of_namespace,
        };
        match target.get_whole().await? {
            Some(live) if !live["metadata"]["deletionTimestamp"].is_null() => {
                obstacles.push(format!("namespace {namespace} is being deleted"));
                continue;
            }
            live => match settle(target, me, live, &wanted, has_labels).await? {
                Settled::Done => {}
                Settled::Foreign(owner) => {
                    obstacles.push(format!(
                        "namespace {namespace} is labelled {}={owner}",
                        mark::TENANT
                    ));
                    continue;
                }
            },
        }
        let wanted = tenancy::hub_owners_binding(namespace, tenant);
        let resource = role_bindings();
        let key = key(
            "rbac.authorization.k8s.io",
            "RoleBinding",
            Some(namespace),
            tenancy::OWNERS_BINDING,
        );
        let target = Target {
            client: &client,
            resource: &resource,
            key: &key,
        };
        let live = target.get_whole().await?;
        settle(target, me, live, &wanted, has_subjects).await?;
    }
    Ok(obstacles)
}

/// Takes back from a tenant a hub namespace that it has no more: the owners' rights, then the labels that say
/// whose it is, so that another tenant can have it. The namespace stays, with everything in it.
pub async fn release_namespace(
    hub: &Stack,
    me: &HubIdentity,
    tenant: &str,
    namespace: &NamespaceName,
) -> Result<(), Error> {
    let client = hub.client();
    let is_theirs = |live: &Observed| {
        let labels = live.metadata.labels.as_ref();
        labels
            .and_then(|labels| labels.get(mark::TENANT))
            .map(String::as_str)
            == Some(tenant)
            && live.managers.hubs.contains_key(&me.manager)
    };
    let rights = key(
        "rbac.authorization.k8s.io",
        "RoleBinding",
        Some(namespace),
        tenancy::OWNERS_BINDING,
    );
    let of_namespace = key("", "Namespace", None, namespace);
    let (role_bindings, namespaces) = (role_bindings(), namespaces());
    let target = Target {
        client: &client,
        resource: &role_bindings,
        key: &rights,
    };
    if let Some(live) = target.get().await?.filter(is_theirs) {
        let uid = live.metadata.uid.unwrap_or_default();
        let version = live.metadata.resource_version.unwrap_or_default();
        target.delete_exactly(&uid, &version).await?;
    }
    let target = Target {
        client: &client,
        resource: &namespaces,
        key: &of_namespace,
    };
    if let Some(live) = target.get().await?.filter(is_theirs)
        && live.metadata.deletion_timestamp.is_none()
    {
        // Applied without them, the fields that only the hub owns go.
        let nothing = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        let version = live.metadata.resource_version.unwrap_or_default();
        target.apply_over(&me.manager, &nothing, &version).await?;
    }
    Ok(())
}

enum Settled {
    Done,
    Foreign(String),
}

async fn settle(
    target: Target<'_>,
    me: &HubIdentity,
    live: Option<Value>,
    wanted: &Value,
    holds: fn(&Value, &Value) -> bool,
) -> Result<Settled, Error> {
    let Some(live) = live else {
        return match target.create(&me.manager, wanted).await? {
            Created::New(_) => Ok(Settled::Done),
            Created::Occupied => Err(Error::call(
                format!("make {}", target.key),
                kube::Error::Service("somebody else has just made it".into()),
            )),
        };
    };
    let owner = live["metadata"]["labels"][mark::TENANT].as_str();
    let ours = wanted["metadata"]["labels"][mark::TENANT].as_str();
    if let (Some(owner), Some(ours)) = (owner, ours)
        && owner != ours
    {
        return Ok(Settled::Foreign(owner.to_owned()));
    }
    if !holds(&live, wanted) {
        let version = live["metadata"]["resourceVersion"].as_str().unwrap_or_default();
        target.apply_over(&me.manager, wanted, version).await?;
    }
    Ok(Settled::Done)
}

fn has_labels(live: &Value, wanted: &Value) -> bool {
    let labels = wanted["metadata"]["labels"].as_object();
    labels.is_none_or(|labels| {
        labels
            .iter()
            .all(|(name, value)| live["metadata"]["labels"][name] == *value)
    })
}

fn has_subjects(live: &Value, wanted: &Value) -> bool {
    live["subjects"].as_array().cloned().unwrap_or_default()
        == wanted["subjects"].as_array().cloned().unwrap_or_default()
        && live["roleRef"] == wanted["roleRef"]
}
