//! What every pass stands on: a fleet, a hub that serves with its own least-privilege identity, a tenant.

use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::{Value, json};

use crate::board::Board;
use crate::harness::{Federation, Fleet, FleetOptions, HubCommand, NodeSize, Usage, Write};
use crate::{Failed, Scale};

/// The tenant, and its namespace.
pub(crate) const NAMESPACE: &str = "bench";
/// Who owns the tenant: he creates the templates.
const OWNER: &str = "ana";
/// Who the hub is at the hub API, by the manifests that `hub install` applies.
const HUB_ACCOUNT: &str = "hub-api";
/// Watches here may be silent for minutes.
const PATIENCE: Duration = Duration::from_mins(30);

/// The field manager of the floor.
pub(crate) const FLOOR: &str = "floor";

const POLICIES: &str = "apiVersion: hanse.dev/v1alpha1
kind: Tenant
metadata: {name: bench}
spec:
  owners: [{kind: User, name: ana}]
  namespaces: [bench]
---
apiVersion: hanse.dev/v1alpha1
kind: PropagationPolicy
metadata: {name: everywhere, namespace: bench}
spec:
  resourceSelectors: [{apiVersion: apps/v1, kind: Deployment}]
";

/// What the members do with a Deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    /// It is paused and has no deadline: its controller says once that it has seen it, and does nothing else. The
    /// members' controllers stand still until all of a burst is there, for what they do costs the CPUs that hub and
    /// API servers share with them more than the burst itself does.
    Paused,
    /// It runs: a `ReplicaSet`, a pod, a scheduler's choice and a kubelet's play for each.
    Running,
}

/// Everything that stands.
pub(crate) struct Ground {
    // In this order they end.
    pub(crate) board: Board,
    pub(crate) federation: Federation,
    pub(crate) fleet: Fleet,
    /// Where the tenant's owner writes templates.
    pub(crate) templates: Api<Deployment>,
    /// Per member, where the floor writes: as the tenant, like the hub.
    pub(crate) floors: Vec<Api<Deployment>>,
    /// Administrators of every member, then of the hub: who watches, and who tidies up.
    admins: Vec<Client>,
    folder: PathBuf,
}

impl Ground {
    /// Starts all of it and sends one Deployment through, so that nothing is measured cold.
    pub(crate) async fn prepare(scale: Scale, audited: bool) -> Result<Self, Failed> {
        // Every member holds a whole burst, and somewhat more.
        let pods = u32::try_from(scale.burst / 3 + 50)?.max(250);
        let options = FleetOptions {
            node: NodeSize::new("64", "256Gi", pods),
            // Writes are counted by who wrote them, which only the audit log tells.
            audited,
            members: scale.members,
            ..FleetOptions::default()
        };
        let fleet = Fleet::start(options).await?;
        let federation = federate(&fleet).await?;
        let policies = fleet.folder().join("bench.yaml");
        std::fs::write(&policies, POLICIES)?;
        let arguments = ["apply", "-f", &policies.to_string_lossy(), "--timeout", "2m"];
        federation.hub.run(&arguments).await?.done("hub apply")?;

        let templates = Api::namespaced(client(fleet.hub().kubeconfig(), Some(OWNER)).await?, NAMESPACE);
        let tenant = format!("system:serviceaccount:hanse-tenants:{NAMESPACE}");
        let (mut floors, mut admins) = (Vec::new(), Vec::new());
        for member in fleet.members() {
            floors.push(Api::namespaced(
                client(member.kubeconfig(), Some(&tenant)).await?,
                NAMESPACE,
            ));
            admins.push(client(member.kubeconfig(), None).await?);
        }
        admins.push(client(fleet.hub().kubeconfig(), None).await?);
        let folder = fleet.folder().to_owned();
        let mut ground = Self {
            board: Board::follow(admins.clone(), NAMESPACE),
            federation,
            fleet,
            templates,
            floors,
            admins,
            folder,
        };
        ground.warm_up().await?;
        Ok(ground)
    }

    /// Freezes, or lets go on, what acts in the members by itself.
    pub(crate) fn hold_controllers(&self, still: bool) -> Result<(), Failed> {
        for member in self.fleet.members() {
            if still {
                member.stop_controllers()?;
            } else {
                member.cont_controllers()?;
            }
        }
        Ok(())
    }

    async fn warm_up(&mut self) -> Result<(), Failed> {
        let names = ["warm".to_owned()];
        let mut tries = 0;
        // The owner's rights follow the Tenant a moment later.
        while let Err(error) = self.create("warm", Load::Running).await {
            tries += 1;
            if tries > 100 {
                return Err(error);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let back = self
            .board
            .wait(&names, Duration::from_mins(2), "the first Deployment", |seen| {
                seen.back.is_some()
            });
        back.await
            .map_err(|error| format!("{error}; the hub's last words:\n{}", self.last_words()))?;
        let apply = kube::api::PatchParams::apply(FLOOR);
        for floor in &self.floors {
            let body = kube::api::Patch::Apply(deployment("warm-floor", Load::Running));
            floor.patch("warm-floor", &apply, &body).await?;
        }
        self.clear().await
    }

    /// Creates one template, as the tenant's owner.
    pub(crate) async fn create(&self, name: &str, load: Load) -> Result<(), Failed> {
        let body: Deployment = serde_json::from_value(deployment(name, load))?;
        self.templates.create(&PostParams::default(), &body).await?;
        Ok(())
    }

    /// Takes every Deployment away, everywhere, and waits until nothing of them is left.
    pub(crate) async fn clear(&mut self) -> Result<(), Failed> {
        let (delete, all) = (DeleteParams::background(), ListParams::default());
        for (plane, admin) in self.admins.iter().enumerate() {
            let deployments: Api<Deployment> = Api::namespaced(admin.clone(), NAMESPACE);
            let of_the_bench = if plane == self.floors.len() {
                all.clone()
            } else {
                all.clone().labels("bench=floor")
            };
            deployments.delete_collection(&delete, &of_the_bench).await?;
        }
        self.board.wait_until_empty(Duration::from_mins(3)).await?;
        for admin in &self.admins {
            let pods: Api<Pod> = Api::namespaced(admin.clone(), NAMESPACE);
            let mut tries = 0;
            while !pods.list_metadata(&all.clone().limit(1)).await?.items.is_empty() {
                tries += 1;
                if tries > 1800 {
                    return Err("pods of a burst do not end".into());
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        self.quiet().await
    }

    /// Waits until neither the fleet nor the hub do anything worth mentioning; a minute at most.
    pub(crate) async fn quiet(&self) -> Result<(), Failed> {
        for _ in 0..60 {
            let before = self.usage();
            tokio::time::sleep(Duration::from_secs(1)).await;
            if (self.usage() - before).cpu_seconds() < 0.35 {
                return Ok(());
            }
        }
        eprintln!("the fleet did not become quiet within a minute");
        Ok(())
    }

    /// Of the fleet and the hub together.
    pub(crate) fn usage(&self) -> Usage {
        self.fleet.usage() + self.federation.serve.usage()
    }

    /// What the hub has written to the hub API so far, but for its Lease.
    pub(crate) fn hub_writes(&self) -> Vec<Write> {
        let hub = format!("system:serviceaccount:hanse-system:{HUB_ACCOUNT}");
        let mut writes = self.fleet.hub().writes();
        writes.retain(|write| write.user == hub && write.resource != "leases");
        writes
    }

    /// What the hub has written to members so far.
    pub(crate) fn member_writes(&self) -> usize {
        let by_hub = |write: &Write| write.user == "system:serviceaccount:hanse-system:hub";
        let members = self.fleet.members().iter();
        members
            .map(|member| member.writes().into_iter().filter(by_hub).count())
            .sum()
    }

    pub(crate) fn last_words(&self) -> String {
        let log = std::fs::read_to_string(self.folder.join("hub-serve.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

/// As a user does it, but that the hub serves with the identity that the manifests give it.
async fn federate(fleet: &Fleet) -> Result<Federation, Failed> {
    let binary = std::env::var_os("HANSE_BENCH_HUB").unwrap_or_else(|| env!("CARGO_BIN_EXE_hub").into());
    let hub = HubCommand::new(binary).against(fleet.hub().kubeconfig());
    hub.run(&["install"]).await?.done("hub install")?;
    let own = hub.against(&kubeconfig_of_the_hub(fleet).await?);
    let serve = own.serve("hub-serve", fleet.folder(), &[]).await?;
    let federation = Federation { hub, serve };
    for member in fleet.members() {
        federation.join(member).await?;
    }
    federation.wait_until_all_are_ready(fleet).await?;
    Ok(federation)
}

async fn kubeconfig_of_the_hub(fleet: &Fleet) -> Result<PathBuf, Failed> {
    let accounts: Api<ServiceAccount> = Api::namespaced(fleet.hub().admin(), "hanse-system");
    let request = TokenRequest {
        spec: Some(TokenRequestSpec {
            expiration_seconds: Some(24 * 3600),
            ..TokenRequestSpec::default()
        }),
        ..TokenRequest::default()
    };
    let answer = accounts
        .create_token_request(HUB_ACCOUNT, &PostParams::default(), &request)
        .await?;
    let token = answer
        .status
        .ok_or("the hub API gave no token for the hub")?
        .token;
    let text = std::fs::read_to_string(fleet.hub().kubeconfig())?;
    let mut kubeconfig: Value = serde_saphyr::from_str(&text)?;
    kubeconfig["users"][0]["user"] = json!({"token": token});
    let path = fleet.folder().join("hub-api.kubeconfig");
    std::fs::write(&path, kubeconfig.to_string())?;
    Ok(path)
}

/// The administrator's client, or that of somebody whom he impersonates.
#[allow(
    clippy::disallowed_methods,
    reason = "the bench's client is not the hub's, and outlasts silence"
)]
async fn client(kubeconfig: &Path, who: Option<&str>) -> Result<Client, Failed> {
    let file = Kubeconfig::read_from(kubeconfig)?;
    let mut config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
    config.auth_info.impersonate = who.map(str::to_owned);
    config.read_timeout = Some(PATIENCE);
    config.default_retry = false;
    Ok(Client::try_from(config)?)
}

/// An ordinary small Deployment. Names of the floor begin with its own.
pub(crate) fn deployment(name: &str, load: Load) -> Value {
    let mut deployment = running(name);
    if load == Load::Paused {
        deployment["spec"]["paused"] = true.into();
        // No deadline; else the controller would write a condition about it first.
        deployment["spec"]["progressDeadlineSeconds"] = i32::MAX.into();
    }
    deployment
}

fn running(name: &str) -> Value {
    let labels = json!({"app": name, "bench": if name.contains(FLOOR) { FLOOR } else { "hub" }});
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "containers": [{
                        "name": "app",
                        "image": "registry.k8s.io/pause:3.10",
                        "ports": [{"name": "http", "containerPort": 8080}],
                        "env": [{"name": "LOG_LEVEL", "value": "info"}],
                        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
                    }],
                },
            },
        },
    })
}
