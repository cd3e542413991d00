//! The machine, and what others do with it at the same time.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use crate::Failed;

/// What is measured upon.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    cpus: usize,
    model: String,
    load: String,
}

impl Machine {
    pub(crate) fn read() -> Self {
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let described = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = described
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
            .map_or_else(|| "unknown".to_owned(), |(_, model)| model.trim().to_owned());
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split(' ').next().unwrap_or_default().to_owned();
        Self { cpus, model, load }
    }

    pub(crate) fn json(&self) -> Value {
        json!({"cpus": self.cpus, "model": self.model, "loadAtStart": self.load})
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} × {}, load {} at the start",
            self.cpus, self.model, self.load
        )
    }
}

/// The share of all CPUs, in percent, that nobody used during `span`.
pub(crate) async fn idle_percent(span: Duration) -> Result<f64, Failed> {
    let before = times()?;
    tokio::time::sleep(span).await;
    let after = times()?;
    let all = after.all.saturating_sub(before.all).max(1);
    Ok(after.idle.saturating_sub(before.idle) as f64 * 100.0 / all as f64)
}

struct Times {
    idle: u64,
    all: u64,
}

/// `cpu user nice system idle iowait irq softirq steal …`: the first eight are disjoint.
fn times() -> Result<Times, Failed> {
    let stat = fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().unwrap_or_default();
    let ticks: Vec<u64> = line
        .split_ascii_whitespace()
        .skip(1)
        .take(8)
        .map_while(|field| field.parse().ok())
        .collect();
    let [_, _, _, idle, waiting, ..] = ticks[..] else {
        return Err("/proc/stat does not say how idle the CPUs are".into());
    };
    Ok(Times {
        idle: idle + waiting,
        all: ticks.iter().sum(),
    })
}

/// The nearest-rank percentile of what is sorted.
pub(crate) fn percentile(sorted: &[Duration], percent: usize) -> Option<Duration> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

pub(crate) fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    match numbers.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => numbers[middle],
        _ => f64::midpoint(numbers[middle - 1], numbers[middle]),
    }
}
