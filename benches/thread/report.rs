//! What was measured, beside what was aimed at.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use comfy_table::{Table, presets};
use serde_json::{Value, json};

use crate::burst::{Burst, Writer};
use crate::ground::Load;
use crate::machine::{Machine, median};
use crate::pace::Pace;
use crate::stall::Stall;
use crate::{Failed, Scale};

/// All of it.
pub(crate) struct Report {
    pub(crate) scale: Scale,
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

    fn of(&self, load: Load) -> impl Iterator<Item = &Burst> {
        self.bursts.iter().filter(move |burst| burst.load == load)
    }

    /// The median over the bursts of one load and one writer.
    fn median(&self, load: Load, writer: Writer, of: impl Fn(&Burst) -> f64) -> f64 {
        let bursts = self.of(load).filter(|burst| burst.writer == writer);
        median(bursts.map(of).collect())
    }

    pub(crate) fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header(["", "hub", "floor", "aim", "Karmada", "prototype"]);
        let rows = self.paused_rows().into_iter();
        let rows = rows
            .chain(self.pace.iter().flat_map(pace_rows))
            .chain(self.stall_row())
            .chain(self.running_rows());
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
        let idle = |load| {
            let bursts = self.of(load).map(|burst| format!("{:.0}", burst.idle));
            bursts.collect::<Vec<_>>().join(" ")
        };
        let Scale {
            members,
            burst,
            rounds,
            running,
            ..
        } = self.scale;
        let machine = &self.machine;
        let mut text = format!(
            "{table}
{machine}; {burst} Deployments to {members} members in a burst; idle CPU before each burst, in %.
paused, medians of {rounds} ({}): the members' controllers stand still until all objects exist, then take notice of each and
  do no more; so hub, API servers and store have the CPUs, for hub and floor alike. The aims of a burst are for it.",
            idle(Load::Paused),
        );
        if running > 0 {
            let _ = write!(
                text,
                "
running, medians of {running} ({}): the members start {} pods meanwhile, for hub and floor alike, and both wait for the CPUs
  that takes: this is what a burst of real workloads takes on this machine. No aim is for it.",
                idle(Load::Running),
                burst * members,
            );
        }
        text
    }

    /// What the aims are for.
    fn paused_rows(&self) -> Vec<Row> {
        let hub = |of: &dyn Fn(&Burst) -> f64| self.median(Load::Paused, Writer::Hub, of);
        let floor = |of: &dyn Fn(&Burst) -> f64| self.median(Load::Paused, Writer::Floor, of);
        let of_all = |burst: &Burst| burst.all.cpu_seconds();
        let memory = self.bursts.iter().map(|burst| burst.hub.memory).max();
        // With more members the floor falls: the machine is the same.
        let aim = if self.scale.members > 3 {
            format!("≥ {:.0} (40 % of the floor)", floor(&Burst::rate) * 0.4)
        } else {
            format!("≥ 250, or {:.0} (30 % of the floor)", floor(&Burst::rate) * 0.3)
        };
        vec![
            Row::new("paused: object-clusters/s until all exist", hub(&Burst::rate), 0)
                .floor(floor(&Burst::rate), 0)
                .aim(aim)
                .others("21 (floor 858)", "267 (floor 644–1053)"),
            Row::new(
                "paused: object-clusters/s until all status is back",
                hub(&Burst::rate_with_status),
                0,
            )
            .floor(floor(&Burst::rate_with_status), 0),
            Row::new(
                "paused: CPU-s of the hub",
                hub(&|burst| burst.hub.cpu_seconds()),
                2,
            )
            .aim("≤ 1")
            .others("13", "0.2"),
            Row::new(
                "paused: CPU-s of all until all exist",
                hub(&Burst::cpu_until_there),
                1,
            )
            .floor(floor(&Burst::cpu_until_there), 1),
            Row::new("paused: CPU-s of all, with all status", hub(&of_all), 1)
                .floor(floor(&of_all), 1)
                .aim("≤ 8")
                .others("55", "5"),
            Row::new(
                "paused: the same, less what all take at rest",
                hub(&Burst::cpu_beyond_rest),
                1,
            )
            .floor(floor(&Burst::cpu_beyond_rest), 1),
            Row::new(
                "paused: hub API writes per Deployment",
                hub(&Burst::writes_per_deployment),
                1,
            )
            .aim("≤ 5")
            .others("26", "3.0–3.7"),
            Row::new(
                "RSS of the hub, MB, highest of all bursts",
                memory.unwrap_or_default() as f64 / 1e6,
                0,
            )
            .aim("< 60")
            .others("270", "35"),
        ]
    }

    /// What a burst costs when its pods run too.
    fn running_rows(&self) -> Vec<Row> {
        if self.of(Load::Running).next().is_none() {
            return Vec::new();
        }
        let hub = |of: &dyn Fn(&Burst) -> f64| self.median(Load::Running, Writer::Hub, of);
        let floor = |of: &dyn Fn(&Burst) -> f64| self.median(Load::Running, Writer::Floor, of);
        let of_all = |burst: &Burst| burst.all.cpu_seconds();
        vec![
            Row::new("running: object-clusters/s until all exist", hub(&Burst::rate), 0)
                .floor(floor(&Burst::rate), 0),
            Row::new(
                "running: object-clusters/s until all status is back",
                hub(&Burst::rate_with_status),
                0,
            )
            .floor(floor(&Burst::rate_with_status), 0),
            Row::new(
                "running: CPU-s of the hub",
                hub(&|burst| burst.hub.cpu_seconds()),
                2,
            ),
            Row::new("running: CPU-s of all, with all status", hub(&of_all), 1).floor(floor(&of_all), 1),
            Row::new(
                "running: CPU-s of all beyond the floor's",
                hub(&of_all) - floor(&of_all),
                1,
            ),
            Row::new(
                "running: hub API writes per Deployment",
                hub(&Burst::writes_per_deployment),
                1,
            ),
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
        let medians = |load, writer| {
            json!({
                "objectClustersPerSecond": self.median(load, writer, Burst::rate),
                "objectClustersPerSecondWithStatus": self.median(load, writer, Burst::rate_with_status),
                "cpuSecondsHub": self.median(load, writer, |burst| burst.hub.cpu_seconds()),
                "cpuSecondsAll": self.median(load, writer, |burst| burst.all.cpu_seconds()),
                "hubApiWritesPerDeployment": self.median(load, writer, Burst::writes_per_deployment),
            })
        };
        let both = |load| json!({"hub": medians(load, Writer::Hub), "floor": medians(load, Writer::Floor)});
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "machine": self.machine.json(),
            "scale": {"members": self.scale.members, "burst": self.scale.burst, "rounds": self.scale.rounds, "running": self.scale.running, "pace": self.scale.pace, "stalls": self.scale.stalls},
            "aims": {
                "of": Load::Paused.name(), "objectClustersPerSecond": 250,
                "shareOfFloor": if self.scale.members > 3 { 0.4 } else { 0.3 }, "cpuSecondsHub": 1,
                "cpuSecondsAll": 8, "residentBytesHub": 60_000_000, "hubApiWritesPerDeployment": 5,
                "createToMemberMillis": {"p50": 20, "p99": 50}, "createToStatusMillis": {"p99": 400},
            },
            Load::Paused.name(): both(Load::Paused),
            Load::Running.name(): both(Load::Running),
            "residentBytesHub": self.bursts.iter().map(|burst| burst.hub.memory).max(),
            "bursts": self.bursts.iter().map(Burst::json).collect::<Vec<_>>(),
            "pace": self.pace.as_ref().map(Pace::json),
            "stalls": self.stalls.iter().map(Stall::json).collect::<Vec<_>>(),
        })
    }

    /// Writes `target/bench.json`; with more members than three their number is in the name.
    pub(crate) fn write(&self) -> Result<PathBuf, Failed> {
        let inside = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let path = inside.parent().unwrap_or(inside).join(match self.scale.members {
            3 => "bench.json".to_owned(),
            members => format!("bench-{members}.json"),
        });
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
        )
        .aim("3.0–3.7"),
        Row::new("create → in a member, ms, p50", pace.there.at(50), 0)
            .floor(pace.floor.at(50), 0)
            .aim("≤ 20")
            .others("58", "10"),
        Row::new("create → in a member, ms, p99", pace.there.at(99), 0)
            .floor(pace.floor.at(99), 0)
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
