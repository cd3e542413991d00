//! What a large fleet costs in memory: a child process plays 100 members with 2,000 pods each, the hub's side runs
//! here, and its own `VmRSS` is read 60 s after the lists are complete, with pods changing all the while.
//!
//! The members speak plain HTTP/1.1, so that each watch has a socket of its own: more sockets than with real
//! members, and no TLS. `HANSE_BENCH_MEMBERS`, `HANSE_BENCH_PODS` and `HANSE_BENCH_REST` (seconds) make it smaller.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a bench fails by panicking"
)]
#![allow(clippy::print_stdout, reason = "what a bench is for")]
#![allow(clippy::print_stderr, reason = "progress")]

mod member;

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{FutureExt, future::BoxFuture};
use hanse::{
    act::{
        fleet::{Change, Claim, Error, Fleet, FleetConfig, Link, Transport, WatchScope},
        wire::{Gate, Stack, Tasks},
    },
    model::{api, clock::Clock, name::GroupKind},
};
use kube::Config;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What the hub may use with 100 members of 2,000 pods.
const BOUND: u64 = 250 << 20;
const CHILD: &str = "HANSE_BENCH_FACTS_CHILD";

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

fn main() {
    let pods = number("HANSE_BENCH_PODS", 2_000);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    if std::env::var_os(CHILD).is_some() {
        runtime.block_on(member::serve(usize::try_from(pods).unwrap()));
    } else {
        runtime.block_on(measure(number("HANSE_BENCH_MEMBERS", 100), pods));
    }
}

/// Members are paths of one address.
#[derive(Debug)]
struct Paths {
    address: String,
}

impl Transport for Paths {
    fn connect<'a>(
        &'a self,
        cluster: &'a api::Cluster,
        _hub: &'a Stack,
        gate: &'a Gate,
    ) -> BoxFuture<'a, Result<Link, Error>> {
        async move {
            let name = cluster.metadata.name.as_deref().unwrap();
            let config = Config::new(format!("http://{}/{name}", self.address).parse().unwrap());
            Ok(Link {
                stack: Stack::connect(&config, gate.clone())?,
                token: None,
                credential: None,
            })
        }
        .boxed()
    }

    fn store_token<'a>(
        &'a self,
        _cluster: &'a api::Cluster,
        _hub: &'a Stack,
        _token: &'a str,
    ) -> BoxFuture<'a, Result<(), Error>> {
        futures::future::ready(Ok(())).boxed()
    }
}

#[allow(clippy::too_many_lines, reason = "one measurement, read from top to bottom")]
async fn measure(members: u64, pods: u64) {
    // The child ends when our end of its standard input is closed, however we end.
    let mut child = Command::new(std::env::current_exe().unwrap())
        .env(CHILD, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut address = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut address)
        .unwrap();
    let address = address.trim().to_owned();

    let tasks = Tasks::default();
    let config = Config::new(format!("http://{address}/hub").parse().unwrap());
    let (fleet, mut changes) = Fleet::new(FleetConfig {
        claim: Claim {
            hub: member::HUB.to_owned(),
            api: member::API.to_owned(),
        },
        hub: Stack::connect(&config, Gate::default()).unwrap(),
        gate: Gate::default(),
        clock: Clock::system(),
        tasks: tasks.clone(),
        transport: Arc::new(Paths { address }),
    });
    let empty = memory();
    let started = Instant::now();
    for index in 0..members {
        let mut cluster = api::Cluster::new(&format!("m-{index}"), api::ClusterSpec::default());
        cluster.metadata.uid = Some(format!("cluster-{index}"));
        fleet.set(Arc::new(cluster));
    }
    let deployments = GroupKind::new("apps", "Deployment");
    let is_complete = |fleet: &Fleet| {
        let snapshot = fleet.snapshot();
        let mut complete = snapshot.members.len() as u64 == members;
        for (name, member) in &snapshot.members {
            let Some(handle) = fleet.member(name) else {
                return false;
            };
            handle.watch_kind(&deployments, WatchScope::AllNamespaces);
            complete &= handle.is_synced(&deployments, None);
            complete &= member.requested.pods >= pods && member.is_writable() && member.nodes.ready > 0;
        }
        complete
    };
    let mut told = 0_u64;
    let mut peak = 0;
    let mut said = Instant::now();
    while !is_complete(&fleet) {
        if said.elapsed() > Duration::from_secs(10) {
            said = Instant::now();
            let snapshot = fleet.snapshot();
            let listed = snapshot
                .members
                .values()
                .filter(|member| member.requested.pods >= pods)
                .count();
            let reachable = snapshot
                .members
                .values()
                .filter(|member| member.is_writable())
                .count();
            eprintln!(
                "{listed} of {members} are listed, {reachable} reachable, {} MiB",
                memory() >> 20
            );
        }
        drain(&mut changes, &mut told);
        peak = peak.max(memory());
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(
            started.elapsed() < Duration::from_mins(10),
            "the lists did not complete"
        );
    }
    println!(
        "{members} members × {pods} pods: lists complete after {:.1?}",
        started.elapsed()
    );
    let until = Instant::now() + Duration::from_secs(number("HANSE_BENCH_REST", 60));
    while Instant::now() < until {
        drain(&mut changes, &mut told);
        peak = peak.max(memory());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let used = memory();
    tasks.stop();
    tasks.join(Duration::from_secs(5)).await;
    drop(child.stdin.take());
    let _ = child.wait();

    let mib = |bytes: u64| bytes / (1 << 20);
    println!(
        "VmRSS {} MiB of {} MiB (empty {} MiB, peak {} MiB), {told} changes told",
        mib(used),
        mib(BOUND),
        mib(empty),
        mib(peak)
    );
    assert!(used < BOUND, "the hub uses more than it may");
}

fn drain(changes: &mut tokio::sync::mpsc::Receiver<Change>, told: &mut u64) {
    while changes.try_recv().is_ok() {
        *told += 1;
    }
}

/// `VmRSS` of this process, in bytes.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap_or_default();
    line.split_whitespace()
        .next()
        .and_then(|text| text.parse::<u64>().ok())
        .unwrap_or_default()
        * 1024
}
