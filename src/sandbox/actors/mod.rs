//! Who acts in a cluster: controllers, a scheduler, the kubelets of its nodes.
//!
//! ```text
//! deployments ─► replicasets ─► scheduler ─► kubelet        namespaces, garbage, accounts, root_ca, volumes, autoscalers
//!   ReplicaSets     Pods         nodeName     phases          (each on its own)
//! ```
//!
//! Each one decides in a pure function (objects in, [`act::Act`]s out) and is driven by the one loop in [`engine`].
//! Statuses have upstream's words: clients read them. Kinds without an actor may have their status scripted, and
//! StatefulSets, DaemonSets and Jobs instead of by their actor ([`Levers::script_status`]).

mod accounts;
mod act;
mod autoscalers;
mod conditions;
mod deployments;
mod engine;
mod garbage;
mod kubelet;
mod levers;
mod namespaces;
pub(crate) mod nodes;
mod owners;
mod queue;
mod replicasets;
mod scheduler;
mod scripted;
mod services;
#[cfg(test)]
mod tests;
pub(crate) mod volumes;
mod workloads;

pub use kubelet::{KubeletScript, Play, Rule};
pub use levers::Levers;
pub use nodes::NodeSize;

use self::engine::{Actor, Engine};
use super::api::Server;
use super::failure::Failure;
use super::task::Tasks;

/// Which actors a cluster has.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Actors {
    pub deployments: bool,
    pub replicasets: bool,
    /// StatefulSets, DaemonSets and Jobs.
    pub workloads: bool,
    /// Volumes for claims.
    pub volumes: bool,
    /// `HorizontalPodAutoscalers`, which scale as a script says.
    pub autoscalers: bool,
    pub namespaces: bool,
    pub garbage: bool,
    /// The ServiceAccount `default` of each namespace.
    pub accounts: bool,
    /// The certificate that `kube-root-ca.crt` of each namespace has, as PEM.
    pub root_ca: Option<String>,
    pub scheduler: bool,
    pub kubelet: Option<KubeletScript>,
}

impl Actors {
    /// All of them: a member.
    #[must_use]
    pub fn all() -> Self {
        Self {
            deployments: true,
            replicasets: true,
            workloads: true,
            volumes: true,
            autoscalers: true,
            scheduler: true,
            kubelet: Some(KubeletScript::default()),
            ..Self::without_workloads()
        }
    }

    /// What keeps an API server tidy, and nothing that runs pods: a hub.
    #[must_use]
    pub fn without_workloads() -> Self {
        Self {
            deployments: false,
            replicasets: false,
            workloads: false,
            volumes: false,
            autoscalers: false,
            namespaces: true,
            garbage: true,
            accounts: true,
            root_ca: Some(String::new()),
            scheduler: false,
            kubelet: None,
        }
    }
}

/// Starts them. They end with the tasks; what they do can be changed with the levers.
pub(crate) fn run(server: &Server, tasks: &Tasks, actors: &Actors) -> Levers {
    let levers = Levers::new(actors.kubelet.clone().unwrap_or_default());
    let mut cast: Vec<Box<dyn Actor>> = Vec::new();
    if actors.namespaces {
        cast.push(Box::new(namespaces::Namespaces));
    }
    if actors.accounts {
        cast.push(Box::new(accounts::account()));
    }
    if let Some(certificate) = &actors.root_ca {
        cast.push(Box::new(accounts::root_ca(certificate)));
    }
    if actors.garbage {
        cast.push(Box::new(garbage::Garbage));
    }
    if actors.deployments {
        cast.push(Box::new(deployments::Deployments));
    }
    if actors.replicasets {
        cast.push(Box::new(replicasets::ReplicaSets::default()));
    }
    if actors.workloads {
        for actor in workloads::all(&levers) {
            cast.push(Box::new(actor));
        }
    }
    if actors.volumes {
        cast.push(Box::new(volumes::Volumes));
    }
    if actors.autoscalers {
        cast.push(Box::new(autoscalers::Autoscalers(levers.clone())));
    }
    cast.push(Box::new(services::ApiServices));
    if actors.scheduler {
        cast.push(Box::new(scheduler::Scheduler::default()));
    }
    if actors.kubelet.is_some() {
        cast.push(Box::new(kubelet::Kubelet::new(levers.clone())));
    }
    cast.push(Box::new(scripted::Scripted::new(levers.clone())));
    tasks.spawn(Engine::new(server.clone(), levers.clone(), cast).run());
    levers
}

/// Nothing can be made in a namespace that ends: not a failure of whoever tried.
fn is_namespace_ending(failure: &Failure) -> bool {
    let causes = &failure.details.causes;
    causes.iter().any(|cause| cause.reason == "NamespaceTerminating")
}
