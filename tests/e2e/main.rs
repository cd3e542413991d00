//! Scenarios on real Kubernetes: `cargo test --test e2e -- [FILTER]`.
//!
//! A scenario is one async function that panics when something is not so, listed in its file's `scenarios()`. Those
//! that keep to namespaces of their own share a fleet, which starts with the first of them; those that break things
//! start their own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a scenario fails by panicking"
)]
#![allow(clippy::print_stderr, reason = "the tests' own words")]

mod fence;
#[path = "../kubernetes/harness/mod.rs"]
mod harness;
mod harness_scenarios;
mod scenario;

use std::process::ExitCode;

use scenario::Stage;

fn main() -> ExitCode {
    let mut arguments = libtest_mimic::Arguments::from_args();
    // Scenarios mostly wait, so a few more run at once than there are CPUs; each costs the API servers some memory.
    arguments.test_threads.get_or_insert(4);
    let stage = Stage::new();
    let trials = harness_scenarios::scenarios()
        .into_iter()
        .chain(fence::scenarios())
        .map(|scenario| scenario.on(&stage))
        .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    stage.clear();
    conclusion.exit_code()
}
