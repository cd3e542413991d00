//! A control plane in this process: the same to a test, but that it starts at once and can be told to fail.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

pub(super) use hanse::sandbox::Options as SandboxOptions;
use hanse::sandbox::{Cluster, Faults, Listening, NodeSize as SandboxNodeSize, Play, Rule};

use super::commands::REGIONS;
use super::{Error, FleetOptions, Write};

/// A cluster of the sandbox that listens on loopback.
pub(super) struct Sandboxed {
    cluster: Cluster,
    listening: Listening,
}

impl Sandboxed {
    pub(super) async fn start(options: &SandboxOptions) -> Result<Self, Error> {
        let cluster = Cluster::start(options);
        cluster.levers().kubelet(|script| script.rules = told());
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listening = cluster.listen(address).await.map_err(|source| Error::Sandbox {
            name: options.name.clone(),
            source,
        })?;
        Ok(Self { cluster, listening })
    }

    pub(super) fn url(&self) -> String {
        self.listening.url()
    }

    pub(super) fn kubeconfig(&self) -> &str {
        self.listening.kubeconfig()
    }

    pub(super) fn faults(&self) -> &Faults {
        self.cluster.faults()
    }

    pub(super) fn writes(&self) -> Vec<Write> {
        self.cluster.writes().into_iter().map(Write::from).collect()
    }
}

/// What a test can ask of a pod by annotation, as in `stages.yaml`.
fn told() -> Vec<Rule> {
    let asked = |annotation: &str| Rule {
        annotations: [(format!("test.hanse.dev/{annotation}"), "true".to_owned())].into(),
        ..Rule::default()
    };
    vec![
        Rule {
            play: Some(Play::NeverReady),
            ..asked("never-ready")
        },
        Rule {
            // The grace period is what ends it.
            termination: Some(Duration::MAX),
            ..asked("uses-grace")
        },
    ]
}

/// The hub API has number 0.
pub(super) fn options(number: u8, fleet: &FleetOptions) -> SandboxOptions {
    let mut options = match number {
        0 => SandboxOptions::hub(),
        number => SandboxOptions::member(number),
    };
    if number > 0 {
        options.nodes = fleet.nodes_per_member;
        REGIONS[usize::from(number - 1) % REGIONS.len()].clone_into(&mut options.region);
        options.node = SandboxNodeSize {
            cpu: fleet.node.cpu.clone(),
            memory: fleet.node.memory.clone(),
            pods: fleet.node.pods.parse().unwrap_or(u32::MAX),
        };
    }
    options
}
