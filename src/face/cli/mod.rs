//! The command line: verbs, output, progress.
//!
//! ```text
//! args ─► verb ─► act / decide / model ─► Exit        data on stdout
//!                        └──────────────► Failure     words on stderr: error[HUB####], the place, hint:
//! ```
//!
//! A verb returns data for stdout through [`output::Screen`] and talks through [`progress::Progress`]; nothing else
//! here prints. Every refusal is a [`failure::Failure`] with a code of `model::manifest` and a hint.

mod apply;
mod args;
mod bundles;
mod check;
mod clusters;
mod completions;
mod context;
mod cordon;
mod delete;
mod demo;
mod diagnose;
mod diff;
pub mod embedded;
mod events;
mod explain;
mod expressions;
mod failure;
mod fields;
mod get;
mod install;
mod join;
mod kinds;
mod leave;
mod locate;
mod member;
mod orphans;
mod output;
mod overrides;
mod plan;
mod progress;
mod promote;
mod rebalance;
mod reference;
mod references;
mod refusal;
mod rehearse;
mod roster;
mod serve;
mod simulate;
mod sources;
pub mod spread;
mod status;
mod table;
mod takeover;
#[cfg(test)]
mod tests;
pub mod tour;
mod wait;

use std::process::ExitCode;

use clap::Parser;
use tokio::runtime::{Builder, Runtime};

use args::{Args, Verb};
use failure::{Exit, Failure};
use output::Screen;

/// Parses the command line of this process and runs its verb.
#[must_use]
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // clap's own words: help and version go to stdout with 0, mistakes to stderr with 2.
            let code = u8::try_from(error.exit_code()).unwrap_or(2);
            return if error.print().is_ok() {
                ExitCode::from(code)
            } else {
                ExitCode::FAILURE
            };
        }
    };
    // One TLS provider for the whole process; a second install is refused and changes nothing.
    drop(rustls::crypto::ring::default_provider().install_default());
    let screen = Screen::new(args.global.color);
    let runtime = match runtime(&args.verb) {
        Ok(runtime) => runtime,
        Err(error) => {
            diagnose::draw(screen, &Failure::system("failed to start the runtime", &error));
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(&args, screen)) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            diagnose::draw(screen, &failure);
            failure.exit.into()
        }
    }
}

/// In a simulation time passes only when everybody waits for it, and one thread does one thing after the other: so a
/// script prints the same every time.
fn runtime(verb: &Verb) -> std::io::Result<Runtime> {
    match verb {
        Verb::Simulate(_) => Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build(),
        _ => Builder::new_multi_thread().enable_all().build(),
    }
}

async fn run(args: &Args, screen: Screen) -> Result<Exit, Failure> {
    let global = &args.global;
    match &args.verb {
        Verb::Demo(demo) => demo::run(global, screen, demo).await,
        Verb::Simulate(wanted) => simulate::run(global, screen, wanted).await,
        Verb::Serve(serve) => serve::run(global, serve).await,
        Verb::Install(install) => install::run(global, screen, install).await,
        Verb::Crds => install::crds(screen, global),
        Verb::Join(join) => join::run(global, screen, join).await,
        Verb::Leave(leave) => leave::run(global, screen, leave).await,
        Verb::Takeover(takeover) => takeover::run(global, screen, takeover).await,
        Verb::Cordon(wanted) => cordon::cordon(global, screen, wanted).await,
        Verb::Uncordon(wanted) => cordon::uncordon(global, screen, wanted).await,
        Verb::Drain(wanted) => cordon::drain(global, screen, wanted).await,
        Verb::Check(check) => check::run(global, screen, check),
        Verb::Apply(apply) => apply::run(global, screen, apply).await,
        Verb::Diff(wanted) => diff::run(global, screen, wanted).await,
        Verb::Delete(delete) => delete::run(global, screen, delete).await,
        Verb::Get(get) => get::run(global, screen, get).await,
        Verb::Status(status) => status::run(global, screen, status).await,
        Verb::Events(events) => events::run(global, screen, events).await,
        Verb::Explain(explain) => explain::run(global, screen, explain).await,
        Verb::Promote(wanted) => promote::run(global, screen, wanted).await,
        Verb::Rebalance(wanted) => rebalance::run(global, screen, wanted).await,
        Verb::Completions(shell) => completions::completions(screen, shell),
        Verb::Man(man) => completions::man(screen, man),
        Verb::Version => completions::version(global, screen),
    }
}
