//! Saying in events how members do, when that changes: a condition has no history.

use kube::Resource;

use super::engine::Engine;
use crate::{
    act::propagate::Note,
    model::{
        api::{Cluster, Condition, ConditionType, EventReason, GROUP, Reason, find_condition},
        name::{GroupKind, ObjectKey},
    },
};

impl Engine {
    /// Says that a member became Ready, or is not and why.
    pub(super) fn tell_of_cluster(&self, before: &Cluster, now: &Cluster) {
        let Some((reason, message)) = news(ready(before), ready(now)) else {
            return;
        };
        let name = now.metadata.name.as_deref().unwrap_or_default();
        let Ok(about) = ObjectKey::parse(&GroupKind::new(GROUP, "Cluster"), "", name) else {
            return;
        };
        if self.is_active() {
            self.events.say(Note {
                about,
                api_version: Cluster::api_version(&()).into_owned(),
                uid: now.metadata.uid.clone().unwrap_or_default(),
                reason,
                warning: reason == EventReason::ClusterNotReady,
                message,
            });
        }
    }
}

fn ready(cluster: &Cluster) -> Option<&Condition> {
    let status = cluster.status.as_ref()?;
    find_condition(&status.conditions, ConditionType::Ready)
}

/// What is worth saying. Connecting and leaving pass by themselves.
fn news(before: Option<&Condition>, now: Option<&Condition>) -> Option<(EventReason, String)> {
    let passing = [Reason::Connecting, Reason::Pending, Reason::Leaving].map(Reason::as_str);
    let wrong =
        |condition: &Condition| condition.status != "True" && !passing.contains(&condition.reason.as_str());
    let now = now?;
    let was_wrong = before.is_some_and(wrong);
    if wrong(now) {
        let same = before.is_some_and(|before| before.reason == now.reason);
        return (!same).then(|| {
            (
                EventReason::ClusterNotReady,
                format!("{}: {}", now.reason, now.message),
            )
        });
    }
    (was_wrong && now.status == "True").then(|| (EventReason::ClusterReady, "it is ready again".to_owned()))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn condition((status, reason): (&str, &str)) -> Condition {
        serde_json::from_value(
            json!({"type": "Ready", "status": status, "reason": reason, "message": "m",
            "lastTransitionTime": "2026-01-01T00:00:00Z"}),
        )
        .unwrap()
    }

    #[rstest]
    #[case::it_falls_silent(Some(("True", "AsDesired")), ("Unknown", "Unreachable"), Some(EventReason::ClusterNotReady))]
    #[case::the_cause_is_found(Some(("Unknown", "Unreachable")), ("Unknown", "CertificateInvalid"), Some(EventReason::ClusterNotReady))]
    #[case::still_so(Some(("Unknown", "Unreachable")), ("Unknown", "Unreachable"), None)]
    #[case::it_returns(Some(("Unknown", "Unreachable")), ("True", "AsDesired"), Some(EventReason::ClusterReady))]
    #[case::it_connects(None, ("Unknown", "Connecting"), None)]
    #[case::it_is_there_for_the_first_time(Some(("Unknown", "Connecting")), ("True", "AsDesired"), None)]
    #[case::it_leaves(Some(("True", "AsDesired")), ("False", "Leaving"), None)]
    fn a_change_is_said_once_and_what_passes_is_not(
        #[case] before: Option<(&str, &str)>,
        #[case] now: (&str, &str),
        #[case] said: Option<EventReason>,
    ) {
        let before = before.map(condition);
        let told = news(before.as_ref(), Some(&condition(now)));
        assert_eq!(told.map(|(reason, _)| reason), said);
    }
}
