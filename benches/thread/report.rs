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

    pub(crate) fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header(["", "hub", "floor", "aim", "Karmada", "prototype"]);
        let rows = self.burst_rows().into_iter();
        let rows = rows
            .chain(self.pace.iter().flat_map(pace_rows))
            .chain(self.stall_row());
        for row in rows {
            table.add_row([
                row.what,
                &row.hub,
                &row.floor,
                &row.aim,
                row.karmada,
                row.prototype,
            ]);
        }
        let bursts = self.bursts.iter();
        let idle: Vec<String> = bursts.map(|burst| format!("{:.0}", burst.idle)).collect();
        let Scale { burst, rounds, .. } = self.scale;
        format!(
            "{table}\n{burst} Deployments to 3 members, medians of {rounds}; {}; idle CPU before each burst, in %: {}",
            self.machine,
            idle.join(" ")
        )
    }

    fn burst_rows(&self) -> Vec<Row> {
        let hub = |of: &dyn Fn(&Burst) -> f64| self.median(Writer::Hub, of);
        let floor = |of: &dyn Fn(&Burst) -> f64| self.median(Writer::Floor, of);
        let of_all = |burst: &Burst| burst.all.cpu_seconds();
        let memory = self.bursts.iter().map(|burst| burst.hub.memory).max();
        vec![
            Row::new("object-clusters/s until all exist", hub(&Burst::rate), 0)
                .floor(floor(&Burst::rate), 0)
                .aim(format!("≥ 200 and ≥ {:.0} (¼ floor)", floor(&Burst::rate) / 4.0))
                .others("21 (floor 858)", "267 (floor 644–1053)"),
            Row::new(
                "object-clusters/s until all are ready and status is back",
                hub(&Burst::rate_with_status),
                0,
            )
            .floor(floor(&Burst::rate_with_status), 0),
            Row::new(
                "CPU-s of the hub, a burst",
                hub(&|burst| burst.hub.cpu_seconds()),
                2,
            )
            .aim("≤ 1")
            .others("13", "0.2"),
            Row::new("CPU-s of all, a burst", hub(&of_all), 1)
                .floor(floor(&of_all), 1)
                .aim("≤ 8")
                .others("55", "5"),
            Row::new(
                "CPU-s of all beyond the floor's",
                hub(&of_all) - floor(&of_all),
                1,
            ),
            Row::new(
                "RSS of the hub, MB, highest",
                memory.unwrap_or_default() as f64 / 1e6,
                0,
            )
            .aim("< 60")
            .others("270", "35"),
            Row::new(
                "hub API writes per Deployment, a burst",
                hub(&Burst::writes_per_deployment),
                1,
            )
            .others("26", "3.0–3.7"),
        ]
    }

    /// The medians over the turns.
    fn stall_row(&self) -> Option<Row> {
        let middle = |of: &dyn Fn(&Stall) -> f64| median(self.stalls.iter().map(of).collect());
        let frozen = middle(&|stall| stall.frozen);
        let row = Row::new("one member frozen → in another, ms, p50", frozen, 0).aim(format!(
            "≤ {:.0} ({:.0} before)",
            middle(&Stall::bound),
            middle(&|stall| stall.before)
        ));
        (!self.stalls.is_empty()).then_some(row)
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

fn pace_rows(pace: &Pace) -> Vec<Row> {
    vec![
        Row::new(
            "hub API writes per Deployment, at 1/s",
            pace.writes_per_deployment,
            1,
        ),
        Row::new("create → in a member, ms, p50", pace.there.at(50), 0)
            .aim("≤ 20")
            .others("58", "10"),
        Row::new("create → in a member, ms, p99", pace.there.at(99), 0)
            .aim("≤ 50")
            .others("146", "22"),
        Row::new("create → status back, ms, p50", pace.back.at(50), 0),
        Row::new("create → status back, ms, p99", pace.back.at(99), 0).aim("≤ 400"),
        Row::new(
            "last pod ready → status back, ms, p50",
            pace.back_from_ready.at(50),
            0,
        ),
        Row::new(
            "last pod ready → status back, ms, p99",
            pace.back_from_ready.at(99),
            0,
        ),
    ]
}

/// One row. Karmada's numbers, and those of a prototype on kube 5, were taken on the same class of machine.
struct Row {
    what: &'static str,
    hub: String,
    floor: String,
    aim: String,
    karmada: &'static str,
    prototype: &'static str,
}

impl Row {
    fn new(what: &'static str, hub: f64, digits: usize) -> Self {
        Self {
            what,
            hub: format!("{hub:.digits$}"),
            floor: String::new(),
            aim: String::new(),
            karmada: "",
            prototype: "",
        }
    }

    fn floor(self, floor: f64, digits: usize) -> Self {
        let floor = format!("{floor:.digits$}");
        Self { floor, ..self }
    }

    fn aim(self, aim: impl Into<String>) -> Self {
        let aim = aim.into();
        Self { aim, ..self }
    }

    fn others(self, karmada: &'static str, prototype: &'static str) -> Self {
        Self {
            karmada,
            prototype,
            ..self
        }
    }
}
