//! A whole federation in this process: hub API and members from the sandbox, and the hub itself, unchanged.
//!
//! ```text
//! Embedded ─► hub API (sandbox) ◄── engine::serve ──► members (sandbox)
//!                 └──────── Dial::in_process ────────────┘
//! ```
//!
//! The hub has the identity and the rights that `hub install` and `hub join` give it, and reaches everything through
//! the kubeconfigs they store. It can be killed in the middle of anything and served again.

mod error;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::try_join_all;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use parking_lot::RwLock;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub use error::Error;

use super::install::install;
use crate::act::engine::{self, LeaseTimes};
use crate::act::fleet::{Allow, Joiner, Wishes, join};
use crate::act::wire::{Dial, HttpService, Tasks};
use crate::model::api;
use crate::model::clock::{Clock, Timestamp};
use crate::model::{mark, name::ClusterName};
use crate::sandbox::{self, Cluster, Listening};

/// Who the hub is at the hub API, by `manifests/hub`.
const HUB_ACCOUNT: &str = "hub-api";
/// Custom resources are served, and members Ready, within this time; in virtual time it passes at once.
const PATIENCE: Duration = Duration::from_mins(1);

/// More members than this are no demo and no simulation: each has its own range of Services.
pub const MOST_MEMBERS: u8 = 200;

/// How large a federation is.
#[derive(Debug, Clone)]
pub struct Options {
    /// At most [`MOST_MEMBERS`].
    pub members: u8,
    /// Of everything that is drawn.
    pub seed: u64,
    /// Time; [`tokio_clock`] where tokio's is paused.
    pub clock: Clock,
    /// How the hub holds its leadership.
    pub lease: LeaseTimes,
    /// How each cluster differs from the default.
    pub change: fn(&mut sandbox::Options),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            members: 3,
            seed: 0,
            clock: Clock::system(),
            lease: LeaseTimes::default(),
            change: |_| {},
        }
    }
}

/// A clock that goes with tokio's, also where that is paused, from the beginning of 2026.
#[must_use]
pub fn tokio_clock() -> Clock {
    let started = Instant::now();
    let origin = Timestamp::from_second(1_767_225_600).unwrap_or_default();
    Clock::from_fn(move || {
        let passed = jiff::SignedDuration::try_from(started.elapsed()).unwrap_or_default();
        origin.checked_add(passed).unwrap_or(origin)
    })
}

/// Regions that people know, in turn; `policies/shop` names the first.
pub fn name_regions(of: &mut sandbox::Options) {
    let number = of
        .name
        .rsplit('-')
        .next()
        .and_then(|number| number.parse::<usize>().ok());
    if let Some(number) = number {
        ["eu-west", "us-east", "ap-south"][(number + 2) % 3].clone_into(&mut of.region);
    }
}

/// A hub API, members, and a hub that may serve.
pub struct Embedded {
    hub: Cluster,
    members: Vec<Cluster>,
    dial: Dial,
    /// API servers by host, and port where they listen.
    services: Services,
    /// Kubeconfigs that lead to members from other processes.
    outside: HashMap<String, Kubeconfig>,
    clock: Clock,
    lease: LeaseTimes,
    serving: Option<Serving>,
    served: usize,
}

type Services = Arc<RwLock<HashMap<String, HttpService>>>;

/// A hub in service.
#[derive(Debug)]
struct Serving {
    tasks: Tasks,
    task: JoinHandle<()>,
    stop: Option<oneshot::Sender<()>>,
    waiting: watch::Receiver<Vec<String>>,
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded")
            .field("members", &self.members)
            .finish_non_exhaustive()
    }
}

impl Embedded {
    /// Starts hub API and members; no hub yet. Must be called inside a runtime.
    #[must_use]
    pub fn start(options: &Options) -> Self {
        let start = |mut of: sandbox::Options| {
            of.seed = of.seed.wrapping_add(options.seed.wrapping_mul(1_000));
            of.clock = options.clock.clone();
            (options.change)(&mut of);
            Cluster::start(&of)
        };
        let hub = start(sandbox::Options::hub());
        let members: Vec<Cluster> = (1..=options.members)
            .map(|number| start(sandbox::Options::member(number)))
            .collect();
        let services: HashMap<String, HttpService> = std::iter::once(&hub)
            .chain(&members)
            .map(|cluster| (cluster.host(), cluster.service()))
            .collect();
        let services = Arc::new(RwLock::new(services));
        let known = services.clone();
        Self {
            hub,
            members,
            dial: Dial::in_process(move |host| known.read().get(host).cloned()),
            services,
            outside: HashMap::new(),
            clock: options.clock.clone(),
            lease: options.lease.clone(),
            serving: None,
            served: 0,
        }
    }

    /// The hub API.
    #[must_use]
    pub fn hub(&self) -> &Cluster {
        &self.hub
    }

    /// `member-1`, `member-2`, …
    #[must_use]
    pub fn members(&self) -> &[Cluster] {
        &self.members
    }

    /// From now on a member joins with the address at which it listens, so that what the hub stores of it serves other
    /// processes too. The hub itself goes on without sockets.
    pub fn listens(&mut self, member: &str, at: &Listening) -> Result<(), Error> {
        let Some(cluster) = self.members.iter().find(|cluster| cluster.name() == member) else {
            return Ok(());
        };
        let address = at.url().trim_start_matches("https://").to_owned();
        self.services.write().insert(address, cluster.service());
        let kubeconfig = Kubeconfig::from_yaml(at.kubeconfig()).map_err(Error::config)?;
        self.outside.insert(member.to_owned(), kubeconfig);
        Ok(())
    }

    /// All of them, the hub API first.
    pub fn clusters(&self) -> impl Iterator<Item = &Cluster> {
        std::iter::once(&self.hub).chain(&self.members)
    }

    /// The time in this federation.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// `hub install`, `hub serve`, one `hub join` per member, and the wait until all are Ready.
    pub async fn federate(&mut self, mut report: impl FnMut(&str)) -> Result<(), Error> {
        install(&self.hub.admin(), PATIENCE, &mut report)
            .await
            .map_err(|failure| Error::Install(failure.words()))?;
        self.serve().await?;
        report("joining the members");
        try_join_all(self.members.iter().map(|member| self.join(member))).await?;
        report("waiting until all members are Ready");
        self.all_ready().await
    }

    /// Starts the hub. One that serves already is left alone.
    pub async fn serve(&mut self) -> Result<(), Error> {
        if self.serving.is_some() {
            return Ok(());
        }
        let hub = self.own_config().await?;
        self.served += 1;
        let (stop, stopped) = oneshot::channel();
        let (waiting, waits) = watch::channel(vec!["the engine".to_owned()]);
        let options = engine::Options {
            hub,
            dial: self.dial.clone(),
            lease: self.lease.clone(),
            identity: format!("hub-{}", self.served),
            clock: self.clock.clone(),
            waiting,
            max_failovers: engine::Options::MAX_FAILOVERS,
        };
        let tasks = Tasks::default();
        let task = tasks.spawn("hub", async move {
            let stop = async {
                // Dropped without a word: the hub goes on until it is killed.
                if stopped.await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            if let Err(error) = engine::serve(options, stop).await {
                tracing::error!(%error, "the hub ended");
            }
        });
        self.serving = Some(Serving {
            tasks,
            task,
            stop: Some(stop),
            waiting: waits,
        });
        Ok(())
    }

    /// Drops the hub where it stands: what it had begun is never finished, its Lease stays.
    pub async fn kill(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.tasks.stop();
            // Its tasks are gone once this one is: the guards in it end them.
            drop(serving.task.await);
            tokio::task::yield_now().await;
        }
    }

    /// Asks the hub to end, as SIGTERM does, and waits for it.
    pub async fn stop_hub(&mut self) {
        if let Some(mut serving) = self.serving.take() {
            if let Some(stop) = serving.stop.take() {
                let _ = stop.send(());
            }
            drop(serving.task.await);
        }
    }

    /// What the hub still waits for, to be ready; empty when it is, or doesn't serve.
    #[must_use]
    pub fn waiting(&self) -> Vec<String> {
        let serving = self.serving.as_ref();
        serving.map_or_else(Vec::new, |serving| serving.waiting.borrow().clone())
    }

    /// The same as it changes, of the hub that serves now.
    pub(in crate::face::cli) fn waits(&self) -> Option<watch::Receiver<Vec<String>>> {
        self.serving.as_ref().map(|serving| serving.waiting.clone())
    }

    /// `hub join` of a member under its own name, labelled with its region.
    pub async fn join(&self, member: &Cluster) -> Result<(), Error> {
        let failed = |source| Error::Join {
            member: member.name().to_owned(),
            source,
        };
        let name = ClusterName::parse(member.name()).map_err(|source| Error::Name(source.to_string()))?;
        let config = match self.outside.get(member.name()) {
            Some(kubeconfig) => config_from(kubeconfig.clone()).await?,
            None => config_of(&member.host(), "").await?,
        };
        let joiner = Joiner {
            hub: &self.hub.admin(),
            member: &member.admin(),
            config: &config,
            allow: Allow::default(),
            name: &name,
        };
        let wishes = Wishes {
            labels: [("region".to_owned(), member.region().to_owned())].into(),
            ..Wishes::default()
        };
        join(&joiner, &wishes, false, self.clock.now(), |_| {})
            .await
            .map(drop)
            .map_err(failed)
    }

    /// Waits until the Cluster of every member is Ready.
    pub async fn all_ready(&self) -> Result<(), Error> {
        let clusters: Api<api::Cluster> = Api::all(self.hub.admin());
        let deadline = Instant::now() + PATIENCE;
        for member in &self.members {
            loop {
                let found = clusters
                    .get_opt(member.name())
                    .await
                    .map_err(|source| Error::hub("read Clusters", source))?;
                let conditions = found
                    .and_then(|cluster| cluster.status)
                    .unwrap_or_default()
                    .conditions;
                let ready = conditions
                    .iter()
                    .any(|condition| condition.type_ == "Ready" && condition.status == "True");
                if ready {
                    break;
                }
                if Instant::now() >= deadline {
                    return Err(Error::NotReady {
                        member: member.name().to_owned(),
                        seen: format!("{conditions:?}"),
                    });
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Ok(())
    }

    /// Ends everything.
    pub async fn end(mut self) {
        self.kill().await;
        for cluster in self.clusters() {
            cluster.stop().await;
        }
    }

    /// The hub's own way to the hub API, with a token of its account.
    async fn own_config(&self) -> Result<Config, Error> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.hub.admin(), mark::SYSTEM_NAMESPACE);
        let request = TokenRequest {
            spec: Some(TokenRequestSpec {
                expiration_seconds: Some(365 * 24 * 3600),
                ..TokenRequestSpec::default()
            }),
            ..TokenRequest::default()
        };
        let answer = accounts
            .create_token_request(HUB_ACCOUNT, &PostParams::default(), &request)
            .await
            .map_err(|source| Error::hub("get a token for the hub", source))?;
        let token = answer.status.and_then(|status| status.token).unwrap_or_default();
        config_of(&self.hub.host(), &token).await
    }
}

/// A client configuration for a host of this process.
async fn config_of(host: &str, token: &str) -> Result<Config, Error> {
    let text = serde_json::json!({
        "current-context": "embedded",
        "contexts": [{"name": "embedded", "context": {"cluster": "embedded", "user": "embedded"}}],
        "clusters": [{"name": "embedded", "cluster": {"server": format!("https://{host}")}}],
        "users": [{"name": "embedded", "user": {"token": token}}],
    });
    config_from(Kubeconfig::from_yaml(&text.to_string()).map_err(Error::config)?).await
}

async fn config_from(kubeconfig: Kubeconfig) -> Result<Config, Error> {
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .map_err(Error::config)
}

/// The hub API's administrator, for commands.
impl Embedded {
    /// A client of the hub API's administrator.
    #[must_use]
    pub fn admin(&self) -> Client {
        self.hub.admin()
    }
}
