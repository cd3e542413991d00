//! The thread, measured on real Kubernetes: `cargo bench --bench thread`. What is measured, and how, is told in
//! `docs/reference/benchmarks.md`.
//!
//! ```text
//! Ground ── fleet, hub, tenant, identities          what all passes stand on
//!   ├─ paused   N Deployments at once, to every member   by the hub, and by the floor, in turn
//!   ├─ pace     one Deployment a second                  how long each is on its way
//!   ├─ stall    the same, with one member frozen         how long for the others
//!   └─ running  as paused, but with their pods           by the hub, and by the floor, in turn
//! Report ── table beside the aims, target/bench.json
//! ```
//!
//! It fails only when it could not measure: whether an aim is met is for the reader to judge, who knows the machine.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench speaks to the one who started it"
)]
#![allow(clippy::too_many_lines, reason = "a report reads as one page")]
#![allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]

#[path = "thread/board.rs"]
mod board;
#[path = "thread/burst.rs"]
mod burst;
#[path = "thread/ground.rs"]
mod ground;
#[path = "../tests/kubernetes/harness/mod.rs"]
mod harness;
#[path = "thread/machine.rs"]
mod machine;
#[path = "thread/pace.rs"]
mod pace;
#[path = "thread/report.rs"]
mod report;
#[path = "thread/stall.rs"]
mod stall;

use std::error::Error;
use std::process::ExitCode;

use burst::Writer;
use ground::{Ground, Load};
use report::Report;

/// Anything that keeps a pass from measuring.
type Failed = Box<dyn Error + Send + Sync>;

/// How much is measured. The aims are for the defaults.
#[derive(Clone, Copy, Debug)]
struct Scale {
    /// Members of the fleet.
    members: usize,
    /// Deployments in one burst.
    burst: usize,
    /// Bursts of the hub, and as many of the floor.
    rounds: usize,
    /// The same, with running pods; none leaves them out.
    running: usize,
    /// Deployments at one a second; none leaves the pass out.
    pace: usize,
    /// Times that a member is frozen; none leaves the pass out.
    stalls: usize,
}

impl Scale {
    fn from_environment() -> Result<Self, Failed> {
        let number = |name: &str, usual: usize| match std::env::var(name) {
            Ok(text) => text.parse().map_err(|_| format!("{name}={text} is not a number")),
            Err(_) => Ok(usual),
        };
        let rounds = number("HANSE_BENCH_ROUNDS", 5)?.max(1);
        Ok(Self {
            members: number("HANSE_BENCH_MEMBERS_REAL", 3)?.max(2),
            burst: number("HANSE_BENCH_BURST", 200)?.max(1),
            rounds,
            running: number("HANSE_BENCH_RUNNING", rounds.min(3))?,
            pace: number("HANSE_BENCH_PACE", 60)?,
            stalls: number("HANSE_BENCH_STALLS", 3)?,
        })
    }

    fn rounds(self, load: Load) -> usize {
        match load {
            Load::Paused => self.rounds,
            Load::Running => self.running,
        }
    }
}

fn main() -> ExitCode {
    let measured = tokio::runtime::Runtime::new()
        .map_err(Failed::from)
        .and_then(|runtime| runtime.block_on(measure()));
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("failed to measure: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprintln!("  because: {error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

async fn bursts(ground: &mut Ground, report: &mut Report, load: Load) -> Result<(), Failed> {
    let scale = report.scale;
    for round in 1..=scale.rounds(load) {
        // Who begins alternates too: the second finds warmer caches and a larger store.
        let mut writers = [Writer::Hub, Writer::Floor];
        if round % 2 == 0 {
            writers.reverse();
        }
        for writer in writers {
            let burst = burst::run(ground, load, writer, scale.burst, round).await?;
            eprintln!("round {round}, {burst}");
            report.bursts.push(burst);
        }
    }
    Ok(())
}

async fn measure() -> Result<(), Failed> {
    let scale = Scale::from_environment()?;
    let audited = std::env::var("HANSE_BENCH_AUDIT").map_or(true, |audit| audit != "0");
    let mut ground = Ground::prepare(scale, audited).await?;
    // Once for both, unmeasured: else whoever begins pays for the memory that API servers take at their first burst.
    for writer in [Writer::Floor, Writer::Hub] {
        let warm = burst::run(&mut ground, Load::Paused, writer, scale.burst, 0).await?;
        eprintln!("to warm up, {warm}");
    }
    let mut report = Report::new(scale, machine::Machine::read());
    bursts(&mut ground, &mut report, Load::Paused).await?;
    ground.quiet().await?;
    if scale.pace > 0 {
        report.pace = Some(pace::run(&mut ground, scale.pace).await?);
    }
    for turn in 1..=scale.stalls {
        let stall = stall::run(&mut ground, turn).await?;
        eprintln!("stall {turn}, {stall}");
        report.stalls.push(stall);
    }
    bursts(&mut ground, &mut report, Load::Running).await?;
    println!("{}", report.table());
    let path = report.write()?;
    println!("written to {}", path.display());
    Ok(())
}
