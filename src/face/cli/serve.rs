//! `hub serve`: binds the listener, builds the hub API's client configuration, and hands over to the engine.

use std::{net::SocketAddr, time::Duration};

use kube::Config;
use tokio::{net::TcpListener, sync::watch};

use super::{
    args::{Global, LogFormat, Serve},
    context::{Prefer, config},
    failure::{Exit, Failure},
};
use crate::{
    act::{
        engine::{self, LeaseTimes, Options},
        wire::{Dial, Tasks},
    },
    face::server,
    model::{clock::Clock, manifest::Code},
    telemetry,
};

/// How long what is being written at SIGTERM may take.
const DRAIN: Duration = Duration::from_secs(10);

pub(super) async fn run(global: &Global, wanted: &Serve) -> Result<Exit, Failure> {
    check(wanted)?;
    log(wanted.log_format, global.verbose)?;
    let listener = listen(wanted.listen).await?;
    let address = listener
        .local_addr()
        .map_err(|error| Failure::system("failed to listen", &error))?;
    tracing::info!("listening on {address}");
    let config = config(global, Prefer::InCluster).await?;
    let tasks = Tasks::default();
    let (waiting, waits) = watch::channel(vec!["the engine".to_owned()]);
    let (stopped, sources) = (tasks.clone(), server::Sources { waiting: waits });
    tasks.spawn("http", async move {
        let stop = async move { stopped.stopped().await };
        if let Err(error) = server::serve(listener, sources, stop).await {
            tracing::error!(%error, "failed to answer HTTP");
        }
    });
    engine(config, wanted, waiting).await?;
    tasks.stop();
    if !tasks.join(DRAIN).await {
        tracing::warn!("some tasks did not end within {DRAIN:?}");
    }
    Ok(Exit::Done)
}

/// Takes the address on which HTTP is answered.
pub(super) async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        Failure::new(Code::SYSTEM, format!("failed to listen on {address}: {error}"))
            .with_hint("choose another address with --listen; port 0 takes any free port")
    })
}

/// Runs the engine until the process is told to stop and has drained.
async fn engine(config: Config, wanted: &Serve, waiting: watch::Sender<Vec<String>>) -> Result<(), Failure> {
    let options = Options {
        hub: config,
        dial: Dial::sockets(),
        lease: LeaseTimes {
            duration: wanted.lease_duration.0,
            renew_deadline: wanted.renew_deadline.0,
            retry_period: wanted.retry_period.0,
        },
        identity: identity(),
        clock: Clock::system(),
        waiting,
        max_failovers: wanted.max_failovers_per_hour,
    };
    engine::serve(options, asked_to_stop())
        .await
        .map_err(|error| match error {
            engine::Error::NotInstalled { .. } => Failure::new(Code::NOT_INSTALLED, error.to_string())
                .with_hint("run `hub install` against this hub API first"),
            engine::Error::Wire(wire) => wire.into(),
            error => Failure::new(Code::REQUEST_REFUSED, format!("failed to run the hub: {error}"))
                .with_hint("mend what the message names and start the hub again"),
        })
}

/// Who this process is among the replicas of the hub: its host and process id, told apart after a restart.
fn identity() -> String {
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "hub".to_owned());
    format!(
        "{host}_{}_{}",
        std::process::id(),
        Clock::system().now().as_millisecond()
    )
}

/// The three times must leave room for one another (PROTOCOL §6).
fn check(wanted: &Serve) -> Result<(), Failure> {
    let [duration, deadline, retry] = [
        wanted.lease_duration.0,
        wanted.renew_deadline.0,
        wanted.retry_period.0,
    ];
    if duration > deadline && deadline > retry && !retry.is_zero() {
        return Ok(());
    }
    Err(Failure::usage(
        "--lease-duration must be longer than --renew-deadline, and that longer than --retry-period",
    )
    .with_hint("the defaults are 9s, 6s and 1s"))
}

/// Resolves at SIGTERM or Ctrl-C.
pub(super) async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        }
        Err(_) => drop(tokio::signal::ctrl_c().await),
    }
    tracing::info!("stopping");
}

pub(super) fn log(format: LogFormat, verbose: u8) -> Result<(), Failure> {
    let level = match verbose {
        0 => "info",
        1 => "info,hanse=debug",
        _ => "debug,hanse=trace",
    };
    let format = match format {
        LogFormat::Text => telemetry::LogFormat::Text,
        LogFormat::Json => telemetry::LogFormat::Json,
    };
    telemetry::init(format, level)
        .map_err(|error| Failure::new(Code::SYSTEM, error.to_string()).with_hint("see RUST_LOG"))
}
