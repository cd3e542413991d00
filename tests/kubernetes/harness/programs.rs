//! What a test needs from the machine, and where it is found.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use super::Error;

/// The programs of a control plane, in one folder.
#[derive(Clone, Debug)]
pub struct Programs {
    folder: PathBuf,
}

const NAMES: [&str; 5] = [
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "etcd",
    "kwok",
];

impl Programs {
    /// Looks where `tests/kubernetes/build.sh` builds and looks: `$HANSE_KUBERNETES`, then `$KUBEBUILDER_ASSETS` if it
    /// holds them all, then the cache folder of the pinned versions.
    pub fn find() -> Result<Self, Error> {
        let complete = |folder: &PathBuf| missing_in(folder).is_empty();
        if let Some(folder) = folder_from("HANSE_KUBERNETES") {
            return Self::in_folder(folder);
        }
        match folder_from("KUBEBUILDER_ASSETS").filter(complete) {
            Some(folder) => Ok(Self { folder }),
            None => Self::in_folder(cache_folder()),
        }
    }

    fn in_folder(folder: PathBuf) -> Result<Self, Error> {
        let missing = missing_in(&folder);
        if missing.is_empty() {
            return Ok(Self { folder });
        }
        let missing = missing.join(", ");
        Err(Error::Missing(format!(
            "no {missing} in {}; hint: `make kubernetes` (needs Go)",
            folder.display()
        )))
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn command(&self, name: &str) -> Command {
        Command::new(self.folder.join(name))
    }
}

fn folder_from(variable: &str) -> Option<PathBuf> {
    env::var_os(variable)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

fn missing_in(folder: &Path) -> Vec<&'static str> {
    NAMES
        .into_iter()
        .filter(|name| !folder.join(name).is_file())
        .collect()
}

/// The folder of `build.sh`: keyed by the versions in the three `go.mod` files.
fn cache_folder() -> PathBuf {
    let version = |file: &'static str, module: &str| {
        let pinned = |line: &'static str| line.trim().trim_start_matches("require ").strip_prefix(module);
        file.lines().find_map(pinned).unwrap_or_default()
    };
    let kubernetes = version(include_str!("../control-plane/go.mod"), "k8s.io/kubernetes v");
    let etcd = version(include_str!("../etcd/go.mod"), "go.etcd.io/etcd/server/v3 v");
    let kwok = version(include_str!("../kwok/go.mod"), "sigs.k8s.io/kwok v");
    let home = || folder_from("HOME").unwrap_or_default().join(".cache");
    folder_from("XDG_CACHE_HOME")
        .unwrap_or_else(home)
        .join("hanse")
        .join(format!("kubernetes-{kubernetes}-etcd-{etcd}-kwok-{kwok}"))
}

/// What a scenario cannot do without. What is absent skips it, by name and with the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The control plane programs.
    Kubernetes,
    /// kubectl 1.30 or later on the PATH.
    Kubectl,
    /// The folder of example applications: `$HANSE_DATA`, by default `../shared/data`.
    Data,
}

impl Need {
    /// Why the need is not met here, `None` when it is.
    pub fn missing(self) -> Option<String> {
        match self {
            Self::Kubernetes => Programs::find().err().map(|error| error.to_string()),
            Self::Kubectl => KUBECTL.clone().err(),
            Self::Data => data().err().map(|error| error.to_string()),
        }
    }
}

/// `HANSE_REQUIRE=all`: a need that is not met is a failure.
pub fn skips_are_failures() -> bool {
    env::var("HANSE_REQUIRE").is_ok_and(|value| value == "all")
}

/// The folder of example applications.
pub fn data() -> Result<PathBuf, Error> {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let folder = folder_from("HANSE_DATA").unwrap_or_else(default);
    if folder.is_dir() {
        return Ok(folder);
    }
    Err(Error::Missing(format!(
        "no folder {}; hint: set HANSE_DATA to the example applications",
        folder.display()
    )))
}

/// Asked once: whether kubectl is there and young enough.
static KUBECTL: LazyLock<Result<(), String>> = LazyLock::new(|| {
    let run = Command::new("kubectl")
        .args(["version", "--client", "--output=json"])
        .output();
    let output = run.map_err(|error| format!("no kubectl on the PATH ({error})"))?;
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let minor = answer["clientVersion"]["minor"].as_str().unwrap_or_default();
    match minor.trim_end_matches('+').parse::<u32>() {
        Ok(30..) => Ok(()),
        _ => Err(format!(
            "kubectl on the PATH is 1.{minor}, 1.30 or later is needed"
        )),
    }
});

/// Runs kubectl against a control plane; the output is the caller's to judge.
pub async fn kubectl(kubeconfig: &Path, arguments: &[&str]) -> Result<Output, Error> {
    let mut command = Command::new("kubectl");
    command.arg("--kubeconfig").arg(kubeconfig).args(arguments);
    let failed = |source| Error::Start {
        name: "kubectl".to_owned(),
        source,
    };
    let run = tokio::task::spawn_blocking(move || command.output()).await;
    run.map_err(|joined| failed(joined.into()))?.map_err(failed)
}
