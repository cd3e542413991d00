//! What was measured, beside what was aimed at and what others publish.

use std::path::{Path, PathBuf};
use std::time::Duration;

use comfy_table::{Table, presets};
use serde_json::{Value, json};

use crate::fill::Filled;
use crate::machine::{Machine, median, percentile};
use crate::restart::Restart;
use crate::{Failed, Scale};

pub(crate) struct Report {
    scale: Scale,
    machine: Machine,
    /// All sorted.
    pub(crate) spread: Vec<Duration>,
    pub(crate) lost: Vec<Duration>,
    pub(crate) drift: Vec<Duration>,
    pub(crate) filled: Option<Filled>,
    pub(crate) restarts: Vec<Restart>,
}

impl Report {
    pub(crate) fn new(scale: Scale, machine: Machine) -> Self {
        Self {
            scale,
            machine,
            spread: Vec::new(),
            lost: Vec::new(),
            drift: Vec::new(),
            filled: None,
            restarts: Vec::new(),
        }
    }

    /// The median over the restarts.
    fn restart(&self, of: impl Fn(&Restart) -> f64) -> f64 {
        median(self.restarts.iter().map(of).collect())
    }

    pub(crate) fn table(&self) -> String {
        let Scale {
            members, bindings, ..
        } = self.scale;
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header(["", "hub", "aim", "published elsewhere"]);
        let mut row = |what: String, hub: String, aim: &str, others: &str| {
            table.add_row([what.as_str(), hub.as_str(), aim, others]);
        };
        for (percent, aim, others) in [
            (50, "", "Karmada 706 ms"),
            (90, "< 2000", "KubeFleet 20 s"),
            (99, "", "Karmada 1,298 ms"),
        ] {
            let what = format!("one workload to all {members} members, ms, p{percent}");
            row(what, millis(&self.spread, percent), aim, others);
        }
        let what = format!("restart with {bindings} bindings: s to Ready");
        let ready = self.restart(|restart| restart.ready.as_secs_f64());
        row(what, format!("{ready:.1}"), "< 30", "KubeFleet p90 11 min 15 s");
        let through = self.restart(|restart| restart.through.as_secs_f64());
        row(
            "… s until all was looked at".to_owned(),
            format!("{through:.1}"),
            "< 30",
            "",
        );
        let writes = self.restarts.iter().map(|restart| restart.writes).max();
        row(
            "… writes, at most".to_owned(),
            writes.unwrap_or_default().to_string(),
            "0",
            "",
        );
        let cpu = self.restart(|restart| restart.cpu.as_secs_f64());
        row("… CPU-s of the hub".to_owned(), format!("{cpu:.1}"), "", "");
        for (what, aim, of) in [
            (
                "… RSS of the hub, MB",
                "",
                (|restart| restart.resident) as fn(&Restart) -> u64,
            ),
            ("… highest RSS of the hub, MB", "< 2000", |restart| restart.peak),
        ] {
            let most = self.restarts.iter().map(of).max().unwrap_or_default();
            row(what.to_owned(), format!("{:.0}", most as f64 / 1e6), aim, "");
        }
        row(
            "drift repaired, ms, p50".to_owned(),
            millis(&self.drift, 50),
            "",
            "",
        );
        row(
            "drift repaired, ms, p99".to_owned(),
            millis(&self.drift, 99),
            "< 5000",
            "",
        );
        let lost = self.lost.last().map_or(0.0, Duration::as_secs_f64);
        row(
            "a lost member noticed, s, at most".to_owned(),
            format!("{lost:.1}"),
            "< 15",
            "",
        );
        if let Some(filled) = &self.filled {
            let rate = filled.bindings as f64 / filled.took.as_secs_f64();
            row("bindings made, a second".to_owned(), format!("{rate:.0}"), "", "");
        }
        format!(
            "{table}\n{}; {members} members of the sandbox in one process, hub in another; {} workloads to all, {} restarts,\n\
             {} objects changed by others, {} members lost.",
            self.machine,
            self.spread.len(),
            self.restarts.len(),
            self.drift.len(),
            self.lost.len()
        )
    }

    fn json(&self) -> Value {
        let all = |sorted: &[Duration]| {
            let millis = sorted.iter().map(|one| one.as_secs_f64() * 1e3);
            millis.collect::<Vec<_>>()
        };
        let restarts = self.restarts.iter().map(|restart| {
            json!({
                "secondsToReady": restart.ready.as_secs_f64(), "secondsUntilAllWasLookedAt": restart.through.as_secs_f64(),
                "writes": restart.writes, "cpuSecondsHub": restart.cpu.as_secs_f64(),
                "residentBytesHub": restart.resident, "highestResidentBytesHub": restart.peak,
            })
        });
        let filled = self.filled.as_ref().map(|filled| {
            json!({"bindings": filled.bindings, "seconds": filled.took.as_secs_f64(), "cpuSecondsHub": filled.hub.cpu_seconds()})
        });
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "machine": self.machine.json(),
            "scale": {"members": self.scale.members, "bindings": self.scale.bindings},
            "aims": {"spreadMillis": {"p90": 2000}, "secondsToReady": 30, "writes": 0, "highestResidentBytesHub": 2_000_000_000_u64,
                "driftMillis": {"p99": 5000}, "lostSeconds": 15},
            "spreadMillis": all(&self.spread), "driftMillis": all(&self.drift), "lostMillis": all(&self.lost),
            "filled": filled, "restarts": restarts.collect::<Vec<_>>(),
        })
    }

    /// Writes `target/bench-scale.json`.
    pub(crate) fn write(&self) -> Result<PathBuf, Failed> {
        let inside = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let path = inside.parent().unwrap_or(inside).join("bench-scale.json");
        std::fs::write(&path, format!("{:#}\n", self.json()))?;
        Ok(path)
    }
}

fn millis(sorted: &[Duration], percent: usize) -> String {
    let at = percentile(sorted, percent).unwrap_or_default();
    format!("{:.0}", at.as_secs_f64() * 1e3)
}
