//! Whose a member is: its claim, its name and its identity, as `hub join` and `hub takeover` see and write them.

use k8s_openapi::api::{
    coordination::v1::Lease,
    core::v1::{ConfigMap, Namespace},
};
use kube::{
    Api, Client, Error as KubeError,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::json;

use super::{
    Claim, JoinError, Joiner,
    footprint::{JOIN_VERSION, MANAGER},
    join_error::{hub, member},
};
use crate::model::{api::Cluster, fleet::Held, mark};

/// Who this hub is, as members remember it.
pub async fn read_claim(client: &Client) -> Result<Claim, JoinError> {
    let map: Option<ConfigMap> = Api::namespaced(client.clone(), mark::SYSTEM_NAMESPACE)
        .get_opt(mark::HUB_IDENTITY)
        .await
        .map_err(hub("read the hub's identity"))?;
    let id = map
        .and_then(|map| map.data?.remove("id"))
        .ok_or(JoinError::NotInstalled)?;
    let api = identity(client)
        .await
        .map_err(hub("read namespace kube-system"))?;
    Ok(Claim { hub: id, api })
}

/// The identity of a cluster: uid of its namespace kube-system.
pub(super) async fn identity(client: &Client) -> Result<String, KubeError> {
    let namespace: Namespace = Api::all(client.clone()).get("kube-system").await?;
    Ok(namespace.metadata.uid.unwrap_or_default())
}

/// The name is free or this cluster's, and this cluster has no other name.
pub(super) async fn check_name(joiner: &Joiner<'_>, uid: &str, refresh: bool) -> Result<(), JoinError> {
    let clusters = Api::<Cluster>::all(joiner.hub.clone())
        .list(&ListParams::default())
        .await
        .map_err(hub("list clusters"))?;
    let mut exists = false;
    for cluster in clusters {
        let name = cluster.metadata.name.unwrap_or_default();
        let known = cluster.status.and_then(|status| status.uid);
        if name == joiner.name.as_str() {
            exists = true;
            if let Some(known) = known.filter(|known| known != uid) {
                return Err(JoinError::NameTaken {
                    name: joiner.name.clone(),
                    uid: known,
                });
            }
        } else if known.as_deref() == Some(uid) {
            return Err(JoinError::AlreadyJoined { name });
        }
    }
    if refresh && !exists {
        return Err(JoinError::NotJoined {
            name: joiner.name.clone(),
        });
    }
    Ok(())
}

pub(super) async fn claimed_by_other(client: &Client, claim: &Claim) -> Result<Option<String>, JoinError> {
    let lease: Option<Lease> = Api::namespaced(client.clone(), mark::SYSTEM_NAMESPACE)
        .get_opt(mark::HUB_CLAIM)
        .await
        .map_err(member("read the claim"))?;
    let holder = lease.and_then(|lease| lease.spec?.holder_identity);
    Ok(match claim.judge(holder.as_deref()) {
        Some(Held::Claimed { by }) => Some(by),
        _ => None,
    })
}

/// Whether a claim that is there already may be overwritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claiming {
    IfFree,
    Always,
}

pub(super) async fn write_claim(client: &Client, claim: &Claim, mode: Claiming) -> Result<(), JoinError> {
    let leases: Api<Lease> = Api::namespaced(client.clone(), mark::SYSTEM_NAMESPACE);
    let mut body = json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": mark::HUB_CLAIM,
            "labels": {mark::MANAGED_BY: mark::HANSE, mark::JOIN_VERSION: JOIN_VERSION.to_string()},
        },
        "spec": {"holderIdentity": claim.to_string()},
    });
    if mode == Claiming::IfFree {
        // Two hubs that join at once: a create that never merges lets exactly one win.
        body["metadata"]["resourceVersion"] = json!("1");
    }
    match leases
        .patch(
            mark::HUB_CLAIM,
            &PatchParams::apply(MANAGER).force(),
            &Patch::Apply(&body),
        )
        .await
    {
        Err(KubeError::Api(status)) if status.code == 409 && mode == Claiming::IfFree => {
            match claimed_by_other(client, claim).await? {
                Some(by) => Err(JoinError::Claimed { by }),
                None => Ok(()),
            }
        }
        done => done.map(drop).map_err(member("write the claim")),
    }
}
