//! Registering a member, with its owner's credential, once.
//!
//! ```text
//! is it ours? has it ended? ─► namespaces ─► claim ─► fence ─► fence stands? ─► roles, identity ─► rights ─► token ─► Secret, Cluster
//!  (nothing written)                                                              └ nothing is granted before
//! ```
//!
//! Every step can be repeated. When one fails, what was made stays, and joining again goes on from there.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::{
    Api, Client, Config, Error as KubeError,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;

use super::{
    Allow, JoinError, ending,
    footprint::{JOIN_VERSION, MANAGER, Part, describe, put},
    grant::{secret_name, store_token},
    join_error::{hub, member},
    ownership::{Claiming, check_name, claimed_by_other, identity, read_claim, write_claim},
};
use crate::model::{api::Cluster, clock::Timestamp, mark, name::ClusterName};

/// The oldest Kubernetes with admission policies in `v1`, without which there is no fence.
const OLDEST_MINOR: u32 = 30;
/// How long the fence may take to be seen; it stood after 14 ms wherever it was measured.
const FENCE_PATIENCE: Duration = Duration::from_secs(30);

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
    ending::cluster(joiner.hub, joiner.name, &mut report).await?;
    ending::namespaces(joiner.member, &mut report).await?;
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
