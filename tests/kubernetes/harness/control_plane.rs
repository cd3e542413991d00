//! One Kubernetes control plane, hub API or member, as a test sees it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::future::try_join_all;
use k8s_openapi::api::core::v1::Node;
use kube::api::{Api, ListParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use parking_lot::Mutex;
use serde_json::json;

use super::commands::{Plan, REGIONS, Role};
use super::fleet::NodeSize;
use super::process::{Process, Signal};
use super::sandboxed::{SandboxOptions, Sandboxed};
use super::usage::Usage;
use super::wait::{NotYet, poll};
use super::{Error, Write};

/// A loaded machine takes several times the usual 4 s.
const READY_WITHIN: Duration = Duration::from_mins(2);

/// No test hangs on a silent server.
const READ_TIMEOUT: Duration = Duration::from_secs(20);

/// A control plane that runs: as programs of its own, or in this process.
pub struct ControlPlane {
    name: String,
    url: String,
    kubeconfig: PathBuf,
    region: &'static str,
    service_cidr: String,
    node_ports: (u16, u16),
    admin: Client,
    running: Running,
}

enum Running {
    Programs(Box<Programs>),
    Sandboxed(Sandboxed),
}

/// The programs of a control plane.
struct Programs {
    plan: Plan,
    etcd: String,
    admin: Client,
    api_server: Mutex<Process>,
    /// kube-controller-manager, and in a member kube-scheduler and kwok.
    others: Vec<Process>,
}

impl ControlPlane {
    /// Starts the API server, waits until it is ready, then starts the rest.
    pub(super) async fn start(plan: Plan, etcd: String) -> Result<Self, Error> {
        let api_server = Process::start(
            &format!("{} kube-apiserver", plan.name),
            &plan.api_server(&etcd),
            &log(&plan, "kube-apiserver"),
        )?;
        let admin = client(&plan.name, &plan.kubeconfig, READ_TIMEOUT).await?;
        let mut started = Programs {
            plan,
            etcd,
            admin: admin.clone(),
            api_server: Mutex::new(api_server),
            others: Vec::new(),
        };
        started.wait_until_ready().await?;
        // The controller-manager gives up on an API server that is not ready after 10 s: so it starts now.
        let plan = &started.plan;
        let other = |name: &str, command| {
            Process::start(&format!("{} {name}", plan.name), &command, &log(plan, name))
        };
        let mut others = vec![other("kube-controller-manager", plan.controller_manager())?];
        if plan.role == Role::Member {
            others.push(other("kube-scheduler", plan.scheduler())?);
            others.push(other("kwok", plan.kwok())?);
        }
        started.others = others;
        let plan = &started.plan;
        Ok(Self {
            name: plan.name.clone(),
            url: plan.url(),
            kubeconfig: plan.kubeconfig.clone(),
            region: plan.region(),
            service_cidr: plan.service_cidr(),
            node_ports: plan.node_ports(),
            admin,
            running: Running::Programs(Box::new(started)),
        })
    }

    /// Starts a control plane in this process, with its nodes; its administrator's kubeconfig goes into `folder`.
    pub(super) async fn sandboxed(options: &SandboxOptions, folder: &Path) -> Result<Self, Error> {
        let folder = folder.join(&options.name);
        let failed = |path: &Path| {
            let path = path.to_owned();
            |source| Error::File { path, source }
        };
        std::fs::create_dir_all(&folder).map_err(failed(&folder))?;
        let started = Sandboxed::start(options).await?;
        let kubeconfig = folder.join("admin.kubeconfig");
        std::fs::write(&kubeconfig, started.kubeconfig()).map_err(failed(&kubeconfig))?;
        let admin = client(&options.name, &kubeconfig, READ_TIMEOUT).await?;
        Ok(Self {
            name: options.name.clone(),
            url: started.url(),
            kubeconfig,
            region: region(&options.region),
            service_cidr: format!("{}/{}", options.services.0, options.services.1),
            node_ports: (*options.node_ports.start(), *options.node_ports.end()),
            admin,
            running: Running::Sandboxed(started),
        })
    }

    /// `hub` or `member-N`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `https://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// The administrator's kubeconfig, with its certificates inside.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The administrator's client. It gives up on a silent server after 20 s.
    pub fn admin(&self) -> Client {
        self.admin.clone()
    }

    /// The administrator's client, giving up on a silent server after `timeout`.
    pub async fn impatient_admin(&self, timeout: Duration) -> Result<Client, Error> {
        client(self.name(), self.kubeconfig(), timeout).await
    }

    /// `topology.kubernetes.io/region` of its nodes; members take turns.
    pub fn region(&self) -> &'static str {
        self.region
    }

    pub fn service_cidr(&self) -> String {
        self.service_cidr.clone()
    }

    /// First and last port that Services get.
    pub fn node_ports(&self) -> (u16, u16) {
        self.node_ports
    }

    /// Freezes the API server: connections stay open and nothing answers.
    pub fn stop(&self) -> Result<(), Error> {
        match &self.running {
            Running::Programs(programs) => programs.api_server.lock().signal(Signal::Stop),
            Running::Sandboxed(sandboxed) => {
                sandboxed.faults().freeze();
                Ok(())
            }
        }
    }

    /// Lets a frozen API server go on.
    pub fn cont(&self) -> Result<(), Error> {
        match &self.running {
            Running::Programs(programs) => programs.api_server.lock().signal(Signal::Continue),
            Running::Sandboxed(sandboxed) => {
                sandboxed.faults().thaw();
                Ok(())
            }
        }
    }

    /// Freezes its controllers, scheduler and nodes: what is written stays as it is, and nobody acts on it.
    pub fn stop_controllers(&self) -> Result<(), Error> {
        self.others().try_for_each(|other| other.signal(Signal::Stop))
    }

    /// Lets them go on.
    pub fn cont_controllers(&self) -> Result<(), Error> {
        self.others().try_for_each(|other| other.signal(Signal::Continue))
    }

    /// Kills the API server; its port is free when this returns.
    pub fn kill_api_server(&self) {
        match &self.running {
            Running::Programs(programs) => programs.api_server.lock().kill(),
            Running::Sandboxed(sandboxed) => sandboxed.faults().take_down(),
        }
    }

    /// Kills the API server if it runs, starts it again on the same port and waits until it is ready.
    pub async fn restart_api_server(&self) -> Result<(), Error> {
        match &self.running {
            Running::Programs(programs) => programs.restart_api_server().await,
            Running::Sandboxed(sandboxed) => {
                sandboxed.faults().take_down();
                sandboxed.faults().bring_up();
                Ok(())
            }
        }
    }

    /// Makes `count` nodes of one size over the zones a, b, c of its region and waits until pods can go there.
    pub(super) async fn make_nodes(&self, count: usize, size: &NodeSize) -> Result<(), Error> {
        match &self.running {
            Running::Programs(programs) => programs.make_nodes(count, size).await,
            // It began with them.
            Running::Sandboxed(_) => Ok(()),
        }
    }

    /// What the API server alone uses; nothing for one in this process.
    pub fn api_server_usage(&self) -> Usage {
        self.programs()
            .map(|programs| programs.api_server.lock().usage())
            .unwrap_or_default()
    }

    /// What all its programs use.
    pub fn usage(&self) -> Usage {
        self.api_server_usage() + self.others().map(Process::usage).sum()
    }

    /// The API server's process, which changes with a restart; none in the sandbox.
    pub fn api_server_pid(&self) -> Option<u32> {
        self.programs().map(|programs| programs.api_server.lock().pid())
    }

    pub(super) fn pids(&self) -> Vec<u32> {
        let Some(programs) = self.programs() else {
            return Vec::new();
        };
        let others = programs.others.iter().map(Process::pid);
        self.api_server_pid().into_iter().chain(others).collect()
    }

    /// Every write so far that the API server accepted or refused, oldest first; empty unless the fleet is audited.
    /// Compare two readings to prove that nothing was written in between.
    pub fn writes(&self) -> Vec<Write> {
        match &self.running {
            Running::Programs(programs) => programs
                .plan
                .audit_log
                .as_deref()
                .map(Write::read_all)
                .unwrap_or_default(),
            Running::Sandboxed(sandboxed) => sandboxed.writes(),
        }
    }

    fn others(&self) -> impl Iterator<Item = &Process> {
        self.programs().into_iter().flat_map(|programs| &programs.others)
    }

    fn programs(&self) -> Option<&Programs> {
        match &self.running {
            Running::Programs(programs) => Some(programs),
            Running::Sandboxed(_) => None,
        }
    }
}

impl Programs {
    async fn restart_api_server(&self) -> Result<(), Error> {
        {
            let mut running = self.api_server.lock();
            running.kill();
            let name = running.name().to_owned();
            *running = Process::start(&name, &self.plan.api_server(&self.etcd), running.log())?;
        }
        self.wait_until_ready().await
    }

    async fn wait_until_ready(&self) -> Result<(), Error> {
        let look = async || {
            let request = http::Request::get("/readyz")
                .body(Vec::new())
                .map_err(NotYet::from)?;
            match self.admin.request_text(request).await {
                Ok(_) => Ok(Ok(())),
                // A server that has ended will not become ready: that is an answer too.
                Err(seen) => self
                    .api_server
                    .lock()
                    .must_run()
                    .map_or_else(|ended| Ok(Err(ended)), |()| Err(seen.into())),
            }
        };
        let answer = poll(READY_WITHIN, look).await;
        answer.unwrap_or_else(|last| Err(self.api_server.lock().not_ready(READY_WITHIN, last)))
    }

    async fn make_nodes(&self, count: usize, size: &NodeSize) -> Result<(), Error> {
        let nodes: Api<Node> = Api::all(self.admin.clone());
        let failed = |source| Error::Api {
            name: self.plan.name.clone(),
            source: Box::new(source),
        };
        let parameters = PostParams::default();
        let made: Vec<Node> = (1..=count).map(|number| self.node(number, size)).collect();
        try_join_all(made.iter().map(|node| nodes.create(&parameters, node)))
            .await
            .map_err(failed)?;
        let look = async || {
            let all = nodes.list(&ListParams::default()).await?;
            let waiting: Vec<_> = all
                .iter()
                .filter(|node| !is_ready(node))
                .filter_map(|n| n.metadata.name.clone())
                .collect();
            if waiting.is_empty() {
                Ok(())
            } else {
                Err(NotYet(format!("not ready: {}", waiting.join(", "))))
            }
        };
        poll(READY_WITHIN, look)
            .await
            .map_err(|last| match self.others.last() {
                Some(kwok) => kwok.not_ready(READY_WITHIN, last),
                None => self.api_server.lock().not_ready(READY_WITHIN, last),
            })
    }

    fn node(&self, number: usize, size: &NodeSize) -> Node {
        let name = format!("{}-node-{number}", self.plan.name);
        let region = self.plan.region();
        let zone = ["a", "b", "c"][(number - 1) % 3];
        let amounts =
            json!({"cpu": size.cpu, "memory": size.memory, "pods": size.pods, "ephemeral-storage": "100Gi"});
        let node = json!({
            "metadata": {
                "name": name,
                "labels": {
                    "type": "kwok",
                    "kubernetes.io/hostname": name,
                    "kubernetes.io/os": "linux",
                    "kubernetes.io/arch": "amd64",
                    "topology.kubernetes.io/region": region,
                    "topology.kubernetes.io/zone": format!("{region}-{zone}"),
                },
            },
            "status": {
                "capacity": amounts,
                "allocatable": amounts,
                "nodeInfo": {
                    "kubeletVersion": "v1.37.2", "kubeProxyVersion": "", "operatingSystem": "linux", "architecture": "amd64",
                    "containerRuntimeVersion": "kwok", "kernelVersion": "kwok", "osImage": "kwok",
                    "machineID": "", "systemUUID": "", "bootID": "",
                },
            },
        });
        serde_json::from_value(node).unwrap_or_default()
    }
}

/// Ready, and free of the taints with which a node begins.
fn is_ready(node: &Node) -> bool {
    let ready = |status: &k8s_openapi::api::core::v1::NodeStatus| {
        let conditions = status.conditions.as_deref().unwrap_or_default();
        conditions
            .iter()
            .any(|condition| condition.type_ == "Ready" && condition.status == "True")
    };
    let tainted = node
        .spec
        .as_ref()
        .and_then(|spec| spec.taints.as_ref())
        .is_some_and(|taints| !taints.is_empty());
    node.status.as_ref().is_some_and(ready) && !tainted
}

/// One of the regions that members have.
fn region(name: &str) -> &'static str {
    REGIONS
        .into_iter()
        .find(|region| *region == name)
        .unwrap_or_default()
}

fn log(plan: &Plan, program: &str) -> std::path::PathBuf {
    plan.folder.join(format!("{program}.log"))
}

/// The tests' own client: of the hub's it shares nothing, so that it can judge it.
#[allow(clippy::disallowed_methods, reason = "the tests' client is not the hub's")]
async fn client(name: &str, kubeconfig: &Path, read_timeout: Duration) -> Result<Client, Error> {
    let failed = |source| Error::Kubeconfig {
        name: name.to_owned(),
        source,
    };
    let file = Kubeconfig::read_from(kubeconfig).map_err(|error| failed(error.into()))?;
    let options = KubeConfigOptions::default();
    let mut config = Config::from_custom_kubeconfig(file, &options)
        .await
        .map_err(|error| failed(error.into()))?;
    config.connect_timeout = Some(read_timeout.min(Duration::from_secs(5)));
    config.read_timeout = Some(read_timeout);
    config.default_retry = false;
    Client::try_from(config).map_err(|error| failed(error.into()))
}
