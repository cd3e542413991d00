//! What people do with kubectl: shell lines, played in a namespace of their own.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::thread;

use similar::TextDiff;
use tempfile::TempDir;

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

/// `## name`, and shell lines. `k` is kubectl; lines that start with `~` are done but not compared.
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
    let step = |row: &Row| row.lines.iter().map(|line| id(row, line)).collect::<Vec<_>>();
    rows().iter().flat_map(step).collect()
}

fn id(row: &Row, line: &str) -> String {
    format!("{}: {line}", row.name).replace('|', "¦")
}

/// Plays a story in both worlds and compares line by line.
pub(crate) fn play(row: &Row, both: Both, known: &Known) -> Result<(), String> {
    let (sandbox, real) = thread::scope(|scope| {
        let sandbox = scope.spawn(|| all(row, &both.sandbox));
        let real = scope.spawn(|| all(row, &both.real));
        (sandbox.join().unwrap(), real.join().unwrap())
    });
    let mut wrong = String::new();
    for (line, (sandbox, real)) in row.lines.iter().zip(sandbox.into_iter().zip(real)) {
        let step = id(row, line);
        match (sandbox == real || line.starts_with('~'), known.has(&step)) {
            (true, false) | (false, true) => {}
            (true, true) => writeln!(wrong, "{step}\n  differs no more: take it off the list").unwrap(),
            (false, false) => {
                let diff = TextDiff::from_lines(&real, &sandbox);
                let diff = diff.unified_diff().header("real", "sandbox").to_string();
                writeln!(wrong, "{step}\n{diff}").unwrap();
            }
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

/// What each line answers in one world.
fn all(row: &Row, kubeconfig: &Path) -> Vec<String> {
    let folder = TempDir::new().unwrap();
    let own = folder.path().join("kubeconfig");
    std::fs::copy(kubeconfig, &own).unwrap();
    let files = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parity/manifests");
    let namespace = format!("parity-{}", row.name);
    let prepare = format!(
        "cp {files}/* . && k create namespace {namespace} && k config set-context --current --namespace {namespace} \
         && k wait --for=create serviceaccount/default --timeout=30s"
    );
    let said = run(&prepare, folder.path(), &own);
    assert!(said.starts_with("exit 0"), "{said}");
    let lines = row.lines.iter();
    lines
        .map(|line| normal(&run(line.trim_start_matches('~'), folder.path(), &own)))
        .collect()
}

/// Runs a line of shell and tells its exit code and words.
fn run(line: &str, folder: &Path, kubeconfig: &Path) -> String {
    let script = format!("k() {{ timeout 90 kubectl \"$@\"; }}\n{line}");
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
