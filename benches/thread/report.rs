//! What was measured, beside what was aimed at.

use std::path::{Path, PathBuf};

use comfy_table::{Table, presets};
use serde_json::{Value, json};

use crate::burst::{Burst, Writer};
use crate::machine::{Machine, median};
use crate::pace::Pace;
use crate::stall::Stall;
use crate::{Failed, Scale};

/// All of it.
pub(crate) struct Report {
    scale: Scale,
    machine: Machine,
    pub(crate) bursts: Vec<Burst>,
    pub(crate) pace: Option<Pace>,
    pub(crate) stalls: Vec<Stall>,
}

impl Report {
    pub(crate) fn new(scale: Scale, machine: Machine) -> Self {
        Self {
            scale,
            machine,
            bursts: Vec::new(),
            pace: None,
            stalls: Vec::new(),
        }
    }

    /// The median over the bursts of one writer.
    fn median(&self, writer: Writer, of: impl Fn(&Burst) -> f64) -> f64 {
        let bursts = self.bursts.iter().filter(|burst| burst.writer == writer);
        median(bursts.map(of).collect())
    }

    /// Karmada's numbers, and those of a prototype on kube 5, were taken on the same class of machine.
    pub(crate) fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY);
        table.set_header(["", "hub", "floor", "aim", "Karmada", "prototype"]);
        let both = |of: &dyn Fn(&Burst) -> f64, digits: usize| {
            [Writer::Hub, Writer::Floor].map(|writer| format!("{:.digits$}", self.median(writer, of)))
        };
        let mut row = |what: &str, [hub, floor]: [String; 2], aim: &str, karmada: &str, prototype: &str| {
            table.add_row([what, &hub, &floor, aim, karmada, prototype]);
        };
        let hub_only = |hub: String| [hub, String::new()];
        let floor = self.median(Writer::Floor, Burst::rate);
        let aim = format!("≥ 200 and ≥ {:.0} (¼ floor)", floor / 4.0);
        row(
            "object-clusters/s, all exist",
            both(&Burst::rate, 0),
            &aim,
            "21 (858)",
            "267 (644–1053)",
        );
        row(
            "object-clusters/s, all ready and status back",
            both(&Burst::rate_with_status, 0),
            "",
            "",
            "",
        );
        row(
            "CPU-s of the hub, a burst",
            hub_only(both(&|burst| burst.hub.cpu_seconds(), 2)[0].clone()),
            "≤ 1",
            "13",
            "0.2",
        );
        row(
            "CPU-s of all, a burst",
            both(&|burst| burst.all.cpu_seconds(), 1),
            "≤ 8",
            "55",
            "5",
        );
        let [hub, floor] =
            [Writer::Hub, Writer::Floor].map(|writer| self.median(writer, |burst| burst.all.cpu_seconds()));
        let beyond = hub_only(format!("{:.1}", hub - floor));
        row("CPU-s of all beyond the floor's", beyond, "", "", "");
        let memory = self
            .bursts
            .iter()
            .map(|burst| burst.hub.memory)
            .max()
            .unwrap_or_default();
        row(
            "RSS of the hub, MB (highest)",
            hub_only(format!("{:.0}", memory as f64 / 1e6)),
            "< 60",
            "270",
            "35",
        );
        row(
            "hub API writes per Deployment, burst",
            hub_only(both(&Burst::writes_per_deployment, 1)[0].clone()),
            "3.0–3.7",
            "26",
            "3.0–3.7",
        );
        if let Some(pace) = &self.pace {
            row(
                "hub API writes per Deployment, 1/s",
                hub_only(format!("{:.1}", pace.writes_per_deployment)),
                "3.0–3.7",
                "",
                "",
            );
            let [p50, p99] = [50, 99].map(|percent| hub_only(format!("{:.0}", pace.there.at(percent))));
            row("create → in a member, ms, p50 at 1/s", p50, "≤ 20", "58", "10");
            row("create → in a member, ms, p99", p99, "≤ 50", "146", "22");
            let [p50, p99] = [50, 99].map(|percent| hub_only(format!("{:.0}", pace.back.at(percent))));
            row("create → status back, ms, p50", p50, "", "", "");
            row("create → status back, ms, p99", p99, "≤ 400", "", "");
            let [p50, p99] = [50, 99].map(|percent| pace.back_from_ready.at(percent));
            row(
                "last pod ready → status back, ms, p50 · p99",
                hub_only(format!("{p50:.0} · {p99:.0}")),
                "",
                "",
                "",
            );
        }
        if !self.stalls.is_empty() {
            let stall = |of: &dyn Fn(&Stall) -> f64| median(self.stalls.iter().map(of).collect());
            let aim = format!("≤ {:.0}", stall(&Stall::bound));
            let frozen = format!("{:.0} ({:.0} before)", stall(&|s| s.frozen), stall(&|s| s.before));
            row(
                "p50 to the others, one member frozen, ms",
                hub_only(frozen),
                &aim,
                "",
                "",
            );
        }
        let idle = self
            .bursts
            .iter()
            .map(|burst| format!("{:.0}", burst.idle))
            .collect::<Vec<_>>()
            .join(" ");
        let Scale { burst, rounds, .. } = self.scale;
        format!(
            "{table}\n{burst} Deployments to 3 members, medians of {rounds}; {}; idle CPU in % before each burst: {idle}",
            self.machine
        )
    }

    fn json(&self) -> Value {
        let medians = |writer| {
            json!({
                "objectClustersPerSecond": self.median(writer, Burst::rate),
                "objectClustersPerSecondWithStatus": self.median(writer, Burst::rate_with_status),
                "cpuSecondsHub": self.median(writer, |burst| burst.hub.cpu_seconds()),
                "cpuSecondsAll": self.median(writer, |burst| burst.all.cpu_seconds()),
                "hubApiWritesPerDeployment": self.median(writer, Burst::writes_per_deployment),
            })
        };
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "machine": self.machine.json(),
            "scale": {"burst": self.scale.burst, "rounds": self.scale.rounds, "pace": self.scale.pace, "stalls": self.scale.stalls},
            "hub": medians(Writer::Hub),
            "floor": medians(Writer::Floor),
            "residentBytesHub": self.bursts.iter().map(|burst| burst.hub.memory).max(),
            "bursts": self.bursts.iter().map(Burst::json).collect::<Vec<_>>(),
            "pace": self.pace.as_ref().map(Pace::json),
            "stalls": self.stalls.iter().map(Stall::json).collect::<Vec<_>>(),
        })
    }

    /// Writes `target/bench.json`.
    pub(crate) fn write(&self) -> Result<PathBuf, Failed> {
        let inside = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let path = inside.parent().unwrap_or(inside).join("bench.json");
        std::fs::write(&path, format!("{:#}\n", self.json()))?;
        Ok(path)
    }
}
