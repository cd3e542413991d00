//! A session: a fleet, and what a script does to it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use super::command::{Command, Line, Place, Show, Trouble, Until};
use super::manual;
use crate::face::cli::args::{Apply, Explain, Get, Global, Status};
use crate::face::cli::context::Hub;
use crate::face::cli::embedded::{self, Embedded, name_regions, tokio_clock};
use crate::face::cli::failure::Failure;
use crate::face::cli::kinds::{Kind, Kinds, split};
use crate::face::cli::output::{Audience, Screen};
use crate::face::cli::sources::gather;
use crate::face::cli::{apply, clusters, explain, get, status, table};
use crate::model::api::{self, ConditionType, WorkloadBinding, is_true};
use crate::model::clock::{Clock, GoDuration};
use crate::model::manifest::Code;
use crate::model::mark;
use crate::model::name::{GroupKind, NamespaceName, binding_name};
use crate::sandbox::Cluster;

/// A command takes at most this virtual time, if it is not asked to wait: one that asks a frozen API server would
/// never end.
const PATIENCE: Duration = Duration::from_mins(10);
/// How often `until` looks.
const LOOK: Duration = Duration::from_millis(100);
/// Bindings that have not changed for so long have settled.
const STILL: Duration = Duration::from_secs(1);
/// How often a command is tried again when its requests fail on their way, a second apart.
const TRIES: u32 = 10;

/// Whether the session goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Goes,
    End,
}

pub(super) struct Session {
    screen: Screen,
    global: Global,
    namespace: NamespaceName,
    started: Instant,
    clock: Clock,
    fleet: Option<Embedded>,
    /// How many writes of each cluster were shown.
    shown: BTreeMap<String, usize>,
}

impl Session {
    pub(super) fn new(global: &Global) -> Result<Self, Failure> {
        let namespace = global.namespace.as_deref().unwrap_or("default");
        Ok(Self {
            screen: Screen::before(Audience::Session),
            global: Global::default(),
            namespace: namespace.parse().map_err(|error| {
                Failure::usage(format!("{namespace:?} is no name for a namespace: {error}"))
            })?,
            started: Instant::now(),
            clock: tokio_clock(),
            fleet: None,
            shown: BTreeMap::new(),
        })
    }

    /// `0:01:30`, since the beginning.
    pub(super) fn time(&self) -> String {
        let seconds = self.started.elapsed().as_secs();
        format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
    }

    /// Says what was read, and when.
    pub(super) fn echo(&self, line: &str) -> Result<(), Failure> {
        let line = line.trim();
        match line.chars().next() {
            None => self.screen.data("\n"),
            Some('#') => self.screen.data(&format!("{line}\n")),
            Some(_) => self.screen.data(&format!("{} > {line}\n", self.time())),
        }
    }

    pub(super) async fn end(self) {
        if let Some(fleet) = self.fleet {
            fleet.end().await;
        }
    }

    pub(super) async fn run(&mut self, line: &Line) -> Result<Next, Failure> {
        match &line.command {
            Command::Wait(time) => sleep(*time).await,
            Command::At(time) => tokio::time::sleep_until(self.started + *time).await,
            Command::Help => self.screen.data(&manual())?,
            Command::Quit => return Ok(Next::End),
            Command::Namespace(name) => self.namespace = name.clone(),
            Command::Until(what, within) => self.until(line, what, *within).await?,
            command => {
                let doing = self.act(line, command);
                timeout(PATIENCE, doing).await.map_err(|_| {
                    Failure::timed_out("the command did not end within 10 minutes of virtual time")
                        .with_hint("does the cluster answer that it asks? `thaw` and `up` let it")
                })??;
            }
        }
        Ok(Next::Goes)
    }

    async fn act(&mut self, line: &Line, command: &Command) -> Result<(), Failure> {
        match command {
            Command::Fleet { members, seed } => return self.begin(*members, *seed).await,
            Command::KillHub => {
                self.fleet_mut()?.kill().await;
                return Ok(());
            }
            Command::ServeHub => {
                let served = self.fleet_mut()?.serve().await;
                return served.map_err(|error| refused(&error));
            }
            Command::Trouble(trouble, place) => {
                for cluster in self.clusters(place)? {
                    befall(cluster, trouble);
                }
                return Ok(());
            }
            Command::Show(Show::Writes) => return self.show_writes(),
            _ => {}
        }
        let hub = self.hub(line)?;
        for _ in 1..TRIES {
            match self.ask(&hub, line, command).await {
                Err(failure) if is_weather(&failure) && !matches!(command, Command::Apply(_)) => {}
                answer => return answer,
            }
            sleep(Duration::from_secs(1)).await;
        }
        self.ask(&hub, line, command).await
    }

    /// What a person asks of the hub API.
    async fn ask(&self, hub: &Hub, line: &Line, command: &Command) -> Result<(), Failure> {
        match command {
            Command::Apply(paths) => {
                let wanted = Apply {
                    filename: paths.clone(),
                    dry_run: false,
                    wait: false,
                    timeout: GoDuration(PATIENCE),
                    force_conflicts: false,
                };
                let sources = gather(paths).sound()?;
                apply::to(hub, self.screen, &wanted, sources).await.map(drop)
            }
            Command::Delete(object) => {
                let (api, name) = object_api(hub, object).await?;
                let deleted = api.delete(&name, &DeleteParams::background()).await;
                deleted
                    .map(drop)
                    .map_err(|error| Failure::hub(&format!("delete {object}"), &error))
            }
            Command::Scale(object, replicas) => {
                change(hub, object, &json!({"spec": {"replicas": replicas}})).await
            }
            Command::Rebalance(object) => {
                let asked = self.started.elapsed().as_millis().to_string();
                change(
                    hub,
                    object,
                    &json!({"metadata": {"annotations": {mark::REBALANCE: asked}}}),
                )
                .await
            }
            Command::Label(object, labels) => {
                let labels: BTreeMap<_, _> = labels.iter().cloned().collect();
                change(hub, object, &json!({"metadata": {"labels": labels}})).await
            }
            Command::Show(what) => self.show(hub, what, line).await,
            _ => Ok(()),
        }
    }

    async fn begin(&mut self, members: u8, seed: u64) -> Result<(), Failure> {
        let mut fleet = Embedded::start(&embedded::Options {
            members,
            seed,
            clock: self.clock.clone(),
            change: name_regions,
            ..embedded::Options::default()
        });
        let begun = fleet.federate(|_| {}).await;
        let fleet = self.fleet.insert(fleet);
        begun.map_err(|error| refused(&error))?;
        let regions: Vec<String> = fleet
            .members()
            .iter()
            .map(|member| format!("{} {}", member.name(), member.region()))
            .collect();
        self.screen.data(&format!(
            "{} ready: {}",
            table::counted(regions.len(), "member"),
            regions.join(", ")
        ))
    }

    async fn until(&self, line: &Line, what: &Until, within: Duration) -> Result<(), Failure> {
        let hub = self.hub(line)?;
        let started = Instant::now();
        let mut observer = Observer::default();
        loop {
            let left = within.saturating_sub(started.elapsed()).max(LOOK);
            let seen = match timeout(left, observer.look(&hub, what)).await {
                Ok(Ok(None)) => break,
                Ok(Ok(Some(seen))) => seen,
                Ok(Err(failure)) if is_weather(&failure) => failure.words(),
                Ok(Err(failure)) => return Err(failure),
                Err(_) => "the hub API does not answer".to_owned(),
            };
            if started.elapsed() >= within {
                return Err(
                    Failure::timed_out(format!("not so after {}: {seen}", GoDuration(within)))
                        .with_hint("`show status` and `show bindings` say more; within=TIME waits longer"),
                );
            }
            sleep(LOOK).await;
        }
        let tenths = started.elapsed().as_millis() / 100;
        self.screen
            .data(&format!("so after {}.{}s", tenths / 10, tenths % 10))
    }

    async fn show(&self, hub: &Hub, what: &Show, line: &Line) -> Result<(), Failure> {
        let (screen, global) = (self.screen, &self.global);
        let objects = |kind: &str| Get {
            kind: kind.to_owned(),
            name: None,
            cluster: None,
            all_namespaces: false,
        };
        let shown = match what {
            Show::Clusters => clusters::show(hub, screen, global, None).await,
            Show::Bindings => get::show(global, screen, hub, &objects("bindings")).await,
            Show::Status(workload) => {
                let wanted = Status {
                    workload: workload.clone(),
                };
                status::show(global, screen, hub, &wanted).await
            }
            Show::Explain(workload) => {
                let wanted = Explain {
                    workload: workload.clone(),
                };
                explain::show(global, screen, hub, &wanted).await
            }
            Show::Objects { kind, place } => {
                let there = self.clusters(place)?;
                let client = there.first().map(|cluster| cluster.admin());
                let there = self.hub_of(&client.unwrap_or_else(|| hub.client.clone()), line);
                get::show(global, screen, &there, &objects(kind)).await
            }
            Show::Writes => return Ok(()),
        };
        shown.map(drop)
    }

    /// Writes of the hub, not of those who play the rest of the world.
    fn show_writes(&mut self) -> Result<(), Failure> {
        let mut text = String::new();
        let counted: Vec<(String, usize)> = self
            .fleet()?
            .clusters()
            .map(|one| (one.name().to_owned(), written(one)))
            .collect();
        for (name, all) in counted {
            let before = self.shown.insert(name.clone(), all).unwrap_or(0);
            let _ = writeln!(text, "{name:<12} {}", all.saturating_sub(before));
        }
        self.screen.data(&text)
    }

    fn fleet(&self) -> Result<&Embedded, Failure> {
        self.fleet.as_ref().ok_or_else(no_fleet)
    }

    fn fleet_mut(&mut self) -> Result<&mut Embedded, Failure> {
        self.fleet.as_mut().ok_or_else(no_fleet)
    }

    fn clusters(&self, place: &Place) -> Result<Vec<&Cluster>, Failure> {
        let fleet = self.fleet()?;
        Ok(match place {
            Place::Hub => vec![fleet.hub()],
            Place::Members => fleet.members().iter().collect(),
            Place::Member(number) => fleet
                .members()
                .iter()
                .skip(usize::from(*number) - 1)
                .take(1)
                .collect(),
        })
    }

    fn hub(&self, line: &Line) -> Result<Hub, Failure> {
        Ok(self.hub_of(&self.fleet()?.admin(), line))
    }

    fn hub_of(&self, client: &Client, line: &Line) -> Hub {
        let namespace = line.namespace.as_ref().unwrap_or(&self.namespace);
        Hub::of(client, namespace.clone(), line.namespace.is_some(), &self.clock)
    }
}

fn no_fleet() -> Failure {
    Failure::new(Code::BAD_SCRIPT, "there is no fleet yet").with_hint("begin with `fleet members=3 seed=7`")
}

fn refused(error: &embedded::Error) -> Failure {
    Failure::new(Code::REQUEST_REFUSED, error.to_string())
        .with_hint("with another seed, or without faults, it may come about")
}

fn befall(cluster: &Cluster, trouble: &Trouble) {
    let faults = cluster.faults();
    match trouble {
        Trouble::Freeze => faults.freeze(),
        Trouble::Thaw => faults.thaw(),
        Trouble::Down => faults.take_down(),
        Trouble::Up => faults.bring_up(),
        Trouble::CutWatches => faults.cut_watches(),
        Trouble::SilenceWatches => faults.silence_watches(),
        Trouble::Clock(ahead) => faults.set_clock_skew(*ahead),
        Trouble::Faults {
            odds,
            latency,
            watch_delay,
        } => {
            faults.set_odds(odds.clone());
            faults.set_latency(Duration::ZERO..*latency);
            faults.set_watch_delay(Duration::ZERO..*watch_delay);
        }
    }
}

/// How many writes of the hub a cluster has seen. Leadership is renewed every second, at rest too.
fn written(cluster: &Cluster) -> usize {
    let ours = |user: &str| user.starts_with("system:serviceaccount:hanse-system:");
    let writes = cluster.writes();
    writes
        .iter()
        .filter(|write| ours(&write.user) && write.resource != "leases")
        .count()
}

async fn kind_of(hub: &Hub, word: &str) -> Result<Kind, Failure> {
    let kinds = Kinds::discover(&hub.client)
        .await
        .map_err(|error| Failure::hub("read the kinds of the hub API", &error))?;
    kinds.called(word).cloned()
}

async fn object_api(hub: &Hub, object: &str) -> Result<(Api<DynamicObject>, String), Failure> {
    let (word, name) = split(object)?;
    let kind = kind_of(hub, word).await?;
    Ok((kind.api(&hub.client, Some(&hub.namespace)), name.to_owned()))
}

async fn change(hub: &Hub, object: &str, patch: &Value) -> Result<(), Failure> {
    let (api, name) = object_api(hub, object).await?;
    let params = PatchParams {
        field_manager: Some("hub-simulate".to_owned()),
        ..PatchParams::default()
    };
    let patched = api.patch(&name, &params, &Patch::Merge(patch)).await;
    patched
        .map(drop)
        .map_err(|error| Failure::hub(&format!("change {object}"), &error))
}

/// Whether a request failed on its way, so that it may be tried again.
fn is_weather(failure: &Failure) -> bool {
    let mut codes = failure.diagnostics.iter().map(|diagnostic| diagnostic.code);
    codes.all(|code| matches!(code, Code::HUB_UNREACHABLE | Code::REQUEST_REFUSED))
}

/// Looks at the hub API again and again.
#[derive(Default)]
struct Observer {
    /// Where the object is found, once that is known.
    object: Option<(Api<DynamicObject>, String)>,
    /// Since when all bindings are well, at which versions.
    well: Option<(Instant, Vec<String>)>,
}

impl Observer {
    /// Whether it is so; what was seen instead when it is not.
    async fn look(&mut self, hub: &Hub, what: &Until) -> Result<Option<String>, Failure> {
        match what {
            Until::Settled => self.settled(hub).await,
            Until::Gone(object) => {
                if self.object.is_none() {
                    self.object = Some(object_api(hub, object).await?);
                }
                Ok(self.read(object).await?.map(|_| format!("{object} is there")))
            }
            Until::Condition {
                object,
                condition,
                status,
            } => {
                if self.object.is_none() {
                    self.object = Some(conditioned(hub, object).await?);
                }
                let found = self.read(object).await?.unwrap_or(Value::Null);
                let conditions = found["status"]["conditions"].as_array();
                let found = conditions
                    .into_iter()
                    .flatten()
                    .find(|found| found["type"] == condition.as_str());
                Ok(match found {
                    Some(found) if found["status"] == status.as_str() => None,
                    Some(found) => {
                        let text = |key: &str| found[key].as_str().unwrap_or_default();
                        Some(format!("{condition} is {}: {}", text("status"), text("message")))
                    }
                    None => Some(format!("{object} has no condition {condition}")),
                })
            }
        }
    }

    async fn read(&self, object: &str) -> Result<Option<Value>, Failure> {
        let Some((api, name)) = &self.object else {
            return Ok(None);
        };
        let found = api.get_opt(name).await;
        let found = found.map_err(|error| Failure::hub(&format!("read {object}"), &error))?;
        Ok(found.map(|found| found.data))
    }

    /// All bindings are well and have not changed for a while: right after a change they still tell of the old state.
    async fn settled(&mut self, hub: &Hub) -> Result<Option<String>, Failure> {
        let bindings = Api::<WorkloadBinding>::all(hub.client.clone())
            .list(&ListParams::default())
            .await;
        let bindings = bindings
            .map_err(|error| Failure::hub("list bindings", &error))?
            .items;
        let all = bindings.len();
        let is_well = |binding: &&WorkloadBinding| {
            let conditions = &binding.status_or_default().conditions;
            is_true(conditions, ConditionType::Applied) && is_true(conditions, ConditionType::Available)
        };
        let well = bindings.iter().filter(is_well).count();
        if all == 0 || well < all {
            self.well = None;
            return Ok(Some(format!(
                "{well} of {all} bindings are Applied and Available"
            )));
        }
        let versions: Vec<String> = bindings
            .into_iter()
            .filter_map(|binding| binding.metadata.resource_version)
            .collect();
        match &self.well {
            Some((since, before)) if *before == versions => {
                Ok((since.elapsed() < STILL).then(|| "bindings changed a moment ago".to_owned()))
            }
            _ => {
                self.well = Some((Instant::now(), versions));
                Ok(Some("bindings still change".to_owned()))
            }
        }
    }
}

/// What has the conditions that are meant: an object of the hub's own kinds, else the binding of the template.
async fn conditioned(hub: &Hub, object: &str) -> Result<(Api<DynamicObject>, String), Failure> {
    let (word, name) = split(object)?;
    let kind = kind_of(hub, word).await?;
    if kind.resource.group == api::GROUP {
        return Ok((kind.api(&hub.client, Some(&hub.namespace)), name.to_owned()));
    }
    let template = GroupKind::new(kind.resource.group.as_str(), kind.resource.kind.as_str());
    let bindings = kind_of(hub, "workloadbindings.hanse.dev").await?;
    Ok((
        bindings.api(&hub.client, Some(&hub.namespace)),
        binding_name(&template, name),
    ))
}
