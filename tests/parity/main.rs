//! The sandbox against real Kubernetes: `cargo test --test parity -- [FILTER]`.
//!
//! Each row is played against both, and what comes back is compared after what must differ (names that are drawn,
//! times, addresses) was taken out. What differs all the same is listed in `docs/reference/sandbox.md` with its
//! reason: a difference that is not listed fails, and so does a listed one that is no more.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a row fails by panicking"
)]
#![allow(clippy::print_stderr, reason = "the tests' own words")]

mod commands;
mod compare;
#[path = "../kubernetes/harness/mod.rs"]
mod harness;
mod known;
mod normal;
mod requests;
mod worlds;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Completion, Trial};

use harness::{Need, skips_are_failures};
use known::Known;
use worlds::{Both, Worlds};

/// One story, yet to be played.
type Play = Box<dyn FnOnce(&Both, &Known) -> Result<(), String> + Send>;

fn main() -> ExitCode {
    let mut arguments = libtest_mimic::Arguments::from_args();
    // Each trial asks two servers at once.
    arguments.test_threads.get_or_insert(2);
    let worlds = Arc::new(Worlds::default());
    let known = Arc::new(Known::read());
    let trial = |name: String, needs: &'static [Need], play: Play| {
        let (worlds, known) = (worlds.clone(), known.clone());
        Trial::ignorable_test(name, move || {
            for need in needs {
                match need.missing() {
                    Some(missing) if skips_are_failures() => return Err(missing.into()),
                    Some(missing) => return Ok(Completion::ignored_with(missing)),
                    None => {}
                }
            }
            play(&worlds.both()?, &known)?;
            Ok(Completion::Completed)
        })
    };
    let mut trials = Vec::new();
    for row in commands::rows() {
        let name = format!("kubectl::{}", row.name);
        let play: Play = Box::new(move |both, known| commands::play(&row, both, known));
        trials.push(trial(name, &[Need::Kubernetes, Need::Kubectl], play));
    }
    for row in requests::rows() {
        let name = format!("requests::{}", row.name);
        let play: Play = Box::new(move |both, known| requests::play(&row, both, known));
        trials.push(trial(name, &[Need::Kubernetes], play));
    }
    let known_rows = known.clone();
    trials.push(Trial::test("every_known_difference_is_of_a_row", move || {
        let steps = &commands::steps() | &requests::steps();
        let unknown: Vec<&str> = known_rows.steps().filter(|step| !steps.contains(*step)).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        Err(format!("docs/reference/sandbox.md lists what no row does: {unknown:#?}").into())
    }));
    let conclusion = libtest_mimic::run(&arguments, trials);
    worlds.clear();
    conclusion.exit_code()
}
