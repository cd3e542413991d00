//! The command lines of the programs: every flag that matters, and why.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::certificates::{Authority, signing_key, write};
use super::programs::Programs;
use super::{Error, ports};

/// What a control plane is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Templates rest here: their controllers must not act.
    Hub,
    /// An ordinary cluster with nodes.
    Member,
}

/// Everything that is settled before the first program of a control plane starts.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) name: String,
    pub(super) role: Role,
    /// Unique in the fleet: service CIDR, node-port range and pod CIDR follow from it.
    pub(super) index: u8,
    pub(super) folder: PathBuf,
    pub(super) port: u16,
    pub(super) kubeconfig: PathBuf,
    pub(super) audit_log: Option<PathBuf>,
    authority: PathBuf,
    kubelet_port: u16,
    programs: Programs,
}

/// The only controllers that run on a hub API: namespaces end, garbage is collected, quota counted, service
/// accounts and aggregated roles filled. A Deployment there stays a template.
const HUB_CONTROLLERS: &str = "namespace-controller,garbage-collector-controller,resourcequota-controller,\
     serviceaccount-controller,serviceaccount-token-controller,root-ca-certificate-publisher-controller,\
     clusterrole-aggregation-controller";

/// Where members stand, in turn. The zones of a region are `REGION-a`, `-b` and `-c`.
pub(super) const REGIONS: [&str; 3] = ["eu-west", "us-east", "ap-south"];

/// Of requests that change nothing, nothing is kept.
const AUDIT_POLICY: &str = "apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: Metadata, verbs: [create, update, patch, delete, deletecollection]}
- {level: None}
";

impl Plan {
    /// Chooses ports and writes certificates, keys and kubeconfigs into `folder`, which is made.
    pub(super) fn make(
        programs: &Programs,
        role: Role,
        index: u8,
        name: &str,
        folder: &Path,
        audited: bool,
    ) -> Result<Self, Error> {
        let folder = folder.join(name);
        std::fs::create_dir_all(&folder).map_err(|source| Error::File {
            path: folder.clone(),
            source,
        })?;
        let authority = Authority::new(name)?;
        let plan = Self {
            name: name.to_owned(),
            role,
            index,
            port: ports::free()?,
            kubelet_port: ports::free()?,
            kubeconfig: folder.join("admin.kubeconfig"),
            authority: write(folder.join("authority.crt"), &authority.certificate)?,
            audit_log: audited.then(|| folder.join("audit.log")),
            programs: programs.clone(),
            folder,
        };
        authority
            .server("kube-apiserver")?
            .write(&plan.folder, "server")?;
        authority.server("kwok")?.write(&plan.folder, "kubelet-server")?;
        authority
            .client("kube-apiserver", Some("system:masters"))?
            .write(&plan.folder, "kubelet-client")?;
        let key = signing_key()?;
        write(plan.folder.join("service-account.key"), &key.serialize_pem())?;
        write(plan.folder.join("service-account.pub"), &key.public_key_pem())?;
        write(plan.folder.join("audit-policy.yaml"), AUDIT_POLICY)?;
        write(plan.folder.join("kwok.yaml"), include_str!("stages.yaml"))?;
        for (name, group) in [
            ("admin", Some("system:masters")),
            ("system:kube-controller-manager", None),
            ("system:kube-scheduler", None),
            ("kwok", Some("system:masters")),
        ] {
            let file = plan.kubeconfig_of(name);
            let identity = authority.client(name, group)?;
            let text = kubeconfig(&plan.name, &plan.url(), name, &authority.certificate, &identity);
            write(file, &text)?;
        }
        Ok(plan)
    }

    pub(super) fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    pub(super) fn region(&self) -> &'static str {
        REGIONS[usize::from(self.index.saturating_sub(1)) % REGIONS.len()]
    }

    pub(super) fn service_cidr(&self) -> String {
        format!("10.{}.0.0/16", 100 + self.index)
    }

    /// First and last node port.
    pub(super) fn node_ports(&self) -> (u16, u16) {
        let first = 30_000 + 200 * u16::from(self.index);
        (first, first + 199)
    }

    fn kubeconfig_of(&self, user: &str) -> PathBuf {
        self.folder
            .join(format!("{}.kubeconfig", user.trim_start_matches("system:")))
    }

    pub(super) fn api_server(&self, etcd: &str) -> Command {
        let file = |name: &str| self.folder.join(name).display().to_string();
        let (first, last) = self.node_ports();
        let mut command = self.programs.command("kube-apiserver");
        command.args([
            format!("--etcd-servers={etcd}"),
            format!("--etcd-prefix=/{}", self.name),
            format!("--secure-port={}", self.port),
            "--bind-address=127.0.0.1".to_owned(),
            "--advertise-address=127.0.0.1".to_owned(),
            // The Service `kubernetes` gets no endpoint: a loopback address is not a valid one.
            "--endpoint-reconciler-type=none".to_owned(),
            format!("--tls-cert-file={}", file("server.crt")),
            format!("--tls-private-key-file={}", file("server.key")),
            format!("--client-ca-file={}", file("authority.crt")),
            format!("--kubelet-client-certificate={}", file("kubelet-client.crt")),
            format!("--kubelet-client-key={}", file("kubelet-client.key")),
            "--kubelet-preferred-address-types=InternalIP".to_owned(),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-key-file={}", file("service-account.pub")),
            format!(
                "--service-account-signing-key-file={}",
                file("service-account.key")
            ),
            format!("--service-cluster-ip-range={}", self.service_cidr()),
            format!("--service-node-port-range={first}-{last}"),
            "--authorization-mode=RBAC".to_owned(),
            // Else the server itself refuses privileged pods, and hides whether the fence does.
            "--allow-privileged=true".to_owned(),
            // On 2 CPUs the defaults would throttle a burst before the CPU does.
            "--max-requests-inflight=2000".to_owned(),
            "--max-mutating-requests-inflight=1000".to_owned(),
        ]);
        if let Some(log) = &self.audit_log {
            command.arg(format!("--audit-policy-file={}", file("audit-policy.yaml")));
            command.arg(format!("--audit-log-path={}", log.display()));
        }
        command
    }

    pub(super) fn controller_manager(&self) -> Command {
        let mut command = self.programs.command("kube-controller-manager");
        let kubeconfig = self.kubeconfig_of("kube-controller-manager");
        let controllers = match self.role {
            Role::Hub => HUB_CONTROLLERS,
            Role::Member => "*",
        };
        command.args([
            format!("--kubeconfig={}", kubeconfig.display()),
            format!("--controllers={controllers}"),
            // One identity per controller, as on a cluster made by kubeadm: admission policies see real names.
            "--use-service-account-credentials=true".to_owned(),
            format!("--root-ca-file={}", self.authority.display()),
            format!(
                "--service-account-private-key-file={}",
                self.folder.join("service-account.key").display()
            ),
            "--leader-elect=false".to_owned(),
            "--secure-port=0".to_owned(),
            "--kube-api-qps=300".to_owned(),
            "--kube-api-burst=600".to_owned(),
        ]);
        command
    }

    pub(super) fn scheduler(&self) -> Command {
        let mut command = self.programs.command("kube-scheduler");
        command.args([
            format!("--kubeconfig={}", self.kubeconfig_of("kube-scheduler").display()),
            "--leader-elect=false".to_owned(),
            "--secure-port=0".to_owned(),
            "--kube-api-qps=300".to_owned(),
            "--kube-api-burst=600".to_owned(),
        ]);
        command
    }

    /// kwok plays only the nodes labelled `type=kwok`: playing all would play the hub's virtual nodes too, and hide
    /// every bug of theirs.
    pub(super) fn kwok(&self) -> Command {
        let file = |name: &str| self.folder.join(name).display().to_string();
        let mut command = self.programs.command("kwok");
        command.args([
            format!("--kubeconfig={}", self.kubeconfig_of("kwok").display()),
            format!("--config={}", file("kwok.yaml")),
            "--manage-nodes-with-label-selector=type=kwok".to_owned(),
            "--node-ip=127.0.0.1".to_owned(),
            "--node-lease-duration-seconds=40".to_owned(),
            format!("--cidr=10.{}.0.0/16", self.index),
            format!("--node-port={}", self.kubelet_port),
            format!("--server-address=127.0.0.1:{}", self.kubelet_port),
            format!("--tls-cert-file={}", file("kubelet-server.crt")),
            format!("--tls-private-key-file={}", file("kubelet-server.key")),
        ]);
        command
    }
}

fn kubeconfig(
    cluster: &str,
    url: &str,
    user: &str,
    authority: &str,
    identity: &super::certificates::Identity,
) -> String {
    use base64::prelude::{BASE64_STANDARD, Engine};
    let encode = |pem: &str| BASE64_STANDARD.encode(pem);
    format!(
        "apiVersion: v1
kind: Config
current-context: {cluster}
clusters:
- name: {cluster}
  cluster:
    server: {url}
    certificate-authority-data: {}
users:
- name: {user}
  user:
    client-certificate-data: {}
    client-key-data: {}
contexts:
- name: {cluster}
  context: {{cluster: {cluster}, user: '{user}'}}
",
        encode(authority),
        encode(&identity.certificate),
        encode(&identity.key),
    )
}

/// The one store behind all control planes of a fleet.
pub(super) fn etcd(programs: &Programs, data: &Path, clients: u16, peers: u16) -> Command {
    let mut command = programs.command("etcd");
    command.args([
        format!("--data-dir={}", data.display()),
        format!("--listen-client-urls=http://127.0.0.1:{clients}"),
        format!("--advertise-client-urls=http://127.0.0.1:{clients}"),
        format!("--listen-peer-urls=http://127.0.0.1:{peers}"),
        format!("--initial-advertise-peer-urls=http://127.0.0.1:{peers}"),
        format!("--initial-cluster=default=http://127.0.0.1:{peers}"),
        "--log-level=warn".to_owned(),
        // Nothing here outlives the fleet.
        "--unsafe-no-fsync".to_owned(),
    ]);
    command
}
