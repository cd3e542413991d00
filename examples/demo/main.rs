//! `make demo-real`: a hub API and members of real Kubernetes on this machine, and two small teams' work that spreads over them.
//!
//! ```text
//! Fleet (etcd, API servers, …) ─► Federation (hub serve, 3 × hub join) ─► hub apply policies, shop, blog ─► table, hints
//! ```
//!
//! It runs until Ctrl-C and leaves nothing behind but what cargo built. Nodes are played by kwok: Kubernetes is real,
//! containers are not.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it is a program for people"
)]

#[path = "../../tests/kubernetes/harness/mod.rs"]
mod harness;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use futures::future::try_join_all;
use hanse::face::cli::spread::{Column, Watch};
use hanse::face::cli::tour::{TEAMS, tour};
use harness::{ControlPlane, Federation, Fleet, FleetOptions, is_running};
use tokio::signal::unix::{SignalKind, signal};

/// A hub and members of real Kubernetes, with a shop spread over them.
#[derive(Debug, Parser)]
#[command(name = "demo")]
struct Options {
    /// How many members.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=20))]
    members: u8,
    /// Where the kubeconfigs are put: hub.kubeconfig, member-1.kubeconfig, …
    #[arg(long, value_name = "FOLDER", default_value = "target/demo")]
    dir: PathBuf,
    /// End when the shop runs everywhere.
    #[arg(long)]
    exit_when_ready: bool,
}

/// Why there is no demo.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("no {}; hint: start the demo with `make demo-real`, which builds it", .0.display())]
    NoBinary(PathBuf),
    #[error("failed to {doing}")]
    Io { doing: String, source: io::Error },
    #[error(transparent)]
    Fleet(#[from] harness::Error),
    #[error("hub serve ended; its last words:\n{0}")]
    HubEnded(String),
}

impl Error {
    fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        |source| Self::Io {
            doing: doing.into(),
            source,
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let outcome = tokio::select! {
        outcome = run(&options) => outcome,
        told = told_to_end() => told,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", chain(&error));
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<(), Error> {
    let started = Instant::now();
    let binary = hub_binary()?;
    println!(
        "Starting a hub API and {} members: real Kubernetes, played nodes …",
        options.members
    );
    let fleet = Fleet::start(FleetOptions {
        members: options.members.into(),
        ..FleetOptions::default()
    })
    .await?;
    let kubeconfigs = Kubeconfigs::write(&fleet, &options.dir)?;
    println!(
        "Starting the hub: hub install, hub serve, {} × hub join …",
        options.members
    );
    let federation = Federation::start(&fleet, &binary, &[]).await?;

    println!("\n$ hub apply -f policies");
    for team in TEAMS {
        println!("$ hub apply -f examples/{team} -n {team} --wait");
    }
    spread(&fleet, &federation).await?;
    println!(
        "\nShop and blog run where their policies say, {:.0} s after the start.",
        started.elapsed().as_secs_f32()
    );
    if options.exit_when_ready {
        return Ok(());
    }
    let programs = binary.parent().unwrap_or(&binary);
    let shop = Path::new("examples").join(TEAMS[0]);
    let tour = tour(programs, &kubeconfigs.folder, &shop, fleet.members().len());
    println!("{tour}Ctrl-C ends everything.");
    stay(&federation).await
}

/// The `hub` that cargo built beside this program.
fn hub_binary() -> Result<PathBuf, Error> {
    let own = std::env::current_exe().map_err(Error::io("find this program"))?;
    let folder = own.parent().and_then(Path::parent).unwrap_or(&own);
    let hub = folder.join("hub");
    if hub.is_file() {
        Ok(hub)
    } else {
        Err(Error::NoBinary(hub))
    }
}

/// Applies policies, shop and blog with the binary and draws, while it waits, what each member has of them.
async fn spread(fleet: &Fleet, federation: &Federation) -> Result<(), Error> {
    let hub = &federation.hub;
    let apply = async {
        let root = env!("CARGO_MANIFEST_DIR");
        let policies = hub.run(&["apply", "-f", &format!("{root}/policies")]).await?;
        policies.done("hub apply")?;
        try_join_all(TEAMS.map(|team| async move {
            let folder = format!("{root}/examples/{team}");
            let arguments = ["apply", "-f", &folder, "-n", team, "--wait", "--timeout", "2m"];
            hub.run(&arguments).await?.done("hub apply")
        }))
        .await
    };
    tokio::pin!(apply);
    let columns: Vec<Column> = fleet.control_planes().enumerate().map(column).collect();
    let mut watch = Watch::default();
    loop {
        tokio::select! {
            applied = &mut apply => {
                applied?;
                break;
            }
            () = tokio::time::sleep(Duration::from_millis(250)) => watch.look(&columns, &TEAMS).await,
        }
    }
    watch.end(&columns, &TEAMS).await;
    Ok(())
}

fn column((index, of): (usize, &ControlPlane)) -> Column {
    let [name, place] = match index {
        0 => ["hub API", "sum"],
        _ => [of.name(), of.region()],
    };
    Column {
        name: name.to_owned(),
        place: place.to_owned(),
        client: of.admin(),
    }
}

/// Until the hub ends, which it should not.
async fn stay(federation: &Federation) -> Result<(), Error> {
    while is_running(federation.serve.pid()) {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Err(Error::HubEnded(federation.serve.last_words()))
}

/// Ctrl-C, or SIGTERM as a service manager sends it.
async fn told_to_end() -> Result<(), Error> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::io("listen for SIGTERM"))?;
    tokio::select! {
        told = tokio::signal::ctrl_c() => told.map_err(Error::io("listen for Ctrl-C"))?,
        _ = terminate.recv() => {}
    }
    println!("\nEnding the fleet …");
    Ok(())
}

/// The administrators' kubeconfigs under names a person can type. They go with the fleet, which they lead to.
#[derive(Debug)]
struct Kubeconfigs {
    folder: PathBuf,
    files: Vec<PathBuf>,
}

impl Kubeconfigs {
    fn write(fleet: &Fleet, folder: &Path) -> Result<Self, Error> {
        std::fs::create_dir_all(folder).map_err(Error::io(format!("make {}", folder.display())))?;
        let folder = folder
            .canonicalize()
            .map_err(Error::io(format!("find {}", folder.display())))?;
        let mut files = Vec::new();
        for control_plane in fleet.control_planes() {
            let file = folder.join(format!("{}.kubeconfig", control_plane.name()));
            let text = std::fs::read(control_plane.kubeconfig());
            text.and_then(|text| private(&file)?.write_all(&text))
                .map_err(Error::io(format!("write {}", file.display())))?;
            files.push(file);
        }
        Ok(Self { folder, files })
    }
}

impl Drop for Kubeconfigs {
    fn drop(&mut self) {
        for file in &self.files {
            let _ = std::fs::remove_file(file);
        }
        let _ = std::fs::remove_dir(&self.folder);
    }
}

/// A new file that only its owner reads: it holds a key.
fn private(path: &Path) -> io::Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
}

/// An error and its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
