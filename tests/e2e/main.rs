//! Scenarios, each in two worlds: `cargo test --test e2e -- [sandbox::|kubernetes::][FILTER]`.
//!
//! The fleet is one in this process, or real Kubernetes; the hub is the same program, and what judges it too.
//! A scenario is one async function that panics when something is not so, listed in its file's `scenarios()`. Those
//! that keep to namespaces of their own share a fleet, which starts with the first of them; those that break things
//! start their own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a scenario fails by panicking"
)]
#![allow(
    clippy::too_many_lines,
    clippy::needless_pass_by_value,
    clippy::assigning_clones,
    reason = "a scenario reads as one story; its values are made on the spot"
)]
#![allow(clippy::print_stderr, reason = "the tests' own words")]

mod adopted;
mod bad_input;
mod boutique;
mod bundles;
mod cli_scenarios;
mod custom_resources;
mod deletion;
mod dependencies;
mod divided;
mod drift;
mod fence;
#[path = "../kubernetes/harness/mod.rs"]
mod harness;
mod harness_scenarios;
mod immutable;
mod kind_rules;
mod kinds;
mod left;
mod members;

#[path = "../observer/mod.rs"]
mod observer;
mod overrides;
mod ownership;
mod policies;
mod promoted;
mod reported;
mod restart;
mod restored;
mod scenario;
mod seed;
mod shop;
mod soak;
mod suspend;
mod taints;
mod waiting;

use std::process::ExitCode;

use harness::{World, Write};
use scenario::{Scenario, Stage};

fn main() -> ExitCode {
    if std::env::var_os(harness_scenarios::VICTIM).is_some() {
        Stage::new(World::Kubernetes).block_on(harness_scenarios::be_the_victim());
    }
    let mut arguments = libtest_mimic::Arguments::from_args();
    // Scenarios mostly wait, so a few more run at once than there are CPUs; each costs the API servers some memory.
    arguments.test_threads.get_or_insert(4);
    let stages = [World::Sandbox, World::Kubernetes].map(Stage::new);
    let trials = stages
        .iter()
        .flat_map(|stage| scenarios().into_iter().filter_map(|scenario| scenario.on(stage)))
        .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    let wrong: Vec<String> = stages.iter().flat_map(|stage| stage.clear()).collect();
    if wrong.is_empty() {
        return conclusion.exit_code();
    }
    eprintln!("the observer saw what must not be:\n{}", wrong.join("\n"));
    ExitCode::FAILURE
}

fn scenarios() -> Vec<Scenario> {
    let all = [
        adopted::scenarios(),
        bad_input::scenarios(),
        immutable::scenarios(),
        left::scenarios(),
        reported::scenarios(),
        suspend::scenarios(),
        waiting::scenarios(),
        harness_scenarios::scenarios(),
        custom_resources::scenarios(),
        fence::scenarios(),
        cli_scenarios::scenarios(),
        boutique::scenarios(),
        bundles::scenarios(),
        deletion::scenarios(),
        dependencies::scenarios(),
        divided::scenarios(),
        kind_rules::scenarios(),
        drift::scenarios(),
        kinds::scenarios(),
        overrides::scenarios(),
        ownership::scenarios(),
        policies::scenarios(),
        promoted::scenarios(),
        restart::scenarios(),
        restored::scenarios(),
        soak::scenarios(),
        taints::scenarios(),
        members::scenarios(),
    ];
    all.into_iter().flatten().collect()
}
