//! Registering a member, with its owner's credential, once.
//!
//! ```text
//! is it ours? ─► namespaces ─► claim ─► fence ─► fence stands? ─► roles, identity ─► rights ─► token ─► Secret, Cluster
//!  (nothing written)                                                              └ nothing is granted before
//! ```
//!
//! Every step can be repeated. When one fails, what was made stays, and joining again goes on from there.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::{
    ByteString,
    api::{
        coordination::v1::Lease,
        core::v1::{ConfigMap, Namespace, Secret},
        rbac::v1::ClusterRole,
    },
};
use kube::{
    Api, Client, Config, Error as KubeError,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use super::{
    Allow, Claim, TokenTimes,
    credential::{kubeconfig, request_token, secret_name},
    footprint::{JOIN_VERSION, MANAGER, Part, describe, put},
    kubeconfig::ALLOW,
};
use crate::{
    act::wire,
    model::{api::Cluster, clock::Timestamp, fleet::Held, mark, name::ClusterName},
};

/// The oldest Kubernetes with admission policies in `v1`, without which there is no fence.
const OLDEST_MINOR: u32 = 30;
/// How long the fence may take to be seen; it stood after 14 ms wherever it was measured.
const FENCE_PATIENCE: Duration = Duration::from_secs(30);
/// A token is kept by a repeated join when it lasts at least this long.
const TOKEN_KEEPS: i64 = 24 * 3_600;

/// Why a member could not be joined, taken over or left.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// A request to the hub API failed.
    #[error("failed to {what} on the hub API: {}", wire::brief(source))]
    Hub {
        /// What was tried.
        what: String,
        /// The answer.
        #[source]
        source: Box<KubeError>,
    },
    /// A request to the member failed.
    #[error("failed to {what} in the member: {}", wire::brief(source))]
    Member {
        /// What was tried.
        what: String,
        /// The answer.
        #[source]
        source: Box<KubeError>,
    },
    /// The hub API has no hub id: `hub install` was never run there.
    #[error("failed to find ConfigMap hanse-system/hub-identity on the hub API")]
    NotInstalled,
    /// The member has no admission policies to build the fence from.
    #[error("failed to accept the member: Kubernetes {version} is older than 1.30")]
    TooOld {
        /// What it says it is.
        version: String,
    },
    /// Another hub, or another copy of this one, has claimed the member.
    #[error("failed to accept the member: it is claimed by hub {by}")]
    Claimed {
        /// Holder of the claim.
        by: String,
    },
    /// The name belongs to another cluster.
    #[error("failed to join: Cluster {name} is another cluster, with uid {uid}")]
    NameTaken {
        /// The name that was asked for.
        name: ClusterName,
        /// Identity of the cluster that has it.
        uid: String,
    },
    /// The cluster has joined under another name.
    #[error("failed to join: this cluster is a member already, as {name}")]
    AlreadyJoined {
        /// The other name.
        name: String,
    },
    /// There is nothing to refresh, take over or leave.
    #[error("failed to find Cluster {name} on the hub API")]
    NotJoined {
        /// The name that was asked for.
        name: ClusterName,
    },
    /// The fence was applied but does not refuse what it must refuse.
    #[error("failed to see the fence of the member stand within 30 s: {seen}")]
    FenceSilent {
        /// What the probe was answered.
        seen: String,
    },
}

pub(super) fn hub(what: impl Into<String>) -> impl FnOnce(KubeError) -> JoinError {
    let what = what.into();
    move |source| JoinError::Hub {
        what,
        source: Box::new(source),
    }
}

pub(super) fn member(what: impl Into<String>) -> impl FnOnce(KubeError) -> JoinError {
    let what = what.into();
    move |source| JoinError::Member {
        what,
        source: Box::new(source),
    }
}

/// Who joins, and with what.
#[derive(Clone)]
pub struct Joiner<'a> {
    /// The hub API.
    pub hub: &'a Client,
    /// The member, as its owner.
    pub member: &'a Client,
    /// Where the member is: server and authority go into the hub's own kubeconfig, the owner's login does not.
    pub config: &'a Config,
    /// What the owner allowed of the kubeconfig.
    pub allow: Allow,
    /// The member's name in the fleet.
    pub name: &'a ClusterName,
}

impl std::fmt::Debug for Joiner<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Joiner")
            .field("name", self.name)
            .finish_non_exhaustive()
    }
}

/// What the `Cluster` object says of the member besides how to reach it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Labels that selectors see; those of an existing Cluster stay.
    pub labels: BTreeMap<String, String>,
    /// `spec.region`
    pub region: Option<String>,
    /// `spec.zone`
    pub zone: Option<String>,
    /// `spec.provider`
    pub provider: Option<String>,
}

/// What joining came to.
#[derive(Debug, Clone)]
pub struct Joined {
    /// Version of the member's API server.
    pub version: String,
    /// When the hub's token ends.
    pub expires: Timestamp,
}

/// Joins a member, or brings a joined one up to date. `refresh` asks for a new token in any case, and that the
/// Cluster is there. `report` is told each step when it begins.
pub async fn join(
    joiner: &Joiner<'_>,
    wishes: &Wishes,
    refresh: bool,
    now: Timestamp,
    mut report: impl FnMut(&str),
) -> Result<Joined, JoinError> {
    report("looking at the hub API and the member");
    let claim = read_claim(joiner.hub).await?;
    let version = check_version(joiner.member).await?;
    let uid = identity(joiner.member)
        .await
        .map_err(member("read namespace kube-system"))?;
    check_name(joiner, &uid, refresh).await?;
    if let Some(by) = claimed_by_other(joiner.member, &claim).await? {
        return Err(JoinError::Claimed { by });
    }
    report("making the hub's namespaces");
    make(joiner.member, Part::Namespaces).await?;
    report("claiming the member");
    write_claim(joiner.member, &claim, Claiming::IfFree).await?;
    report("building the fence");
    make(joiner.member, Part::Fence).await?;
    report("waiting until the fence stands");
    fence_stands(joiner.member).await?;
    report("granting the hub its rights");
    for part in [Part::Roles, Part::Identity, Part::Rights] {
        make(joiner.member, part).await?;
    }
    report("storing the hub's token");
    let expires = store_token(joiner, refresh, now).await?;
    report("registering the Cluster");
    register(joiner, wishes).await?;
    Ok(Joined { version, expires })
}

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
async fn identity(client: &Client) -> Result<String, KubeError> {
    let namespace: Namespace = Api::all(client.clone()).get("kube-system").await?;
    Ok(namespace.metadata.uid.unwrap_or_default())
}

async fn check_version(client: &Client) -> Result<String, JoinError> {
    let info = client
        .apiserver_version()
        .await
        .map_err(member("read the version"))?;
    let number = |text: &str| {
        text.trim_end_matches(|c: char| !c.is_ascii_digit())
            .parse::<u32>()
            .unwrap_or(0)
    };
    if (number(&info.major), number(&info.minor)) < (1, OLDEST_MINOR) {
        return Err(JoinError::TooOld {
            version: info.git_version,
        });
    }
    Ok(info.git_version)
}

/// The name is free or this cluster's, and this cluster has no other name.
async fn check_name(joiner: &Joiner<'_>, uid: &str, refresh: bool) -> Result<(), JoinError> {
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

async fn claimed_by_other(client: &Client, claim: &Claim) -> Result<Option<String>, JoinError> {
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

async fn make(client: &Client, part: Part) -> Result<(), JoinError> {
    for object in part.objects() {
        put(client, &object)
            .await
            .map_err(member(format!("apply {}", describe(&object))))?;
    }
    Ok(())
}

/// Waits until the last policy of the fence refuses what it must: a dry-run that would change nothing.
async fn fence_stands(client: &Client) -> Result<(), JoinError> {
    let roles: Api<ClusterRole> = Api::all(client.clone());
    let probe: ClusterRole = serde_json::from_value(json!({
        "metadata": {"generateName": "hanse-fence-probe-", "labels": {"hanse.dev/fence-probe": ""}},
    }))
    .unwrap_or_default();
    let words = format!("stands, join version {JOIN_VERSION}");
    let dry_run = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let deadline = tokio::time::Instant::now() + FENCE_PATIENCE;
    loop {
        let seen = match roles.create(&dry_run, &probe).await {
            Err(KubeError::Api(status)) if status.message.contains(&words) => return Ok(()),
            Err(KubeError::Api(status)) => status.message,
            Err(error) => return Err(member("try the fence")(error)),
            Ok(_) => "the probe was let through".to_owned(),
        };
        if tokio::time::Instant::now() >= deadline {
            return Err(JoinError::FenceSilent { seen });
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Asks for a token and keeps it in the hub API, unless the one that is there still does.
async fn store_token(joiner: &Joiner<'_>, refresh: bool, now: Timestamp) -> Result<Timestamp, JoinError> {
    let secrets: Api<Secret> = Api::namespaced(joiner.hub.clone(), mark::SYSTEM_NAMESPACE);
    let name = secret_name(joiner.name);
    let old = secrets
        .get_opt(&name)
        .await
        .map_err(hub("read the member's Secret"))?;
    if !refresh && let Some(expires) = old.as_ref().and_then(|old| still_good(joiner, old, now)) {
        return Ok(expires);
    }
    let token = request_token(joiner.member)
        .await
        .map_err(member("request a token for the hub"))?;
    let text = kubeconfig(joiner.name, joiner.config, &token.text);
    let body = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "labels": {mark::MANAGED_BY: mark::HANSE},
            "annotations": {ALLOW: joiner.allow.annotation()},
        },
        "type": "Opaque",
        "data": {"kubeconfig": ByteString(text.into_bytes())},
    });
    secrets
        .patch(&name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(&body))
        .await
        .map_err(hub("store the member's Secret"))?;
    Ok(token.expires)
}

/// When the token in the Secret ends, if it is for this address and lasts a while.
fn still_good(joiner: &Joiner<'_>, secret: &Secret, now: Timestamp) -> Option<Timestamp> {
    let stored: Value = serde_json::from_slice(&secret.data.as_ref()?.get("kubeconfig")?.0).ok()?;
    let token = stored.pointer("/users/0/user/token")?.as_str()?;
    let expires = TokenTimes::read(token)?.expires;
    let same = stored.to_string() == kubeconfig(joiner.name, joiner.config, token);
    (same && expires.as_second() - now.as_second() > TOKEN_KEEPS).then_some(expires)
}

/// Makes the Cluster, or adds to it what was asked for.
async fn register(joiner: &Joiner<'_>, wishes: &Wishes) -> Result<(), JoinError> {
    let clusters: Api<Cluster> = Api::all(joiner.hub.clone());
    let mut spec = json!({"connection": {"kubeconfigSecret": {
        "namespace": mark::SYSTEM_NAMESPACE, "name": secret_name(joiner.name),
    }}});
    let places = [
        ("region", &wishes.region),
        ("zone", &wishes.zone),
        ("provider", &wishes.provider),
    ];
    for (field, value) in places {
        if let Some(value) = value {
            spec[field] = json!(value);
        }
    }
    let body = json!({
        "apiVersion": "hanse.dev/v1alpha1",
        "kind": "Cluster",
        "metadata": {"name": joiner.name, "labels": wishes.labels},
        "spec": spec,
    });
    let name = joiner.name.as_str();
    let exists = clusters
        .get_metadata_opt(name)
        .await
        .map_err(hub("read the Cluster"))?
        .is_some();
    // A merge leaves alone what people changed since; an apply would take back what this call leaves out.
    let written = if exists {
        let change = json!({"metadata": {"labels": wishes.labels}, "spec": body["spec"]});
        clusters
            .patch(
                name,
                &PatchParams {
                    field_manager: Some(MANAGER.to_owned()),
                    ..PatchParams::default()
                },
                &Patch::Merge(&change),
            )
            .await
    } else {
        clusters
            .patch(name, &PatchParams::apply(MANAGER), &Patch::Apply(&body))
            .await
    };
    written.map(drop).map_err(hub("register the Cluster"))
}
