//! Whether work leaves a member that does not answer, or has no ready node, and what holds that back.

use std::collections::VecDeque;
use std::time::Duration;

use super::choose::Answer;
use crate::model::api::{Failover, StatefulFailover};
use crate::model::clock::{GoDuration, Timestamp};
use crate::model::fleet::{Member, Nodes, Reach, Snapshot};

/// How long a member must be lost if the policy does not say: as upstream evicts pods of an unreachable node.
const AFTER: Duration = Duration::from_mins(5);
/// So many members lost
const MANY: usize = 3;
/// within this time are rather the hub's own loss.
const AT_ONCE: Duration = Duration::from_mins(1);

/// What failover asks of a policy and its workload.
#[derive(Debug, Clone, Copy, Default)]
pub struct Moving<'a> {
    /// The policy's wish; `None`: nothing is ever moved.
    pub failover: Option<&'a Failover>,
    /// The workload has state of its own: a `StatefulSet`, or one with volume claims.
    pub stateful: bool,
    /// Why nothing may be moved now, whatever the policy says.
    pub held: Option<&'a str>,
    /// Until when.
    pub held_until: Option<Timestamp>,
}

/// What is said of a member that does not answer, and until when.
pub(super) fn answers(member: &Member, moving: &Moving<'_>, now: Timestamp) -> (Answer, Option<Timestamp>) {
    let name = &member.name;
    if member.reach != Reach::Unreachable {
        return (Answer::Yes, None);
    }
    match member.lost {
        None => (Answer::Unsure(format!("{name} does not answer")), None),
        Some(since) => judge(
            since,
            &format!("{name} has not answered since {since}"),
            moving,
            now,
        ),
    }
}

/// What is said of a member that answers while none of its nodes is ready, and until when. What ran there may still run, cut
/// off from its API server, exactly as in a member that is cut off from the hub.
pub(super) fn nodes_ready(
    member: &Member,
    moving: &Moving<'_>,
    now: Timestamp,
) -> (Answer, Option<Timestamp>) {
    let Some(since) = member.unready else {
        return (Answer::Yes, None);
    };
    let Nodes { total, .. } = member.nodes;
    let told = format!(
        "none of the {total} nodes of {} has been ready since {since}",
        member.name
    );
    judge(since, &told, moving, now)
}

/// What becomes of work in a member that is lost `since`; `told` is what it is lost by.
fn judge(since: Timestamp, told: &str, moving: &Moving<'_>, now: Timestamp) -> (Answer, Option<Timestamp>) {
    let Some(failover) = moving.failover else {
        return (
            Answer::Unsure(format!("{told}; the policy has no failover")),
            None,
        );
    };
    if moving.stateful && failover.stateful != Some(StatefulFailover::Move) {
        return (
            Answer::Unsure(format!(
                "{told}; a workload with state of its own moves only with failover.stateful: Move"
            )),
            None,
        );
    }
    let after = failover.after.map_or(AFTER, |after| after.0);
    let due = since.checked_add(after).unwrap_or(now);
    if due > now {
        return (
            Answer::Unsure(format!("{told}; its work moves at {due}")),
            Some(due),
        );
    }
    match moving.held {
        Some(held) => (Answer::Unsure(format!("{told}; {held}")), moving.held_until),
        None => (
            Answer::No(format!("{told}, longer than {}", GoDuration(after))),
            None,
        ),
    }
}

/// Why the hub should rather doubt itself than its members: too many are lost at once.
#[must_use]
pub fn doubt(fleet: &Snapshot) -> Option<String> {
    let staying = fleet.members.values().filter(|member| !member.leaving);
    let all = staying.clone().count();
    let mut lost: Vec<Timestamp> = staying
        .filter_map(|member| match member.reach {
            Reach::Unreachable => member.lost,
            _ => member.unready,
        })
        .collect();
    lost.sort_unstable();
    if lost.len() * 2 > all {
        return Some(format!(
            "{} of {all} members do not answer or have no ready node: the hub may be the one that is cut off, so nothing \
             is moved",
            lost.len()
        ));
    }
    let at_once = lost
        .windows(MANY)
        .any(|window| window[MANY - 1].duration_since(window[0]).unsigned_abs() <= AT_ONCE);
    at_once.then(|| {
        format!(
            "{MANY} members were lost within {} seconds: the hub may be the one that is cut off, so nothing is moved \
             until one is back or drained",
            AT_ONCE.as_secs()
        )
    })
}

/// How many workloads were moved lately: no more than so many an hour.
#[derive(Debug)]
pub struct Brake {
    most: usize,
    moved: VecDeque<Timestamp>,
}

impl Brake {
    /// No more than `most` an hour.
    #[must_use]
    pub fn new(most: u32) -> Self {
        Self {
            most: most as usize,
            moved: VecDeque::new(),
        }
    }

    /// When the next workload may be moved; `None`: now.
    pub fn next(&mut self, now: Timestamp) -> Option<Timestamp> {
        const HOUR: Duration = Duration::from_hours(1);
        while self
            .moved
            .front()
            .is_some_and(|at| at.checked_add(HOUR).is_ok_and(|end| end <= now))
        {
            self.moved.pop_front();
        }
        if self.moved.len() < self.most {
            return None;
        }
        let first = self.moved.front().copied().unwrap_or(now);
        Some(first.checked_add(HOUR).unwrap_or(now))
    }

    /// A workload was moved.
    pub fn note(&mut self, now: Timestamp) {
        self.moved.push_back(now);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn lost(name: &str, second: i64) -> Member {
        Member {
            reach: Reach::Unreachable,
            lost: Some(at(second)),
            ..Member::unheard(name.parse().unwrap())
        }
    }

    fn unready(name: &str, second: i64) -> Member {
        Member {
            reach: Reach::Reachable,
            unready: Some(at(second)),
            nodes: Nodes { ready: 0, total: 3 },
            ..Member::unheard(name.parse().unwrap())
        }
    }

    #[rstest]
    #[case::without_failover(None, false, None, 9999, "stays", None)]
    #[case::not_long_enough(Some(json!({"after": "2m"})), false, None, 119, "stays", Some(120))]
    #[case::long_enough(Some(json!({"after": "2m"})), false, None, 120, "goes", None)]
    #[case::five_minutes_if_nothing_is_said(Some(json!({})), false, None, 299, "stays", Some(300))]
    #[case::with_state(Some(json!({"after": "2m"})), true, None, 9999, "stays", None)]
    #[case::with_state_that_moves(Some(json!({"after": "2m", "stateful": "Move"})), true, None, 120, "goes", None)]
    #[case::held_back(Some(json!({"after": "2m"})), false, Some("wait"), 120, "stays", None)]
    fn work_leaves_a_lost_member_when_all_agree(
        #[case] failover: Option<Value>,
        #[case] stateful: bool,
        #[case] held: Option<&str>,
        #[case] now: i64,
        #[case] expected: &str,
        #[case] until: Option<i64>,
    ) {
        let failover: Option<Failover> = failover.map(|failover| serde_json::from_value(failover).unwrap());
        let moving = Moving {
            failover: failover.as_ref(),
            stateful,
            held,
            held_until: None,
        };
        let told = |(answer, again): (Answer, Option<Timestamp>)| {
            let answer = match answer {
                Answer::Yes => "comes",
                Answer::Unsure(_) => "stays",
                Answer::No(_) => "goes",
            };
            (answer, again.map(Timestamp::as_second))
        };
        let (silent, unready) = (lost("m1", 0), unready("m1", 0));
        assert_eq!(told(answers(&silent, &moving, at(now))), (expected, until));
        assert_eq!(told(nodes_ready(&unready, &moving, at(now))), (expected, until));
        assert_eq!(told(answers(&unready, &moving, at(now))), ("comes", None));
        assert_eq!(told(nodes_ready(&silent, &moving, at(now))), ("comes", None));
    }

    #[rstest]
    #[case::one_of_three(3, &[0], false)]
    #[case::half(4, &[0, 900], false)]
    #[case::more_than_half(3, &[0, 900], true)]
    #[case::three_one_after_the_other(10, &[0, 100, 200], false)]
    #[case::three_at_once(10, &[0, 30, 60], true)]
    #[case::three_at_once_among_more(20, &[0, 500, 510, 520], true)]
    fn many_losses_at_once_are_the_hubs_own(
        #[case] members: usize,
        #[case] losses: &[i64],
        #[case] doubted: bool,
    ) {
        let lost = losses.iter().enumerate().map(|(number, second)| {
            // Why they are lost makes no difference.
            let how = [lost, unready][number % 2];
            how(&format!("lost-{number}"), *second)
        });
        let well = (losses.len()..members).map(|number| Member {
            reach: Reach::Reachable,
            ..Member::unheard(format!("well-{number}").parse().unwrap())
        });
        let members = lost
            .chain(well)
            .map(|member| (member.name.clone(), Arc::new(member)));
        assert_eq!(
            doubt(&Snapshot {
                members: members.collect()
            })
            .is_some(),
            doubted
        );
    }

    #[test]
    fn only_so_many_are_moved_in_an_hour() {
        let mut brake = Brake::new(2);
        assert_eq!(brake.next(at(0)), None);
        brake.note(at(0));
        brake.note(at(10));
        assert_eq!(brake.next(at(20)), Some(at(3600)));
        assert_eq!(brake.next(at(3600)), None);
        brake.note(at(3600));
        assert_eq!(brake.next(at(3601)), Some(at(3610)));
    }
}
