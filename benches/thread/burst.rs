//! Many Deployments at once to every member, by the hub or written straight.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use futures::{StreamExt, TryStreamExt, stream};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::Failed;
use crate::board::Sighting;
use crate::ground::{FLOOR, Ground, Load, deployment};
use crate::harness::{Usage, Write};
use crate::machine::idle_percent;

/// Who brings the Deployments into the members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writer {
    /// A tenant's owner creates them at the hub, the hub does the rest.
    Hub,
    /// Server-side apply straight to the members, as the tenant. No status comes back.
    Floor,
}

/// Requests in flight: of the owner at the hub, and of the floor at each member.
const IN_FLIGHT: usize = 8;
/// Status that trails is the burst's work too.
const TRAIL: Duration = Duration::from_secs(2);
/// How long the fleet is looked at before a burst.
const REST: Duration = Duration::from_secs(2);
const WITHIN: Duration = Duration::from_mins(5);

/// What one burst took.
#[derive(Clone, Debug)]
pub(crate) struct Burst {
    pub(crate) load: Load,
    pub(crate) writer: Writer,
    round: usize,
    objects: usize,
    /// Of all CPUs, just before.
    pub(crate) idle: f64,
    /// From the first request until every object exists in every member.
    there: Duration,
    /// Until the members have done their part: observed all, or made every pod ready.
    done: Duration,
    /// Until every template says so; of the hub alone.
    back: Option<Duration>,
    pub(crate) hub: Usage,
    pub(crate) all: Usage,
    /// CPU seconds that all would have taken in that time without the burst.
    at_rest: f64,
    /// Of all, until every object exists.
    all_until_there: Usage,
    own: Usage,
    /// Of the hub to the hub API, by what they did.
    writes: BTreeMap<String, usize>,
    member_writes: usize,
    count: usize,
}

/// Runs one burst and takes everything away again.
pub(crate) async fn run(
    ground: &mut Ground,
    load: Load,
    writer: Writer,
    count: usize,
    round: usize,
) -> Result<Burst, Failed> {
    let names: Vec<String> = (1..=count)
        .map(|number| format!("{}-{}-{round}-{number}", writer.name(), load.name()))
        .collect();
    let resting = ground.usage();
    let idle = idle_percent(REST).await?;
    let at_rest = (ground.usage() - resting).cpu_seconds() / REST.as_secs_f64();
    let before = Measured::now(ground);
    if load == Load::Paused {
        ground.hold_controllers(true)?;
    }
    let started = Instant::now();
    match writer {
        Writer::Hub => create(ground, load, &names).await?,
        Writer::Floor => apply(ground, load, &names).await?,
    }
    let there = |seen: &Sighting| seen.there.iter().all(Option::is_some);
    ground
        .board
        .wait(&names, WITHIN, "a burst's objects", there)
        .await?;
    let all_until_there = ground.usage() - before.all;
    if load == Load::Paused {
        ground.hold_controllers(false)?;
    }
    let done = |seen: &Sighting| {
        load.done(seen).iter().all(Option::is_some) && (writer == Writer::Floor || load.back(seen).is_some())
    };
    let sightings = ground
        .board
        .wait(&names, WITHIN, "a burst", done)
        .await
        .map_err(|error| format!("{error}; the hub's last words:\n{}", ground.last_words()))?;
    tokio::time::sleep(TRAIL).await;
    let at_rest = at_rest * started.elapsed().as_secs_f64();
    let after = Measured::now(ground);
    ground.clear().await?;

    let since = |last: Option<Instant>| last.map(|last| last.duration_since(started));
    let there = since(
        sightings
            .iter()
            .flat_map(|seen| &seen.there)
            .flatten()
            .max()
            .copied(),
    );
    let done = since(
        sightings
            .iter()
            .flat_map(|seen| load.done(seen))
            .flatten()
            .max()
            .copied(),
    );
    let back = since(sightings.iter().filter_map(|seen| load.back(seen)).max());
    Ok(Burst {
        load,
        writer,
        round,
        objects: count * ground.floors.len(),
        idle,
        there: there.unwrap_or_default(),
        done: done.unwrap_or_default(),
        back: back.filter(|_| writer == Writer::Hub),
        hub: after.hub - before.hub,
        all: after.all - before.all,
        at_rest,
        all_until_there,
        own: after.own - before.own,
        writes: kinds(&after.writes[before.writes.len()..]),
        member_writes: after.member_writes - before.member_writes,
        count,
    })
}

impl Writer {
    fn name(self) -> &'static str {
        match self {
            Self::Hub => "hub",
            Self::Floor => FLOOR,
        }
    }
}

impl Load {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::Running => "running",
        }
    }

    /// When each member had done its part.
    fn done(self, seen: &Sighting) -> &[Option<Instant>] {
        match self {
            Self::Paused => &seen.observed,
            Self::Running => &seen.ready,
        }
    }

    /// When the template said that all had.
    fn back(self, seen: &Sighting) -> Option<Instant> {
        match self {
            Self::Paused => seen.told,
            Self::Running => seen.back,
        }
    }
}

async fn create(ground: &Ground, load: Load, names: &[String]) -> Result<(), Failed> {
    stream::iter(names)
        .map(|name| ground.create(name, load))
        .buffer_unordered(IN_FLIGHT)
        .try_collect()
        .await
}

async fn apply(ground: &Ground, load: Load, names: &[String]) -> Result<(), Failed> {
    let params = PatchParams::apply(FLOOR);
    let member = async |floor: &kube::Api<_>| -> Result<(), Failed> {
        stream::iter(names)
            .map(async |name| {
                let applied: Result<k8s_openapi::api::apps::v1::Deployment, _> = floor
                    .patch(name, &params, &Patch::Apply(deployment(name, load)))
                    .await;
                applied.map(drop)
            })
            .buffer_unordered(IN_FLIGHT)
            .try_collect::<()>()
            .await?;
        Ok(())
    };
    try_join_all(ground.floors.iter().map(member)).await?;
    Ok(())
}

/// Counters at one moment.
struct Measured {
    hub: Usage,
    all: Usage,
    own: Usage,
    writes: Vec<Write>,
    member_writes: usize,
}

impl Measured {
    fn now(ground: &Ground) -> Self {
        Self {
            writes: ground.hub_writes(),
            member_writes: ground.member_writes(),
            hub: ground.federation.serve.usage(),
            all: ground.usage(),
            own: Usage::of(std::process::id()).unwrap_or_default(),
        }
    }
}

/// Counts writes by verb, resource and answer.
pub(crate) fn kinds(writes: &[Write]) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    for write in writes {
        let below = write.subresource.iter().map(|name| format!("/{name}"));
        let refused = if write.succeeded() {
            String::new()
        } else {
            format!(" {}", write.status)
        };
        let what = format!(
            "{} {}{}{refused}",
            write.verb,
            write.resource,
            below.collect::<String>()
        );
        *kinds.entry(what).or_default() += 1;
    }
    kinds
}

impl Burst {
    /// Objects in members a second.
    pub(crate) fn rate(&self) -> f64 {
        self.objects as f64 / self.there.as_secs_f64().max(f64::EPSILON)
    }

    /// The same, when the status of all must be back; for the floor, when the members have done their part.
    pub(crate) fn rate_with_status(&self) -> f64 {
        self.objects as f64 / self.back.unwrap_or(self.done).as_secs_f64().max(f64::EPSILON)
    }

    /// Of all, less what they take in the same time when nothing is asked of them.
    pub(crate) fn cpu_beyond_rest(&self) -> f64 {
        self.all.cpu_seconds() - self.at_rest
    }

    /// Of all, until all objects exist.
    pub(crate) fn cpu_until_there(&self) -> f64 {
        self.all_until_there.cpu_seconds()
    }

    /// Of the hub to the hub API.
    pub(crate) fn writes_per_deployment(&self) -> f64 {
        self.writes.values().sum::<usize>() as f64 / self.count as f64
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "round": self.round,
            "load": self.load.name(),
            "writer": self.writer.name(),
            "idlePercentBefore": self.idle,
            "secondsUntilAllExist": self.there.as_secs_f64(),
            "secondsUntilMembersAreDone": self.done.as_secs_f64(),
            "secondsUntilStatusIsBack": self.back.map(|back| back.as_secs_f64()),
            "objectClustersPerSecond": self.rate(),
            "objectClustersPerSecondWithStatus": self.rate_with_status(),
            "cpuSecondsHub": self.hub.cpu_seconds(),
            "cpuSecondsAll": self.all.cpu_seconds(),
            "cpuSecondsAllAtRest": self.at_rest,
            "cpuSecondsAllUntilAllExist": self.all_until_there.cpu_seconds(),
            "cpuSecondsBench": self.own.cpu_seconds(),
            "residentBytesHub": self.hub.memory,
            "hubApiWrites": self.writes,
            "hubApiWritesPerDeployment": self.writes_per_deployment(),
            "memberWritesPerObject": self.member_writes as f64 / self.objects as f64,
        })
    }
}

impl fmt::Display for Burst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} by the {:5}: {:.0} % idle, all exist after {:.2} s ({:.0}/s), members done {:.2} s",
            self.load.name(),
            self.writer.name(),
            self.idle,
            self.there.as_secs_f64(),
            self.rate(),
            self.done.as_secs_f64(),
        )?;
        if let Some(back) = self.back {
            write!(
                f,
                ", status back {:.2} s; hub {:.2} CPU-s, {} MiB, {:?}, {:.2} member writes/object",
                back.as_secs_f64(),
                self.hub.cpu_seconds(),
                self.hub.mebibytes(),
                self.writes,
                self.member_writes as f64 / self.objects as f64,
            )?;
        }
        let [there, all] = [self.all_until_there, self.all].map(|usage| usage.cpu_seconds());
        write!(
            f,
            "; all {there:.1} CPU-s until all exist, {all:.1} in the end, of which {:.1} at rest",
            self.at_rest
        )
    }
}
