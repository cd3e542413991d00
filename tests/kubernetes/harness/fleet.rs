//! A hub API and its members.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use futures::future::{try_join, try_join_all};
use parking_lot::Mutex;
use tempfile::TempDir;

use super::commands::{self, Plan, Role};
use super::control_plane::ControlPlane;
use super::process::{Process, Signal, Sweeper};
use super::usage::Usage;
use super::{Error, Programs, ports, sandboxed};

/// What the control planes are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum World {
    /// kube-apiserver, etcd and their company, as programs.
    #[default]
    Kubernetes,
    /// The sandbox, in this process.
    Sandbox,
}

impl World {
    /// `kubernetes`, `sandbox`: how scenarios are named after it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Kubernetes => "kubernetes",
            Self::Sandbox => "sandbox",
        }
    }
}

/// How large a fleet is.
#[derive(Clone, Debug)]
pub struct FleetOptions {
    pub world: World,
    /// At most 90.
    pub members: usize,
    pub nodes_per_member: usize,
    pub node: NodeSize,
    /// Keep an audit log of writes (`ControlPlane::writes`). Costs the API servers a little CPU: not for benches.
    pub audited: bool,
}

/// The size of a node, as Kubernetes quantities.
#[derive(Clone, Debug)]
pub struct NodeSize {
    pub cpu: String,
    pub memory: String,
    pub pods: String,
}

impl NodeSize {
    pub fn new(cpu: &str, memory: &str, pods: u32) -> Self {
        Self {
            cpu: cpu.to_owned(),
            memory: memory.to_owned(),
            pods: pods.to_string(),
        }
    }
}

impl Default for FleetOptions {
    fn default() -> Self {
        Self {
            world: World::default(),
            members: 3,
            nodes_per_member: 3,
            node: NodeSize::new("16", "64Gi", 250),
            audited: false,
        }
    }
}

/// The store of all API servers.
struct Etcd {
    process: Mutex<Process>,
    /// Starts it again on the same port.
    command: Mutex<Command>,
}

/// A running fleet. Dropping it ends every process and removes its folder, unless `HANSE_KEEP` is set.
pub struct Fleet {
    // In this order they end: readers before the store, all before their folder.
    hub: ControlPlane,
    members: Vec<ControlPlane>,
    /// None in the sandbox.
    etcd: Option<Etcd>,
    folder: Folder,
    started_in: Duration,
    names: AtomicU32,
}

impl Fleet {
    /// Starts everything at once and returns when every API server and node is ready: about 10 s for three members.
    pub async fn start(options: FleetOptions) -> Result<Self, Error> {
        if options.world == World::Sandbox {
            return Self::start_in_process(&options).await;
        }
        let started = Instant::now();
        let programs = Programs::find()?;
        let folder = Folder::make()?;
        let (clients, peers) = (ports::free()?, ports::free()?);
        let command = commands::etcd(&programs, &folder.path().join("etcd"), clients, peers);
        let etcd = Process::start("etcd", &command, &folder.path().join("etcd.log"))?;
        let store = format!("http://127.0.0.1:{clients}");

        let plan = |role, index, name: &str| {
            Plan::make(&programs, role, index, name, folder.path(), options.audited)
        };
        let member = async |number: usize| {
            let index = u8::try_from(number).unwrap_or(u8::MAX);
            let plan = plan(Role::Member, index, &format!("member-{number}"))?;
            let member = ControlPlane::start(plan, store.clone()).await?;
            member.make_nodes(options.nodes_per_member, &options.node).await?;
            Ok(member)
        };
        let hub = async { ControlPlane::start(plan(Role::Hub, 0, "hub")?, store.clone()).await };
        let (hub, members) = try_join(hub, try_join_all((1..=options.members).map(member))).await?;

        let started_in = started.elapsed();
        let fleet = Self {
            hub,
            members,
            etcd: Some(Etcd {
                process: Mutex::new(etcd),
                command: Mutex::new(command),
            }),
            folder,
            started_in,
            names: AtomicU32::new(0),
        };
        let memory = fleet.usage().mebibytes();
        eprintln!(
            "fleet: hub and {} members ready in {started_in:.1?}, {memory} MiB",
            options.members
        );
        Ok(fleet)
    }

    async fn start_in_process(options: &FleetOptions) -> Result<Self, Error> {
        let started = Instant::now();
        let folder = Folder::make()?;
        let start = async |number: usize| {
            let number = u8::try_from(number).unwrap_or(u8::MAX);
            ControlPlane::sandboxed(&sandboxed::options(number, options), folder.path()).await
        };
        let (hub, members) = try_join(start(0), try_join_all((1..=options.members).map(start))).await?;
        Ok(Self {
            hub,
            members,
            etcd: None,
            folder,
            started_in: started.elapsed(),
            names: AtomicU32::new(0),
        })
    }

    pub fn hub(&self) -> &ControlPlane {
        &self.hub
    }

    /// `member-1`, `member-2`, …
    pub fn members(&self) -> &[ControlPlane] {
        &self.members
    }

    /// The hub first, then the members.
    pub fn control_planes(&self) -> impl Iterator<Item = &ControlPlane> {
        std::iter::once(&self.hub).chain(&self.members)
    }

    /// A name that nothing in this fleet bears yet, so that scenarios can share it.
    pub fn namespace(&self, prefix: &str) -> String {
        format!("{prefix}-{}", self.names.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Where kubeconfigs, logs and the store lie; a test may put its own files here.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn started_in(&self) -> Duration {
        self.started_in
    }

    /// What all processes of the fleet use together.
    pub fn usage(&self) -> Usage {
        self.etcd_usage() + self.control_planes().map(ControlPlane::usage).sum()
    }

    /// What the store uses.
    pub fn etcd_usage(&self) -> Usage {
        self.etcd
            .as_ref()
            .map(|etcd| etcd.process.lock().usage())
            .unwrap_or_default()
    }

    fn store(&self) -> Result<&Etcd, Error> {
        let missing = || Error::Missing("the sandbox has no store to back up".to_owned());
        self.etcd.as_ref().ok_or_else(missing)
    }

    /// Copies the store of all API servers as it is now.
    pub fn back_up(&self) -> Result<PathBuf, Error> {
        let backup = self.folder().join("etcd-backup");
        let etcd = self.store()?.process.lock();
        etcd.signal(Signal::Stop)?;
        let copied = copy(&self.folder().join("etcd"), &backup);
        etcd.signal(Signal::Continue)?;
        copied.map(|()| backup)
    }

    /// Puts every API server back to a backup, as an operator does: all are ended, the store is replaced, all start.
    pub async fn restore(&self, backup: &Path) -> Result<(), Error> {
        self.control_planes().for_each(ControlPlane::kill_api_server);
        {
            let store = self.store()?;
            let mut etcd = store.process.lock();
            etcd.kill();
            let place = self.folder().join("etcd");
            let failed = |source| Error::File {
                path: place.clone(),
                source,
            };
            std::fs::remove_dir_all(&place).map_err(failed)?;
            copy(backup, &place)?;
            *etcd = Process::start("etcd", &store.command.lock(), &self.folder().join("etcd.log"))?;
        }
        try_join_all(self.control_planes().map(ControlPlane::restart_api_server)).await?;
        Ok(())
    }

    /// Every program of the fleet.
    pub fn pids(&self) -> Vec<u32> {
        let others = self.control_planes().flat_map(ControlPlane::pids);
        let etcd = self.etcd.iter().map(|etcd| etcd.process.lock().pid());
        etcd.chain(others).collect()
    }
}

/// Copies a folder with everything in it.
fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::File { path, source }
    };
    std::fs::create_dir_all(to).map_err(failed(to))?;
    for entry in std::fs::read_dir(from).map_err(failed(from))? {
        let entry = entry.map_err(failed(from))?.path();
        let into = to.join(entry.file_name().unwrap_or_default());
        if entry.is_dir() {
            copy(&entry, &into)?;
        } else {
            std::fs::copy(&entry, &into).map_err(failed(&entry))?;
        }
    }
    Ok(())
}

/// The fleet's folder: removed when the fleet ends, or when we end without having ended the fleet.
#[derive(Debug)]
enum Folder {
    Passing { folder: TempDir, _sweeper: Sweeper },
    Kept(PathBuf),
}

impl Folder {
    fn make() -> Result<Self, Error> {
        let failed = |source| Error::File {
            path: env::temp_dir(),
            source,
        };
        let folder = tempfile::Builder::new()
            .prefix("hanse-fleet-")
            .tempdir()
            .map_err(failed)?;
        if env::var_os("HANSE_KEEP").is_some() {
            let kept = folder.keep();
            eprintln!("fleet: {} is kept", kept.display());
            return Ok(Self::Kept(kept));
        }
        let sweeper = Sweeper::watch(folder.path())?;
        Ok(Self::Passing {
            folder,
            _sweeper: sweeper,
        })
    }

    fn path(&self) -> &Path {
        match self {
            Self::Passing { folder, .. } => folder.path(),
            Self::Kept(path) => path,
        }
    }
}
