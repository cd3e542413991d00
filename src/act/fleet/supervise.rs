//! The life of one member: connect, keep watch, connect anew.
//!
//! ```text
//! connect ─► probe ─► discovery ─► nodes · pods · autoscalers · the kinds that are wanted
//!    ▲         │
//!    └─────────┴── the credential or the address changed
//! ```

use std::{sync::Arc, time::Duration};

use k8s_openapi::{
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    kube_aggregator::pkg::apis::apiregistration::v1::APIService,
};
use kube::{Api, Client, core::PartialObjectMeta, runtime::watcher::Event};
use tokio::sync::Notify;

use super::{
    Error, discovery,
    facts::Facts,
    member::{Core, Wire},
    probe::{Outcome, Trouble},
    scalers,
    slim::{SlimNode, SlimPod},
    status, token,
    transport::Link,
    watch::{Ended, Fold, Subject, follow},
    watches, watchman,
};
use crate::{act::wire::Tasks, model::fleet::Held};

/// How soon a connection that could not be prepared is tried again.
const AGAIN: Duration = Duration::from_secs(10);
/// Kinds are asked for again this often, also when nothing hinted at a change.
const REDISCOVER: Duration = Duration::from_mins(10);
/// A new CRD or API service shows in discovery a little after it is established.
const SETTLE: [Duration; 3] = [
    Duration::from_millis(300),
    Duration::from_millis(1500),
    Duration::from_secs(6),
];
const RETRY: Duration = Duration::from_secs(30);

/// Starts what a member needs, until `tasks` are stopped.
pub(super) fn start(core: &Arc<Core>, tasks: &Tasks) {
    tasks.spawn("member", live(core.clone(), tasks.clone()));
    tasks.spawn("cluster-status", status::keep(core.clone()));
}

async fn live(core: Arc<Core>, tasks: Tasks) {
    loop {
        let cluster = core.cluster.load_full();
        let context = &core.context;
        match context
            .transport
            .connect(&cluster, &context.hub, &context.gate)
            .await
        {
            Ok(Link {
                stack,
                token,
                credential,
            }) => {
                if let Some(before) = core.wire.load_full() {
                    before.tasks.stop();
                }
                let wire = Arc::new(Wire::new(stack, tasks.child()));
                *core.credential.lock() = credential;
                core.learn(|known| {
                    known.trouble = None;
                    known.token = token;
                    known.held = Some(Held::Unverified);
                });
                core.objects.unsync_all();
                core.scalers.unsync_all();
                attend(&core, &wire);
                core.wire.store(Some(wire.clone()));
                watches::arrange(&core, &wire);
                core.reconnect.notified().await;
            }
            Err(error) => {
                tracing::warn!(cluster = %core.name, %error, "failed to prepare the connection");
                let now = context.clock.now();
                let unconnected = core.wire.load().is_none();
                core.learn(|known| {
                    let trouble = trouble_of(&error);
                    if unconnected {
                        // Nobody probes it. Decisions and status must not wait for it as for one that is about to answer.
                        known.probe = known.probe.after(Outcome::Failed(trouble.clone()), now);
                    }
                    known.trouble = Some(trouble);
                });
                tokio::select! {
                    () = core.reconnect.notified() => {}
                    () = tokio::time::sleep(AGAIN) => {}
                }
            }
        }
    }
}

fn trouble_of(error: &Error) -> Trouble {
    match error {
        Error::Wire(_) => Trouble::Silent(error.to_string()),
        _ => Trouble::Credential(error.to_string()),
    }
}

fn attend(core: &Arc<Core>, wire: &Arc<Wire>) {
    let rediscover = Arc::new(Notify::new());
    let tasks = &wire.tasks;
    tasks.spawn("probe", watchman::watch_over(core.clone(), wire.clone()));
    tasks.spawn("token", token::keep(core.clone(), wire.clone()));
    tasks.spawn(
        "discovery",
        keep_apis(core.clone(), wire.clone(), rediscover.clone()),
    );
    let crds = KindsFold {
        core: core.clone(),
        changed: rediscover,
    };
    tasks.spawn(
        "api-services",
        watch_api_services(core.clone(), wire.clone(), crds.clone()),
    );
    tasks.spawn(
        "crds",
        keep::<PartialObjectMeta<CustomResourceDefinition>, _>(
            core.clone(),
            wire.clone(),
            "CustomResourceDefinition",
            Api::all,
            crds,
        ),
    );
    let nodes = NodeFold(core.clone());
    tasks.spawn(
        "nodes",
        keep::<SlimNode, _>(core.clone(), wire.clone(), "Node", Api::all, nodes),
    );
    let pods = PodFold(core.clone());
    tasks.spawn(
        "pods",
        keep::<SlimPod, _>(core.clone(), wire.clone(), "Pod", Api::all, pods),
    );
    scalers::start(core, wire);
}

/// Follows a kind that every member has; a refusal is tried again, since join may mend it.
async fn keep<K, F>(
    core: Arc<Core>,
    wire: Arc<Wire>,
    what: &'static str,
    api: fn(Client) -> Api<K>,
    mut fold: F,
) where
    K: kube::Resource + Clone + serde::de::DeserializeOwned + std::fmt::Debug + Send + 'static,
    F: Fold<K>,
{
    let subject = Subject {
        what: what.to_owned(),
        ..Subject::default()
    };
    while follow(&core, &wire, &subject, api, &mut fold).await != Ended::Stopped {
        tracing::warn!(cluster = %core.name, kind = what, "may not be watched; is the member joined?");
        tokio::time::sleep(RETRY).await;
    }
}

async fn keep_apis(core: Arc<Core>, wire: Arc<Wire>, changed: Arc<Notify>) {
    let client = wire.stack.client();
    let mut returns = core.returns();
    let mut again = 0;
    loop {
        let known = core.apis.load_full();
        let complete = match discovery::discover(&client, &known).await {
            Ok(apis) => {
                let complete = apis.complete;
                if apis != *known {
                    core.apis.store(Arc::new(apis));
                    core.touch();
                    watches::arrange(&core, &wire);
                }
                complete
            }
            Err(error) => {
                tracing::debug!(cluster = %core.name, %error, "discovery failed, what was known stays");
                if known.complete {
                    core.apis.store(Arc::new(crate::model::fleet::Apis {
                        complete: false,
                        ..(*known).clone()
                    }));
                    core.touch();
                }
                false
            }
        };
        let pause = if again > 0 {
            again -= 1;
            SETTLE[SETTLE.len() - 1 - again]
        } else if complete {
            REDISCOVER.mul_f64(1.0 + 0.1 * core.jitter(1))
        } else {
            Duration::from_secs(5)
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = changed.notified() => {
                again = SETTLE.len() - 1;
                tokio::time::sleep(SETTLE[0]).await;
            }
            _ = returns.changed() => {}
        }
    }
}

/// Aggregated APIs come, go and fail by their `APIService`. A member joined before the hub asked for that right does
/// not show them; there [`REDISCOVER`] has to do.
async fn watch_api_services(core: Arc<Core>, wire: Arc<Wire>, mut fold: KindsFold) {
    let subject = Subject {
        what: "APIService".to_owned(),
        metadata_only: true,
        ..Subject::default()
    };
    let all = Api::<PartialObjectMeta<APIService>>::all;
    loop {
        let ended = follow(&core, &wire, &subject, all, &mut fold).await;
        if ended == Ended::Stopped {
            return;
        }
        tracing::debug!(cluster = %core.name, ?ended, "API services can't be watched");
        tokio::time::sleep(REDISCOVER).await;
    }
}

/// Definitions or API services came or went: kinds and schemas are other ones now.
#[derive(Clone)]
struct KindsFold {
    core: Arc<Core>,
    changed: Arc<Notify>,
}

impl<K: Send> Fold<K> for KindsFold {
    async fn fold(&mut self, event: Event<K>) {
        if matches!(event, Event::Apply(_) | Event::Delete(_) | Event::InitDone) {
            self.core.documents.invalidate();
            self.changed.notify_one();
        }
    }
}

struct NodeFold(Arc<Core>);

impl Fold<SlimNode> for NodeFold {
    async fn fold(&mut self, event: Event<SlimNode>) {
        change(&self.0, |facts| match event {
            Event::Init => facts.begin_nodes(),
            Event::InitApply(node) | Event::Apply(node) => facts.saw_node(&node),
            Event::Delete(node) => facts.lost_node(node.metadata.name.as_deref().unwrap_or_default()),
            Event::InitDone => {
                facts.finish_nodes();
                self.0.known.lock().nodes_listed = true;
            }
        });
    }
}

struct PodFold(Arc<Core>);

impl Fold<SlimPod> for PodFold {
    async fn fold(&mut self, event: Event<SlimPod>) {
        change(&self.0, |facts| match event {
            Event::Init => facts.begin_pods(),
            Event::InitApply(pod) | Event::Apply(pod) => facts.saw_pod(&pod),
            Event::Delete(pod) => facts.lost_pod(pod.id()),
            Event::InitDone => {
                facts.finish_pods();
                self.0.known.lock().pods_listed = true;
            }
        });
    }
}

fn change(core: &Core, change: impl FnOnce(&mut Facts)) {
    change(&mut core.facts.lock());
    core.touch();
}
