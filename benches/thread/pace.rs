//! One Deployment a second: how long each is on its way, out and back.

use std::fmt;
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::Failed;
use crate::board::Sighting;
use crate::burst::kinds;
use crate::ground::{FLOOR, Ground, Load, deployment};
use crate::machine::{idle_percent, percentile};

const WITHIN: Duration = Duration::from_mins(1);
const INTERVAL: Duration = Duration::from_secs(1);

/// Durations, sorted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Delays(Vec<Duration>);

impl Delays {
    fn of(delays: impl Iterator<Item = Duration>) -> Self {
        let mut sorted: Vec<_> = delays.collect();
        sorted.sort_unstable();
        Self(sorted)
    }

    /// In milliseconds.
    pub(crate) fn at(&self, percent: usize) -> f64 {
        percentile(&self.0, percent).unwrap_or_default().as_secs_f64() * 1000.0
    }

    fn json(&self) -> Value {
        json!({"p50": self.at(50), "p90": self.at(90), "p99": self.at(99), "max": self.at(100), "samples": self.0.len()})
    }
}

/// What one pass gave, in milliseconds.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    idle: f64,
    /// From the request that creates the template to the object seen in a member.
    pub(crate) there: Delays,
    /// The same without a hub.
    pub(crate) floor: Delays,
    /// The same, from the answer to that request.
    there_from_answer: Delays,
    /// From the request to the template showing the sum.
    pub(crate) back: Delays,
    /// From the last pod ready in its member to the template showing the sum: the hub's own share of `back`.
    pub(crate) back_from_ready: Delays,
    writes: std::collections::BTreeMap<String, usize>,
    pub(crate) writes_per_deployment: f64,
    pub(crate) hub_cpu_per_deployment: f64,
}

/// Creates `count` templates, waits for all of it and takes everything away again.
pub(crate) async fn run(ground: &mut Ground, count: usize) -> Result<Pace, Failed> {
    let idle = idle_percent(Duration::from_secs(2)).await?;
    let (writes, cpu) = (ground.hub_writes().len(), ground.federation.serve.usage());
    let sent = send(ground, "pace", count).await?;
    let names: Vec<String> = sent.iter().map(|sent| sent.name.clone()).collect();
    let enough = |seen: &Sighting| seen.back.is_some();
    let sightings = ground.board.wait(&names, WITHIN, "one a second", enough).await?;
    tokio::time::sleep(INTERVAL).await;
    let written = kinds(&ground.hub_writes()[writes..]);
    let cpu = (ground.federation.serve.usage() - cpu).cpu_seconds();
    ground.clear().await?;
    let floor = floor(ground, count.div_ceil(2)).await?;

    let pairs = || sent.iter().zip(&sightings);
    let there = pairs().flat_map(|(sent, seen)| since(&seen.there, sent.asked));
    let answered = pairs().flat_map(|(sent, seen)| since(&seen.there, sent.answered));
    let back = pairs().filter_map(|(sent, seen)| Some(seen.back?.saturating_duration_since(sent.asked)));
    let ready = |seen: &Sighting| seen.ready.iter().flatten().max().copied();
    let own = sightings
        .iter()
        .filter_map(|seen| Some(seen.back?.saturating_duration_since(ready(seen)?)));
    let pace = Pace {
        idle,
        there: Delays::of(there),
        floor,
        there_from_answer: Delays::of(answered),
        back: Delays::of(back),
        back_from_ready: Delays::of(own),
        writes_per_deployment: written.values().sum::<usize>() as f64 / count as f64,
        writes: written,
        hub_cpu_per_deployment: cpu / count as f64,
    };
    eprintln!("{pace}");
    Ok(pace)
}

/// The same Deployments written straight to every member at once: from the request until each is seen there.
pub(crate) async fn floor(ground: &mut Ground, count: usize) -> Result<Delays, Failed> {
    let params = PatchParams::apply(FLOOR);
    let mut sent = Vec::new();
    let mut ticks = tokio::time::interval(INTERVAL);
    for number in 1..=count {
        ticks.tick().await;
        let name = format!("{FLOOR}-pace-{number}");
        let body = Patch::Apply(deployment(&name, Load::Running));
        let asked = Instant::now();
        try_join_all(
            ground
                .floors
                .iter()
                .map(|floor| floor.patch(&name, &params, &body)),
        )
        .await?;
        let answered = Instant::now();
        sent.push(Sent {
            name,
            asked,
            answered,
        });
    }
    let names: Vec<String> = sent.iter().map(|sent| sent.name.clone()).collect();
    let enough = |seen: &Sighting| seen.there.iter().all(Option::is_some);
    let sightings = ground.board.wait(&names, WITHIN, "one a second", enough).await?;
    ground.clear().await?;
    let pairs = sent.iter().zip(&sightings);
    Ok(Delays::of(
        pairs.flat_map(|(sent, seen)| since(&seen.there, sent.asked)),
    ))
}

/// A template that was created.
pub(crate) struct Sent {
    pub(crate) name: String,
    pub(crate) asked: Instant,
    answered: Instant,
}

/// Creates one template a second.
pub(crate) async fn send(ground: &Ground, prefix: &str, count: usize) -> Result<Vec<Sent>, Failed> {
    let mut sent = Vec::new();
    let mut ticks = tokio::time::interval(INTERVAL);
    for number in 1..=count {
        ticks.tick().await;
        let name = format!("{prefix}-{number}");
        let asked = Instant::now();
        ground.create(&name, Load::Running).await?;
        let answered = Instant::now();
        sent.push(Sent {
            name,
            asked,
            answered,
        });
    }
    Ok(sent)
}

/// How long after `start` each was. A watch may be faster than the answer.
fn since(times: &[Option<Instant>], start: Instant) -> impl Iterator<Item = Duration> {
    times
        .iter()
        .flatten()
        .map(move |time| time.saturating_duration_since(start))
}

/// How long the Deployments took to the first `members` members, and how many did not come.
pub(crate) fn delays_to(members: usize, sent: &[Sent], sightings: &[Sighting]) -> (Delays, usize) {
    let pairs = || sent.iter().zip(sightings);
    let delays = pairs().flat_map(|(sent, seen)| since(&seen.there[..members], sent.asked));
    let missing = sightings
        .iter()
        .flat_map(|seen| &seen.there[..members])
        .filter(|time| time.is_none());
    (Delays::of(delays), missing.count())
}

impl Pace {
    pub(crate) fn json(&self) -> Value {
        json!({
            "idlePercentBefore": self.idle,
            "createToMemberMillis": self.there.json(),
            "floorToMemberMillis": self.floor.json(),
            "createdToMemberMillis": self.there_from_answer.json(),
            "createToStatusMillis": self.back.json(),
            "readyToStatusMillis": self.back_from_ready.json(),
            "hubApiWrites": self.writes,
            "hubApiWritesPerDeployment": self.writes_per_deployment,
            "hubCpuSecondsPerDeployment": self.hub_cpu_per_deployment,
        })
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |delays: &Delays| format!("{:.0}/{:.0} ms", delays.at(50), delays.at(99));
        write!(
            f,
            "one a second, p50/p99: {:.0} % idle, in a member {} ({} from the answer, {} straight), status back {} ({} from ready); hub {:.0} CPU-ms each, {:?}",
            self.idle,
            show(&self.there),
            show(&self.there_from_answer),
            show(&self.floor),
            show(&self.back),
            show(&self.back_from_ready),
            self.hub_cpu_per_deployment * 1000.0,
            self.writes,
        )
    }
}
