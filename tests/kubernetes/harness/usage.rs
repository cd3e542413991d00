//! What processes use, read from `/proc`.

use std::fs;
use std::iter::Sum;
use std::ops::{Add, Sub};
use std::time::Duration;

/// Kernel clock ticks in a second as `/proc` counts them: 100 on every Linux.
const TICKS_PER_SECOND: u32 = 100;

/// Whether a process with this pid exists and is not merely waiting to be reaped.
pub fn is_running(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| after_name(&stat).is_some_and(|fields| !fields.starts_with(['Z', 'X'])))
}

/// The fields of `/proc/PID/stat` from the state on: the name before them may hold spaces and parentheses.
fn after_name(stat: &str) -> Option<&str> {
    stat.rsplit_once(") ").map(|(_, fields)| fields)
}

/// What processes have used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// User and system time since the start.
    pub cpu: Duration,
    /// Resident memory now, in bytes.
    pub memory: u64,
}

impl Usage {
    /// Reads the usage of one process, `None` when it is gone.
    pub fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let mut times = after_name(&stat)?.split_ascii_whitespace().skip(11);
        let user: u32 = times.next()?.parse().ok()?;
        let system: u32 = times.next()?.parse().ok()?;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib: u64 = resident
            .and_then(|v| v.trim().trim_end_matches(" kB").parse().ok())
            .unwrap_or(0);
        Some(Self {
            cpu: Duration::from_secs(u64::from(user + system)) / TICKS_PER_SECOND,
            memory: kib * 1024,
        })
    }

    pub fn cpu_seconds(&self) -> f64 {
        self.cpu.as_secs_f64()
    }

    pub fn mebibytes(&self) -> u64 {
        self.memory >> 20
    }
}

impl Add for Usage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            cpu: self.cpu + other.cpu,
            memory: self.memory + other.memory,
        }
    }
}

/// CPU spent since an earlier reading, with the memory of now.
impl Sub for Usage {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(earlier.cpu),
            memory: self.memory,
        }
    }
}

impl Sum for Usage {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Add::add)
    }
}
