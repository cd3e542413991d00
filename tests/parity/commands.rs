//! What people do with kubectl: shell lines, played in a namespace of their own.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::compare::{Step, compare};
use crate::known::Known;
use crate::normal::normal;
use crate::worlds::Both;

/// One story.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// Also its namespace.
    pub(crate) name: String,
    lines: Vec<String>,
}

/// `## name`, and shell lines with [`FUNCTIONS`]; those that start with `~` are done but not compared.
const STORIES: &str = include_str!("commands.txt");

pub(crate) fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for line in STORIES.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(name) = line.strip_prefix("## ") {
            let (name, lines) = (name.to_owned(), Vec::new());
            rows.push(Row { name, lines });
        } else if let Some(row) = rows.last_mut() {
            row.lines.push(line.to_owned());
        }
    }
    rows
}

/// All steps, as the list of differences names them.
pub(crate) fn steps() -> BTreeSet<String> {
    rows().iter().flat_map(steps_of).map(|step| step.id).collect()
}

fn steps_of(row: &Row) -> Vec<Step> {
    let step = |line: &String| Step {
        id: format!("{}: {line}", row.name).replace('|', "¦"),
        compared: !line.starts_with('~'),
    };
    row.lines.iter().map(step).collect()
}

/// Plays a story in both worlds and compares line by line.
pub(crate) fn play(row: &Row, both: &Both, known: &Known) -> Result<(), String> {
    compare(&steps_of(row), both, known, |kubeconfig| all(row, kubeconfig))
}

/// What each line answers in one world.
fn all(row: &Row, kubeconfig: &Path) -> Result<Vec<String>, String> {
    let folder = TempDir::new().unwrap();
    let own = folder.path().join("kubeconfig");
    std::fs::copy(kubeconfig, &own).unwrap();
    let files = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parity/manifests");
    let namespace = format!("parity-{}", row.name);
    let namespace_object =
        format!(r#"{{"apiVersion":"v1","kind":"Namespace","metadata":{{"name":"{namespace}"}}}}"#);
    let prepare = format!(
        "cp {files}/* . && echo '{namespace_object}' | k apply -f - && k config set-context --current --namespace {namespace} \
         && k wait --for=create serviceaccount/default --timeout=30s"
    );
    let said = run(&prepare, folder.path(), &own);
    if !said.starts_with("exit 0") {
        return Err(said);
    }
    let play = |line: &String| normal(&run(line.trim_start_matches('~'), folder.path(), &own));
    Ok(row.lines.iter().map(play).collect())
}

/// What the lines may call. `make` creates what `kubectl create` would: it makes the object alone and sends it as JSON,
/// because kubectl itself sends it as protobuf, which the sandbox doesn't read.
const FUNCTIONS: &str = r#"
k() { timeout 90 kubectl "$@"; }
make() { k create "$@" --dry-run=client -o yaml > made.yaml && k create -f made.yaml; }
"#;

/// Runs a line of shell and tells its exit code and words.
fn run(line: &str, folder: &Path, kubeconfig: &Path) -> String {
    let script = format!("{FUNCTIONS}\n{line}");
    let output = Command::new("sh")
        .args(["-c", &script])
        .current_dir(folder)
        .env("KUBECONFIG", kubeconfig)
        .env("KUBECACHEDIR", folder.join("cache"))
        .output()
        .expect("sh runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let code = output.status.code().unwrap_or(-1);
    format!("exit {code}\n{}{}", text(&output.stdout), text(&output.stderr))
}
