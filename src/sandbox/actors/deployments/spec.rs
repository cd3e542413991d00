//! What a Deployment asks for, as numbers.

use serde_json::Value;

/// A Deployment's wishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spec {
    pub(super) replicas: i64,
    pub(super) strategy: Strategy,
    pub(super) paused: bool,
    /// None: no limit was set, and no progress is told.
    pub(super) deadline_seconds: Option<i64>,
    pub(super) history: Option<usize>,
}

/// How old pods make room for new ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strategy {
    Recreate,
    Rolling { surge: i64, unavailable: i64 },
}

impl Spec {
    pub(super) fn of(deployment: &Value) -> Self {
        let spec = &deployment["spec"];
        let replicas = spec["replicas"].as_i64().unwrap_or(1);
        Self {
            replicas,
            strategy: Strategy::of(&spec["strategy"], replicas),
            paused: spec["paused"] == true,
            // Upstream's "infinity" switches it off.
            deadline_seconds: spec["progressDeadlineSeconds"]
                .as_i64()
                .filter(|seconds| *seconds < i64::from(i32::MAX)),
            history: spec["revisionHistoryLimit"]
                .as_u64()
                .filter(|limit| *limit < u64::from(i32::MAX.unsigned_abs()))
                .and_then(|limit| usize::try_from(limit).ok()),
        }
    }

    pub(super) fn surge(&self) -> i64 {
        match self.strategy {
            Strategy::Recreate => 0,
            Strategy::Rolling { surge, .. } => surge,
        }
    }

    pub(super) fn unavailable(&self) -> i64 {
        match self.strategy {
            Strategy::Recreate => 0,
            Strategy::Rolling { unavailable, .. } => unavailable.min(self.replicas),
        }
    }
}

impl Strategy {
    /// Surge rounds up, unavailable down; when both end at nothing, one may be missing, or nothing would move.
    fn of(strategy: &Value, replicas: i64) -> Self {
        if strategy["type"] == "Recreate" {
            return Self::Recreate;
        }
        let rolling = &strategy["rollingUpdate"];
        let surge = scaled(&rolling["maxSurge"], replicas, true);
        let unavailable = scaled(&rolling["maxUnavailable"], replicas, false);
        match (surge, unavailable) {
            (0, 0) => Self::Rolling {
                surge,
                unavailable: 1,
            },
            (surge, unavailable) => Self::Rolling { surge, unavailable },
        }
    }
}

/// A number, or `25%` of `whole`.
fn scaled(value: &Value, whole: i64, up: bool) -> i64 {
    let percent = value
        .as_str()
        .and_then(|text| text.strip_suffix('%')?.parse::<i64>().ok());
    match percent {
        Some(percent) => (whole * percent + if up { 99 } else { 0 }) / 100,
        None => value.as_i64().unwrap_or(0),
    }
}
