//! Whether the taints of a member let a workload come, and let it stay.
//!
//! As for nodes: `NoSchedule` keeps what is new away, `NoExecute` also moves away what is there, after the seconds that a
//! toleration allows, counted from the taint's `timeAdded`. What may stay for a while only does not come anew.

use std::time::Duration;

use super::choose::Answer;
use crate::model::{
    api::{Taint, TaintEffect, Toleration, TolerationOperator},
    clock::Timestamp,
    fleet::Member,
};

/// What the taints say, and until when.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) answer: Answer,
    /// What is there may stay until then.
    pub(super) until: Option<Timestamp>,
}

/// How long one taint lets a workload stay.
enum Stay {
    /// It does not concern it.
    Free,
    /// What is there stays; nothing comes.
    Closed,
    Until(Timestamp),
    No,
}

/// Asks every taint; the hardest answer counts.
pub(super) fn judge(member: &Member, tolerations: &[Toleration], now: Timestamp) -> Verdict {
    let mut verdict = Verdict {
        answer: Answer::Yes,
        until: None,
    };
    for taint in &member.taints {
        let says = |end: &str| format!("{} has the taint {}{end}", member.name, shown(taint));
        match stay(taint, tolerations, now) {
            Stay::Free => {}
            Stay::No => {
                return Verdict {
                    answer: Answer::No(says(", which is not tolerated")),
                    until: None,
                };
            }
            Stay::Closed => verdict.answer = Answer::Unsure(says(", which lets nothing new come")),
            Stay::Until(end) => {
                verdict.answer = Answer::Unsure(says(&format!(", which is tolerated until {end}")));
                verdict.until = Some(verdict.until.map_or(end, |before| before.min(end)));
            }
        }
    }
    verdict
}

fn stay(taint: &Taint, tolerations: &[Toleration], now: Timestamp) -> Stay {
    let mut matching = tolerations
        .iter()
        .filter(|toleration| tolerates(toleration, taint))
        .peekable();
    let tolerated = matching.peek().is_some();
    match taint.effect {
        TaintEffect::NoSchedule if tolerated => Stay::Free,
        TaintEffect::NoSchedule => Stay::Closed,
        TaintEffect::NoExecute if !tolerated => Stay::No,
        TaintEffect::NoExecute => {
            // As upstream: of several that match, the shortest counts; one without seconds is for ever.
            let Some(seconds) = matching
                .filter_map(|toleration| toleration.toleration_seconds)
                .min()
            else {
                return Stay::Free;
            };
            let seconds = Duration::from_secs(seconds.try_into().unwrap_or(0));
            // Without a time it was always there.
            let end = taint
                .time_added
                .as_ref()
                .and_then(|added| added.0.checked_add(seconds).ok());
            end.filter(|end| *end > now).map_or(Stay::No, Stay::Until)
        }
    }
}

/// Whether a toleration is about that taint.
fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let key = toleration.key.as_deref().filter(|key| !key.is_empty());
    toleration.effect.is_none_or(|effect| effect == taint.effect)
        && key.is_none_or(|key| key == taint.key)
        && match toleration.operator {
            TolerationOperator::Exists => true,
            TolerationOperator::Equal => {
                key.is_some() && toleration.value.as_deref().unwrap_or_default() == taint.value
            }
        }
}

/// As kubectl writes it: `key=value:effect`.
fn shown(taint: &Taint) -> String {
    let Taint {
        key, value, effect, ..
    } = taint;
    let equals = if value.is_empty() { "" } else { "=" };
    format!("{key}{equals}{value}:{effect:?}")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn ask(taints: &Value, tolerations: &Value, now: i64) -> (String, Option<i64>) {
        let member = Member {
            taints: serde_json::from_value(taints.clone()).unwrap(),
            ..Member::unheard("eu-1".parse().unwrap())
        };
        let tolerations: Vec<Toleration> = serde_json::from_value(tolerations.clone()).unwrap();
        let verdict = judge(&member, &tolerations, at(now));
        let answer = match verdict.answer {
            Answer::Yes => "comes",
            Answer::Unsure(_) => "stays",
            Answer::No(_) => "goes",
        };
        (answer.to_owned(), verdict.until.map(Timestamp::as_second))
    }

    fn maintenance(effect: &str) -> Value {
        json!([{"key": "maintenance", "value": "now", "effect": effect, "timeAdded": "1970-01-01T00:01:40Z"}])
    }

    #[rstest]
    #[case::no_taint(json!([]), json!([]), "comes", None)]
    #[case::closed(maintenance("NoSchedule"), json!([]), "stays", None)]
    #[case::moved_away(maintenance("NoExecute"), json!([]), "goes", None)]
    #[case::same_value(maintenance("NoExecute"), json!([{"key": "maintenance", "value": "now"}]), "comes", None)]
    #[case::another_value(maintenance("NoSchedule"), json!([{"key": "maintenance", "value": "later"}]), "stays", None)]
    #[case::another_key(maintenance("NoExecute"), json!([{"key": "spot", "operator": "Exists"}]), "goes", None)]
    #[case::any_value(maintenance("NoSchedule"), json!([{"key": "maintenance", "operator": "Exists"}]), "comes", None)]
    #[case::everything(maintenance("NoExecute"), json!([{"operator": "Exists"}]), "comes", None)]
    #[case::another_effect(maintenance("NoExecute"), json!([{"operator": "Exists", "effect": "NoSchedule"}]), "goes", None)]
    #[case::for_a_while(
        maintenance("NoExecute"), json!([{"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60}]), "stays", Some(160)
    )]
    #[case::the_shortest_counts(
        maintenance("NoExecute"),
        json!([{"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60}, {"operator": "Exists"},
            {"key": "maintenance", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}]),
        "stays", Some(130)
    )]
    #[case::time_is_up(
        maintenance("NoExecute"), json!([{"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 10}]), "goes", None
    )]
    #[case::it_was_always_there(
        json!([{"key": "spot", "effect": "NoExecute"}]),
        json!([{"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60}]), "goes", None
    )]
    #[case::the_hardest_counts(
        json!([{"key": "spot", "effect": "NoSchedule"}, {"key": "gone", "effect": "NoExecute"}]), json!([]), "goes", None
    )]
    fn taints_keep_away_what_does_not_tolerate_them(
        #[case] taints: Value,
        #[case] tolerations: Value,
        #[case] answer: &str,
        #[case] until: Option<i64>,
    ) {
        assert_eq!(ask(&taints, &tolerations, 120), (answer.to_owned(), until));
    }
}
