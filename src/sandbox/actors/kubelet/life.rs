//! Where a pod is in its life, by its part and its age.

use std::time::Duration;

use super::script::{Part, Play};

/// As kubelets wait between restarts.
const FIRST_BACKOFF: Duration = Duration::from_secs(10);
const LAST_BACKOFF: Duration = Duration::from_mins(5);

/// What a pod's containers do at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    Creating,
    ImagePullBackOff,
    Running {
        ready: bool,
        restarts: i64,
        last_exit: Option<i64>,
    },
    /// Between two runs.
    BackOff {
        restarts: i64,
        exit_code: i64,
        wait: Duration,
    },
    Ended {
        exit_code: i64,
    },
}

/// The moment, and how long until the next. None: it stays so.
pub(super) fn moment(part: &Part, age: Duration) -> (Moment, Option<Duration>) {
    let Some(age) = age.checked_sub(part.start).filter(|_| age >= part.start) else {
        return (Moment::Creating, Some(part.start.saturating_sub(age)));
    };
    let running = |ready| Moment::Running {
        ready,
        restarts: 0,
        last_exit: None,
    };
    let then = |end: Duration, after: Moment| match end.checked_sub(age).filter(|left| !left.is_zero()) {
        Some(left) => (running(true), Some(left)),
        None => (after, None),
    };
    match part.play {
        Play::Run { ready_after } => match ready_after.checked_sub(age).filter(|left| !left.is_zero()) {
            Some(left) => (running(false), Some(left)),
            None => (running(true), None),
        },
        Play::NeverReady => (running(false), None),
        Play::ImagePullBackOff => (Moment::ImagePullBackOff, None),
        Play::Complete { after } => then(after, Moment::Ended { exit_code: 0 }),
        Play::Fail { after, exit_code } => then(after, Moment::Ended { exit_code }),
        Play::CrashLoop { runs, exit_code } => crashing(runs, exit_code, age),
    }
}

fn crashing(runs: Duration, exit_code: i64, age: Duration) -> (Moment, Option<Duration>) {
    let mut wait = FIRST_BACKOFF;
    let mut restarts = 0;
    let mut left = age;
    loop {
        if left < runs {
            let last_exit = (restarts > 0).then_some(exit_code);
            let running = Moment::Running {
                ready: true,
                restarts,
                last_exit,
            };
            return (running, Some(runs.saturating_sub(left)));
        }
        left -= runs;
        if left < wait {
            let waiting = Moment::BackOff {
                restarts,
                exit_code,
                wait,
            };
            return (waiting, Some(wait.saturating_sub(left)));
        }
        if wait == LAST_BACKOFF {
            // From here on all rounds are alike: none needs to be counted one by one.
            let round = runs + wait;
            let more = left.saturating_sub(wait).as_nanos() / round.as_nanos();
            restarts += i64::try_from(more).unwrap_or(0);
            left -= round.saturating_mul(u32::try_from(more).unwrap_or(0));
        }
        left -= wait;
        restarts += 1;
        wait = (wait * 2).min(LAST_BACKOFF);
    }
}
