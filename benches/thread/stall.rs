//! One member frozen: the others must not notice.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use crate::Failed;
use crate::board::Sighting;
use crate::ground::Ground;
use crate::machine::idle_percent;
use crate::pace::{delays_to, send};

/// Deployments before, and as many while a member is frozen.
const COUNT: usize = 15;
const WITHIN: Duration = Duration::from_secs(30);

/// The same pace with all members, then with one frozen, in milliseconds to the others.
#[derive(Clone, Debug)]
pub(crate) struct Stall {
    idle: [f64; 2],
    pub(crate) before: f64,
    pub(crate) frozen: f64,
    p99: [f64; 2],
    /// Objects that were not in the other members half a minute later.
    pub(crate) missing: usize,
}

impl Stall {
    /// What the others may take.
    pub(crate) fn bound(&self) -> f64 {
        self.before * 1.2 + 20.0
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "idlePercentBefore": self.idle, "p50": self.before, "p50Frozen": self.frozen,
            "p99": self.p99[0], "p99Frozen": self.p99[1], "missing": self.missing,
        })
    }
}

/// Freezes the last member's API server with SIGSTOP from before the first Deployment on: so the time in which the
/// hub does not know yet is measured too.
pub(crate) async fn run(ground: &mut Ground, turn: usize) -> Result<Stall, Failed> {
    let others = ground.floors.len() - 1;
    let everywhere = |seen: &Sighting| seen.back.is_some();
    let at_others = |seen: &Sighting| seen.there[..others].iter().all(Option::is_some);

    let idle_before = idle_percent(Duration::from_secs(1)).await?;
    let sent = send(ground, &format!("before-{turn}"), COUNT).await?;
    let names: Vec<String> = sent.iter().map(|sent| sent.name.clone()).collect();
    let sightings = ground
        .board
        .wait(&names, WITHIN, "all members", everywhere)
        .await?;
    let (before, _) = delays_to(others, &sent, &sightings);

    let idle_frozen = idle_percent(Duration::from_secs(1)).await?;
    ground.fleet.members()[others].stop()?;
    let sent = send(ground, &format!("frozen-{turn}"), COUNT).await?;
    let names: Vec<String> = sent.iter().map(|sent| sent.name.clone()).collect();
    let arrived = ground
        .board
        .wait(&names, WITHIN, "the other members", at_others)
        .await;
    let (frozen, missing) = delays_to(others, &sent, &ground.board.sightings(&names));
    ground.fleet.members()[others].cont()?;
    if let Err(error) = arrived {
        eprintln!("with a member frozen: {error}");
    }
    let caught_up = ground
        .board
        .wait(&names, WITHIN * 4, "the member that came back", everywhere);
    caught_up.await?;
    ground.clear().await?;
    Ok(Stall {
        idle: [idle_before, idle_frozen],
        before: before.at(50),
        frozen: frozen.at(50),
        p99: [before.at(99), frozen.at(99)],
        missing,
    })
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ([before, frozen], [idle, idle_frozen]) = (self.p99, self.idle);
        write!(
            f,
            "p50/p99 to the others: {:.0}/{before:.0} ms ({idle:.0} % idle), with a member frozen {:.0}/{frozen:.0} ms ({idle_frozen:.0} % idle), {} missing",
            self.before, self.frozen, self.missing,
        )
    }
}
