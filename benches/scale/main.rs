//! A large fleet: `cargo bench --bench scale`. What is measured, and how, is told in `docs/reference/benchmarks.md`.
//!
//! ```text
//! this process   hub API and 100 members of the sandbox, listening on loopback; all templates and objects are here
//!      ▲ TLS
//! hub serve      a process of its own: what is read from /proc is the hub's alone
//! ```
//!
//! It fails only when it could not measure: whether an aim is met is for the reader to judge, who knows the machine.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench speaks to the one who started it"
)]
#![allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]

mod drift;
mod fill;
mod fleet;
#[path = "../../tests/kubernetes/harness/mod.rs"]
mod harness;
mod lost;
#[path = "../thread/machine.rs"]
#[allow(dead_code, reason = "the thread's bench uses all of it")]
mod machine;
mod report;
mod restart;
mod spread;

use std::error::Error;
use std::process::ExitCode;

use fleet::Large;
use report::Report;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Anything that keeps a pass from measuring.
type Failed = Box<dyn Error + Send + Sync>;

/// How much is measured. The aims are for the defaults.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    pub(crate) members: u8,
    /// Bindings, each of one object in one member.
    pub(crate) bindings: usize,
    /// Workloads that are placed on all members, one after the other.
    pub(crate) spreads: usize,
    /// Members that are lost, one after the other.
    pub(crate) lost: usize,
    /// Objects that somebody changes in a member.
    pub(crate) drifts: usize,
    /// Times that the hub starts again.
    pub(crate) restarts: usize,
}

impl Scale {
    fn from_environment() -> Result<Self, Failed> {
        fn number<T: std::str::FromStr>(name: &str, usual: T) -> Result<T, Failed> {
            match std::env::var(name) {
                Ok(text) => Ok(text
                    .parse()
                    .map_err(|_| format!("{name}={text} is not a number"))?),
                Err(_) => Ok(usual),
            }
        }
        Ok(Self {
            members: number("HANSE_BENCH_SCALE_MEMBERS", 100)?,
            bindings: number("HANSE_BENCH_BINDINGS", 100_000)?,
            spreads: number("HANSE_BENCH_SPREADS", 50)?,
            lost: number("HANSE_BENCH_LOST", 5)?,
            drifts: number("HANSE_BENCH_DRIFTS", 200)?,
            restarts: number("HANSE_BENCH_RESTARTS", 3)?,
        })
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
            ExitCode::FAILURE
        }
    }
}

async fn measure() -> Result<(), Failed> {
    let scale = Scale::from_environment()?;
    let mut report = Report::new(scale, machine::Machine::read());
    let mut large = Large::start(scale.members).await?;
    report.spread = spread::run(&large, scale.spreads).await?;
    report.lost = lost::run(&large, scale.lost).await?;
    report.filled = Some(fill::run(&large, scale.bindings).await?);
    report.drift = drift::run(&large, scale.drifts).await?;
    for _ in 0..scale.restarts {
        let restart = restart::run(&mut large).await?;
        eprintln!("restart: {restart:?}");
        report.restarts.push(restart);
    }
    println!("{}", report.table());
    println!("written to {}", report.write()?.display());
    Ok(())
}
