//! From probe to probe: whether a member is believed to be there. Pure; the loop is in `watchman.rs`.

use std::time::Duration;

use crate::model::{clock::Timestamp, fleet::Reach};

/// How long one probe may take.
pub(super) const TIMEOUT: Duration = Duration::from_secs(3);
/// Between the probes of a member that answers.
const CALM: Duration = Duration::from_secs(4);
/// After a first failure: 4.4 s + 3 s + 2 s + 3 s of silence make a member Unreachable, within 15 s.
const WARY: Duration = Duration::from_secs(2);
/// While it is gone: with a probe that runs into its time limit it is back within 5 s.
const EAGER: Duration = Duration::from_millis(1500);

/// What the probes say of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Probe {
    pub(super) reach: Reach,
    /// When `reach` last changed; `None` before the first probe.
    pub(super) since: Option<Timestamp>,
    /// Why the last probe failed.
    pub(super) trouble: Option<Trouble>,
}

/// How a probe ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Answered,
    Failed(Trouble),
}

/// Why a member can't be talked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// No answer, no connection, or an answer that says it is not ready.
    Silent(String),
    /// Its certificate is not what the kubeconfig says.
    Certificate(String),
    /// There is no usable credential to try with.
    Credential(String),
}

impl Trouble {
    pub(super) fn message(&self) -> &str {
        match self {
            Self::Silent(message) | Self::Certificate(message) | Self::Credential(message) => message,
        }
    }
}

impl Default for Probe {
    fn default() -> Self {
        Self {
            reach: Reach::Unknown,
            since: None,
            trouble: None,
        }
    }
}

impl Probe {
    /// The state after one more probe.
    pub(super) fn after(&self, outcome: Outcome, now: Timestamp) -> Self {
        let (reach, trouble) = match (self.reach, outcome) {
            (_, Outcome::Answered) => (Reach::Reachable, None),
            (Reach::Suspect | Reach::Unreachable, Outcome::Failed(why)) => (Reach::Unreachable, Some(why)),
            (Reach::Reachable | Reach::Unknown, Outcome::Failed(why)) => (Reach::Suspect, Some(why)),
        };
        let since = if reach == self.reach {
            self.since.or(Some(now))
        } else {
            Some(now)
        };
        Self {
            reach,
            since,
            trouble,
        }
    }

    /// How long to wait before the next probe; `jitter` is within ± 1.
    pub(super) fn pause(&self, jitter: f64) -> Duration {
        let base = match self.reach {
            Reach::Reachable | Reach::Unknown => CALM,
            Reach::Suspect => WARY,
            Reach::Unreachable => EAGER,
        };
        base.mul_f64(1.0 + 0.1 * jitter.clamp(-1.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + seconds).unwrap()
    }

    fn silent() -> Outcome {
        Outcome::Failed(Trouble::Silent("no answer".into()))
    }

    #[rstest]
    #[case::one_failure_is_suspect(&[true, false], Reach::Suspect)]
    #[case::two_failures_are_unreachable(&[true, false, false], Reach::Unreachable)]
    #[case::one_answer_is_enough_to_be_back(&[true, false, false, true], Reach::Reachable)]
    #[case::failures_must_be_in_a_row(&[true, false, true, false], Reach::Suspect)]
    #[case::a_member_never_heard_of_gets_the_same_two_chances(&[false], Reach::Suspect)]
    fn a_member_is_believed_by_its_last_two_probes(#[case] answers: &[bool], #[case] reach: Reach) {
        let mut probe = Probe::default();
        for (second, answered) in (0..).zip(answers) {
            probe = probe.after(if *answered { Outcome::Answered } else { silent() }, at(second));
        }
        assert_eq!(probe.reach, reach);
    }

    #[test]
    fn since_is_the_time_of_the_transition_not_of_the_last_probe() {
        let probe = Probe::default()
            .after(Outcome::Answered, at(0))
            .after(Outcome::Answered, at(9));
        assert_eq!(probe.since, Some(at(0)));
        let probe = probe
            .after(silent(), at(10))
            .after(silent(), at(20))
            .after(silent(), at(30));
        assert_eq!((probe.reach, probe.since), (Reach::Unreachable, Some(at(20))));
    }

    /// The bounds that the hub promises: 15 s to notice silence, 5 s to notice the return.
    #[test]
    fn silence_is_noticed_within_15_seconds_and_return_within_5() {
        let up = Probe::default().after(Outcome::Answered, at(0));
        let suspect = up.after(silent(), at(7));
        let gone = suspect.after(silent(), at(12));
        let noticed = up.pause(1.0) + TIMEOUT + suspect.pause(1.0) + TIMEOUT;
        assert!(noticed < Duration::from_secs(15), "{noticed:?}");
        let back = TIMEOUT + gone.pause(1.0);
        assert!(back < Duration::from_secs(5), "{back:?}");
    }
}
