//! The two clusters that are compared, started once for all rows.

use std::path::PathBuf;

use hanse::sandbox::{Cluster, Listening, Options};
use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::harness::{Fleet, FleetOptions};

#[derive(Default)]
pub(crate) struct Worlds(Mutex<Option<Result<Started, String>>>);

struct Started {
    runtime: Runtime,
    fleet: Option<Fleet>,
    sandbox: Option<(Cluster, Listening)>,
    folder: TempDir,
}

/// Where to find both.
#[derive(Debug, Clone)]
pub(crate) struct Both {
    pub(crate) sandbox: PathBuf,
    pub(crate) real: PathBuf,
}

impl Worlds {
    /// Their kubeconfigs; the first one to ask starts them.
    pub(crate) fn both(&self) -> Result<Both, String> {
        let mut started = self.0.lock();
        let started = started.get_or_insert_with(start).as_ref().map_err(Clone::clone)?;
        let fleet = started.fleet.as_ref().ok_or("the fleet has ended")?;
        Ok(Both {
            sandbox: started.folder.path().join("sandbox.kubeconfig"),
            real: fleet.members()[0].kubeconfig().to_owned(),
        })
    }

    pub(crate) fn clear(&self) {
        let Some(Ok(mut started)) = self.0.lock().take() else {
            return;
        };
        started.fleet.take();
        if let Some((cluster, listening)) = started.sandbox.take() {
            started.runtime.block_on(async {
                listening.stop().await;
                cluster.stop().await;
            });
        }
    }
}

fn start() -> Result<Started, String> {
    let runtime = Runtime::new().map_err(|error| error.to_string())?;
    let options = FleetOptions {
        members: 1,
        ..FleetOptions::default()
    };
    let fleet = runtime
        .block_on(Fleet::start(options))
        .map_err(|error| error.to_string())?;
    let folder = TempDir::new().map_err(|error| error.to_string())?;
    let sandbox = runtime.block_on(async {
        let cluster = Cluster::start(&Options::member(1));
        let address = "127.0.0.1:0".parse().expect("an address");
        let listening = cluster.listen(address).await.map_err(|error| error.to_string())?;
        Ok::<_, String>((cluster, listening))
    })?;
    let path = folder.path().join("sandbox.kubeconfig");
    std::fs::write(path, sandbox.1.kubeconfig()).map_err(|error| error.to_string())?;
    Ok(Started {
        runtime,
        fleet: Some(fleet),
        sandbox: Some(sandbox),
        folder,
    })
}
