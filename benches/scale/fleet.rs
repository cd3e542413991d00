//! The fleet: control planes of the sandbox that listen, and a hub that serves them as the account it is given.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt, stream};
use hanse::sandbox::{Cluster, Listening, Options, Write};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::Failed;
use crate::harness::{HubCommand, HubProcess};

/// Members that join at one time.
const AT_ONCE: usize = 4;
const READY_WITHIN: Duration = Duration::from_mins(3);
/// Namespaces of one tenant, each of one member.
const OF_A_TENANT: usize = 10;

pub(crate) struct Large {
    // In this order they end.
    pub(crate) serve: HubProcess,
    pub(crate) members: Vec<Cluster>,
    pub(crate) hub: Cluster,
    _listening: Vec<Listening>,
    _folder: TempDir,
}

impl Large {
    pub(crate) async fn start(members: u8) -> Result<Self, Failed> {
        let started = Instant::now();
        let folder = tempfile::tempdir()?;
        let mut listening = Vec::new();
        let mut begin = async |mut options: Options| -> Result<(Cluster, PathBuf), Failed> {
            options.nodes = options.nodes.min(1);
            let cluster = Cluster::start(&options);
            let at = cluster.listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
            let path = folder.path().join(format!("{}.kubeconfig", options.name));
            std::fs::write(&path, at.kubeconfig())?;
            listening.push(at);
            Ok((cluster, path))
        };
        let (hub, administrator) = begin(Options::hub()).await?;
        let mut there = Vec::new();
        for number in 1..=members {
            there.push(begin(Options::member(number)).await?);
        }
        let binary = std::env::var_os("HANSE_BENCH_HUB").unwrap_or_else(|| env!("CARGO_BIN_EXE_hub").into());
        let command = HubCommand::new(binary).against(&administrator);
        command.run(&["install"]).await?.done("hub install")?;
        let own = folder.path().join("hub-api.kubeconfig");
        std::fs::write(
            &own,
            own_kubeconfig(&hub, &std::fs::read_to_string(&administrator)?).await?,
        )?;
        let serve = command
            .against(&own)
            .serve("hub-serve", folder.path(), &[])
            .await?;
        stream::iter(&there)
            .map(async |(member, kubeconfig)| -> Result<(), Failed> {
                let kubeconfig = kubeconfig.to_string_lossy();
                let arguments = ["join", member.name(), "--member-kubeconfig", &kubeconfig];
                command.run(&arguments).await?.done("hub join")?;
                Ok(())
            })
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await?;
        let large = Self {
            serve,
            members: there.into_iter().map(|(member, _)| member).collect(),
            hub,
            _listening: listening,
            _folder: folder,
        };
        large.all_ready().await?;
        large.furnish().await?;
        eprintln!(
            "{members} members joined and Ready after {:.1?}",
            started.elapsed()
        );
        Ok(large)
    }

    async fn all_ready(&self) -> Result<(), Failed> {
        let started = Instant::now();
        loop {
            let clusters = self.clusters().list(&ListParams::default()).await?.items;
            let ready = clusters.iter().filter(|cluster| is_ready(cluster)).count();
            if ready == self.members.len() {
                return Ok(());
            }
            if started.elapsed() > READY_WITHIN {
                return Err(format!("{ready} members are Ready\n{}", self.serve.last_words()).into());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    pub(crate) fn clusters(&self) -> Api<DynamicObject> {
        Api::all_with(self.hub.unfaulted(), &kind("Cluster"))
    }

    /// A namespace for each member, whose templates go there alone, and one whose templates go everywhere.
    async fn furnish(&self) -> Result<(), Failed> {
        let client = self.hub.unfaulted();
        let mut namespaces: Vec<String> = self.members.iter().map(namespace_of).collect();
        namespaces.push("everywhere".to_owned());
        for (number, namespaces) in namespaces.chunks(OF_A_TENANT).enumerate() {
            let name = format!("tenant-{number}");
            let tenant = json!({
                "apiVersion": "hanse.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": name},
                "spec": {"owners": [{"kind": "User", "name": "ana"}], "namespaces": namespaces},
            });
            apply(&client, None, &tenant).await?;
        }
        for member in &self.members {
            let placement = json!({"terms": [{"clusters": {"names": [member.name()]}}]});
            apply(&client, Some(&namespace_of(member)), &policy("there", &placement)).await?;
        }
        apply(&client, Some("everywhere"), &policy("everywhere", &json!({}))).await
    }

    /// Every write of the hub since counts were taken, but Leases, and tokens.
    pub(crate) fn writes_since(&self, counts: &[usize]) -> Vec<(String, Write)> {
        let mut written = Vec::new();
        for (cluster, count) in self.all().zip(counts) {
            let writes = cluster.writes_since(*count).into_iter().filter(counts_as_write);
            written.extend(writes.map(|write| (cluster.name().to_owned(), write)));
        }
        written
    }

    /// How much was written to each cluster.
    pub(crate) fn counts(&self) -> Vec<usize> {
        self.all().map(Cluster::written).collect()
    }

    fn all(&self) -> impl Iterator<Item = &Cluster> {
        std::iter::once(&self.hub).chain(&self.members)
    }

    /// Waits until the hub takes no more CPU than at rest and writes nothing; when it last did is returned.
    pub(crate) async fn quiet(&self, within: Duration) -> Result<Instant, Failed> {
        const LOOK: Duration = Duration::from_millis(500);
        const STILL: u32 = 6;
        let started = Instant::now();
        let (mut since, mut still) = (Instant::now(), 0);
        let (mut cpu, mut counts) = (self.serve.usage().cpu, self.counts());
        while still < STILL {
            tokio::time::sleep(LOOK).await;
            let now = self.serve.usage().cpu;
            // At rest it probes its members, and renews its Lease.
            let is_busy = now.saturating_sub(cpu) > LOOK / 4 || !self.writes_since(&counts).is_empty();
            (cpu, counts) = (now, self.counts());
            if is_busy {
                (since, still) = (Instant::now(), 0);
            } else {
                still += 1;
            }
            if started.elapsed() > within {
                return Err(format!("the hub is busy after {within:?}\n{}", self.serve.last_words()).into());
            }
        }
        Ok(since)
    }
}

pub(crate) fn namespace_of(member: &Cluster) -> String {
    format!("for-{}", member.name())
}

pub(crate) fn is_ready(cluster: &DynamicObject) -> bool {
    let conditions = cluster.data["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

fn counts_as_write(write: &Write) -> bool {
    write.user.starts_with("system:serviceaccount:hanse-system:")
        && write.resource != "leases"
        && write.subresource.as_deref() != Some("token")
}

fn kind(of: &str) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("hanse.dev", "v1alpha1", of))
}

fn policy(name: &str, placement: &Value) -> Value {
    json!({
        "apiVersion": "hanse.dev/v1alpha1", "kind": "PropagationPolicy", "metadata": {"name": name},
        "spec": {
            "resourceSelectors": [{"apiVersion": "v1", "kind": "ConfigMap"}, {"apiVersion": "apps/v1", "kind": "Deployment"}],
            "placement": placement,
        },
    })
}

/// Again and again for a while: the hub makes the tenants' namespaces a moment later.
async fn apply(client: &Client, namespace: Option<&str>, object: &Value) -> Result<(), Failed> {
    let of = kind(object["kind"].as_str().unwrap_or_default());
    let objects: Api<DynamicObject> = match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &of),
        None => Api::all_with(client.clone(), &of),
    };
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let started = Instant::now();
    while let Err(error) = objects
        .patch(name, &PatchParams::apply("bench"), &Patch::Apply(object))
        .await
    {
        if started.elapsed() > Duration::from_secs(30) {
            return Err(error.into());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// The administrator's, with a token of the account that `hub install` made for the hub.
async fn own_kubeconfig(hub: &Cluster, administrators: &str) -> Result<String, Failed> {
    let accounts: Api<ServiceAccount> = Api::namespaced(hub.unfaulted(), "hanse-system");
    let request = TokenRequest {
        spec: Some(TokenRequestSpec {
            expiration_seconds: Some(24 * 3600),
            ..TokenRequestSpec::default()
        }),
        ..TokenRequest::default()
    };
    let answer = accounts
        .create_token_request("hub-api", &PostParams::default(), &request)
        .await?;
    let token = answer.status.ok_or("no token for the hub")?.token;
    let mut kubeconfig: Value = serde_saphyr::from_str(administrators)?;
    kubeconfig["users"][0]["user"] = json!({"token": token});
    Ok(kubeconfig.to_string())
}
