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
use crate::ground::{FLOOR, Ground, deployment};
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
const WITHIN: Duration = Duration::from_mins(5);

/// What one burst took.
#[derive(Clone, Debug)]
pub(crate) struct Burst {
    pub(crate) writer: Writer,
    round: usize,
    objects: usize,
    /// Of all CPUs, just before.
    pub(crate) idle: f64,
    /// From the first request until every object exists in every member.
    there: Duration,
    /// Until every pod is ready in its member.
    ready: Duration,
    /// Until every template shows the sum; of the hub alone.
    back: Option<Duration>,
    pub(crate) hub: Usage,
    pub(crate) all: Usage,
    /// Of all, until every object exists: most pods are not made yet.
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
    writer: Writer,
    count: usize,
    round: usize,
) -> Result<Burst, Failed> {
    let prefix = match writer {
        Writer::Hub => "hub",
        Writer::Floor => FLOOR,
    };
    let names: Vec<String> = (1..=count)
        .map(|number| format!("{prefix}-{round}-{number}"))
        .collect();
    let idle = idle_percent(Duration::from_secs(2)).await?;
    let before = Measured::now(ground);
    let started = Instant::now();
    match writer {
        Writer::Hub => create(ground, &names).await?,
        Writer::Floor => apply(ground, &names).await?,
    }
    let there = |seen: &Sighting| seen.there.iter().all(Option::is_some);
    ground
        .board
        .wait(&names, WITHIN, "a burst's objects", there)
        .await?;
    let all_until_there = ground.usage() - before.all;
    let done = |seen: &Sighting| {
        seen.ready.iter().all(Option::is_some) && (writer == Writer::Floor || seen.back.is_some())
    };
    let sightings = ground
        .board
        .wait(&names, WITHIN, "a burst", done)
        .await
        .map_err(|error| format!("{error}; the hub's last words:\n{}", ground.last_words()))?;
    tokio::time::sleep(TRAIL).await;
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
    let ready = since(
        sightings
            .iter()
            .flat_map(|seen| &seen.ready)
            .flatten()
            .max()
            .copied(),
    );
    let back = since(sightings.iter().filter_map(|seen| seen.back).max());
    Ok(Burst {
        writer,
        round,
        objects: count * ground.floors.len(),
        idle,
        there: there.unwrap_or_default(),
        ready: ready.unwrap_or_default(),
        back: back.filter(|_| writer == Writer::Hub),
        hub: after.hub - before.hub,
        all: after.all - before.all,
        all_until_there,
        own: after.own - before.own,
        writes: kinds(&after.writes[before.writes.len()..]),
        member_writes: after.member_writes - before.member_writes,
        count,
    })
}

async fn create(ground: &Ground, names: &[String]) -> Result<(), Failed> {
    stream::iter(names)
        .map(|name| ground.create(name))
        .buffer_unordered(IN_FLIGHT)
        .try_collect()
        .await
}

async fn apply(ground: &Ground, names: &[String]) -> Result<(), Failed> {
    let params = PatchParams::apply(FLOOR);
    let member = async |floor: &kube::Api<_>| -> Result<(), Failed> {
        stream::iter(names)
            .map(async |name| {
                let applied: Result<k8s_openapi::api::apps::v1::Deployment, _> =
                    floor.patch(name, &params, &Patch::Apply(deployment(name))).await;
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

    /// The same, when the status of all must be back; for the floor, when all pods are ready.
    pub(crate) fn rate_with_status(&self) -> f64 {
        self.objects as f64 / self.back.unwrap_or(self.ready).as_secs_f64().max(f64::EPSILON)
    }

    /// Of the hub to the hub API.
    pub(crate) fn writes_per_deployment(&self) -> f64 {
        self.writes.values().sum::<usize>() as f64 / self.count as f64
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "round": self.round,
            "writer": if self.writer == Writer::Hub { "hub" } else { FLOOR },
            "idlePercentBefore": self.idle,
            "secondsUntilAllExist": self.there.as_secs_f64(),
            "secondsUntilAllReady": self.ready.as_secs_f64(),
            "secondsUntilStatusIsBack": self.back.map(|back| back.as_secs_f64()),
            "objectClustersPerSecond": self.rate(),
            "objectClustersPerSecondWithStatus": self.rate_with_status(),
            "cpuSecondsHub": self.hub.cpu_seconds(),
            "cpuSecondsAll": self.all.cpu_seconds(),
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
        let writer = if self.writer == Writer::Hub { "hub" } else { FLOOR };
        write!(
            f,
            "{writer:5}: {:.0} % idle, all exist after {:.2} s ({:.0}/s), ready {:.2} s",
            self.idle,
            self.there.as_secs_f64(),
            self.rate(),
            self.ready.as_secs_f64(),
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
        write!(f, "; all {there:.1} CPU-s until all exist, {all:.1} in the end")
    }
}
