//! Conditions: set so that `lastTransitionTime` moves only on a transition.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::reason::{ConditionType, Reason};
use crate::model::clock::{Timestamp, whole_seconds};

/// The longest message that the API server takes in a condition, in bytes to be safe.
const MESSAGE_MAX: usize = 32_768;

/// The status of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It is not known.
    Unknown,
}

impl ConditionStatus {
    /// As Kubernetes writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl From<bool> for ConditionStatus {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

/// Sets one condition and says whether anything changed, so that nothing is written when nothing did.
///
/// `lastTransitionTime` is the time of the last change of the *status*; a new reason, message or generation
/// does not move it. An unchanged condition is left byte for byte.
pub fn set_condition(
    conditions: &mut Vec<Condition>,
    type_: ConditionType,
    status: ConditionStatus,
    reason: Reason,
    message: &str,
    observed_generation: Option<i64>,
    now: Timestamp,
) -> bool {
    let mut message = message.to_owned();
    if message.len() > MESSAGE_MAX {
        let end = (0..=MESSAGE_MAX)
            .rev()
            .find(|end| message.is_char_boundary(*end))
            .unwrap_or(0);
        message.truncate(end);
    }
    let mut next = Condition {
        type_: type_.as_str().to_owned(),
        status: status.as_str().to_owned(),
        reason: reason.as_str().to_owned(),
        message,
        observed_generation,
        last_transition_time: Time(whole_seconds(now)),
    };
    let Some(current) = conditions
        .iter_mut()
        .find(|condition| condition.type_ == next.type_)
    else {
        conditions.push(next);
        return true;
    };
    if current.status == next.status {
        next.last_transition_time = current.last_transition_time.clone();
    }
    if *current == next {
        return false;
    }
    *current = next;
    true
}

/// The condition of that type, if it was ever set.
#[must_use]
pub fn find_condition(conditions: &[Condition], type_: ConditionType) -> Option<&Condition> {
    conditions
        .iter()
        .find(|condition| condition.type_ == type_.as_str())
}

/// Whether the condition of that type is True.
#[must_use]
pub fn is_true(conditions: &[Condition], type_: ConditionType) -> bool {
    find_condition(conditions, type_).is_some_and(|condition| condition.status == "True")
}

/// Removes the condition of that type and says whether it was there.
pub fn remove_condition(conditions: &mut Vec<Condition>, type_: ConditionType) -> bool {
    let before = conditions.len();
    conditions.retain(|condition| condition.type_ != type_.as_str());
    conditions.len() != before
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(second: i64) -> Timestamp {
        Timestamp::constant(second, 500_000_000)
    }

    #[test]
    fn the_transition_time_moves_only_with_the_status() {
        let mut conditions = Vec::new();
        let mut set = |status, reason, generation, second| {
            let changed = set_condition(
                &mut conditions,
                ConditionType::Ready,
                status,
                reason,
                "",
                Some(generation),
                at(second),
            );
            (changed, conditions[0].last_transition_time.0.as_second())
        };
        assert_eq!(set(ConditionStatus::True, Reason::AsDesired, 1, 10), (true, 10));
        assert_eq!(set(ConditionStatus::True, Reason::AsDesired, 1, 20), (false, 10));
        assert_eq!(set(ConditionStatus::True, Reason::AsDesired, 2, 30), (true, 10));
        assert_eq!(
            set(ConditionStatus::False, Reason::ProbeFailed, 2, 40),
            (true, 40)
        );
        assert_eq!(
            set(ConditionStatus::False, Reason::Unreachable, 2, 50),
            (true, 40)
        );
    }

    #[test]
    fn a_condition_keeps_the_bounds_of_the_api_server() {
        let mut conditions = Vec::new();
        let message = "é".repeat(MESSAGE_MAX);
        let ready = ConditionType::Ready;
        set_condition(
            &mut conditions,
            ready,
            true.into(),
            Reason::AsDesired,
            &message,
            None,
            at(1),
        );
        assert_eq!(conditions[0].message.len(), MESSAGE_MAX);
        assert!(is_true(&conditions, ready));
        assert_eq!(
            conditions[0].last_transition_time.0.subsec_nanosecond(),
            0,
            "cut to the second it is stored at"
        );
        assert!(remove_condition(&mut conditions, ready) && conditions.is_empty());
    }
}
