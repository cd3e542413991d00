//! Conditions in a status, as upstream's controllers keep them.

use serde_json::{Value, json};

use crate::model::clock::{self, Timestamp};

/// A condition as a controller wants it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Condition<'a> {
    pub(super) kind: &'a str,
    /// `True`, `False`, `Unknown`.
    pub(super) status: &'a str,
    /// Empty for none.
    pub(super) reason: &'a str,
    pub(super) message: &'a str,
}

/// Of an object; empty when there are none.
pub(super) fn of(object: &Value) -> &[Value] {
    object["status"]["conditions"]
        .as_array()
        .map_or(&[], Vec::as_slice)
}

pub(super) fn find<'a>(conditions: &'a [Value], kind: &str) -> Option<&'a Value> {
    conditions.iter().find(|condition| condition["type"] == kind)
}

pub(super) fn remove(conditions: &mut Vec<Value>, kind: &str) {
    conditions.retain(|condition| condition["type"] != kind);
}

/// Whether the object says that the condition is true.
pub(super) fn is_true(object: &Value, kind: &str) -> bool {
    find(of(object), kind).is_some_and(|condition| condition["status"] == "True")
}

/// As Deployments and ReplicaSets keep them: the same status and reason change nothing, else the condition moves to
/// the end. Only Deployments have a `lastUpdateTime`.
pub(super) fn put_last(
    conditions: &mut Vec<Value>,
    wanted: Condition<'_>,
    now: Timestamp,
    update_time: bool,
) {
    let old = find(conditions, wanted.kind);
    if old.is_some_and(|old| old["status"] == wanted.status && old["reason"] == wanted.reason) {
        return;
    }
    let now = clock::format_seconds(now);
    let moved = match old {
        Some(old) if old["status"] == wanted.status => old["lastTransitionTime"].clone(),
        _ => now.clone().into(),
    };
    let mut new = json!({
        "type": wanted.kind, "status": wanted.status, "reason": wanted.reason, "message": wanted.message,
        "lastTransitionTime": moved,
    });
    if update_time {
        new["lastUpdateTime"] = now.into();
    }
    remove(conditions, wanted.kind);
    conditions.push(new);
}

/// As Pods, Nodes and Namespaces keep them: in their place, the time moves with the status.
pub(super) fn put_in_place(conditions: &mut Vec<Value>, wanted: Condition<'_>, now: Timestamp) {
    let place = conditions
        .iter()
        .position(|condition| condition["type"] == wanted.kind);
    let mut new = json!({
        "type": wanted.kind, "status": wanted.status, "lastTransitionTime": clock::format_seconds(now),
    });
    for (field, text) in [("reason", wanted.reason), ("message", wanted.message)] {
        if !text.is_empty() {
            new[field] = text.into();
        }
    }
    match place {
        None => conditions.push(new),
        Some(place) => {
            let old = &mut conditions[place];
            if old["status"] == wanted.status {
                new["lastTransitionTime"] = old["lastTransitionTime"].take();
            }
            for field in ["lastProbeTime", "lastHeartbeatTime", "observedGeneration"] {
                if let Some(value) = old.get_mut(field) {
                    new[field] = value.take();
                }
            }
            *old = new;
        }
    }
}

/// Several at once: kind, status, reason, message.
pub(super) fn put_all<const N: usize>(
    conditions: &mut Vec<Value>,
    wanted: [(&str, &str, &str, &str); N],
    now: Timestamp,
) {
    for (kind, status, reason, message) in wanted {
        let wanted = Condition {
            kind,
            status,
            reason,
            message,
        };
        put_in_place(conditions, wanted, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn condition(status: &'static str, reason: &'static str) -> Condition<'static> {
        Condition {
            kind: "Ready",
            status,
            reason,
            message: "",
        }
    }

    #[test]
    fn only_another_status_moves_the_time_of_transition() {
        for put in [
            (|list: &mut Vec<Value>, wanted: Condition<'_>, now| put_last(list, wanted, now, true))
                as fn(&mut Vec<Value>, Condition<'_>, Timestamp),
            put_in_place,
        ] {
            let mut list = vec![];
            put(&mut list, condition("True", "A"), at(0));
            put(&mut list, condition("True", "B"), at(9));
            assert_eq!(list[0]["lastTransitionTime"], "1970-01-01T00:00:00Z");
            assert_eq!(list[0]["reason"], "B");
            put(&mut list, condition("False", "B"), at(9));
            assert_eq!(list[0]["lastTransitionTime"], "1970-01-01T00:00:09Z");
            assert_eq!(list.len(), 1);
        }
    }
}
