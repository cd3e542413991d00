//! Real Kubernetes for tests, benches and `make demo-real`: a hub API and members on loopback ports. Or the same fleet
//! from the sandbox, in this process, so that one scenario runs in both worlds.
//!
//! ```text
//! Fleet ─┬─ etcd                      one, a key prefix per control plane
//!        ├─ hub       ControlPlane    kube-apiserver, a few controllers; templates rest here, nothing runs
//!        └─ member-n  ControlPlane    kube-apiserver, all controllers, scheduler, kwok playing the nodes
//! ```
//!
//! What must hold: hub and members differ in service CIDR and node-port range (equal ones hide every bug in which
//! one cluster's allocation leaks into another); no process outlives the one that started it; nothing is waited for
//! by sleeping a fixed time. It is included by path from tests, benches and examples, and uses nothing of `hanse` but
//! the sandbox: what judges the hub shares no code with it.

#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "each test, bench and example uses a part"
)]
#![allow(missing_debug_implementations, reason = "a kube client has none")]
#![allow(clippy::print_stderr, reason = "the tests' own words")]

mod audit;
mod certificates;
mod commands;
mod control_plane;
mod federation;
mod fleet;
mod hub;
mod ports;
mod process;
mod programs;
mod sandboxed;
mod usage;
mod wait;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

pub use audit::Write;
pub use control_plane::ControlPlane;
pub use federation::Federation;
pub use fleet::{Fleet, FleetOptions, NodeSize, World};
pub use hub::{Answer, HubCommand, HubProcess};
pub use process::Signal;
pub use programs::{Need, Programs, data, kubectl, skips_are_failures};
pub use usage::{Usage, is_running};
pub use wait::{NotYet, eventually};

/// Why a fleet, or a program of it, is not there.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Missing(String),
    #[error("failed to start {name}")]
    Start { name: String, source: io::Error },
    #[error("{command} failed with {code}:\n{words}")]
    Refused {
        command: String,
        code: i32,
        words: String,
    },
    #[error("failed to signal {name}")]
    Signal { name: String, source: io::Error },
    #[error("{name} ended with status {status}; its last words:\n{last_words}")]
    Ended {
        name: String,
        status: i32,
        last_words: String,
    },
    #[error("{name} was not ready after {within:?}: {last}; its last words:\n{last_words}")]
    NotReady {
        name: String,
        within: Duration,
        last: String,
        last_words: String,
    },
    #[error("failed to write {}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("failed to make a certificate")]
    Certificate(#[from] rcgen::Error),
    #[error("failed to read the kubeconfig of {name}")]
    Kubeconfig {
        name: String,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("failed to talk to {name}")]
    Api { name: String, source: Box<kube::Error> },
    #[error("failed to start {name} in this process")]
    Sandbox {
        name: String,
        source: hanse::sandbox::ListenError,
    },
    #[error("failed to find a free port on 127.0.0.1")]
    NoFreePort,
}
