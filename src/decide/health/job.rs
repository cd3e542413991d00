//! The summed status of a Job.
//!
//! The API server checks every update of a Job's status: counters never fall, a finished Job stays finished,
//! `startTime` never moves, Complete needs `SuccessCriteriaMet` and Failed needs `FailureTarget`, neither with
//! active pods. What would be refused is never answered.

use serde_json::{Map, Value, json};

use super::aggregate::Sum;
use super::conditions;

pub(super) fn status(sum: &Sum<'_>) -> Value {
    let finished_before = sum.previous.is_some_and(|previous| end(previous).is_some());
    if let Some(previous) = sum.previous.filter(|_| finished_before) {
        return previous.clone();
    }
    let mut status = Map::new();
    let mut put = |field: &str, number: i64| {
        if number != 0 {
            status.insert(field.to_owned(), number.into());
        }
    };
    put("active", sum.total("active"));
    put("ready", sum.total("ready"));
    put("terminating", sum.total("terminating"));
    for field in ["succeeded", "failed"] {
        let before = sum.before(field).and_then(Value::as_i64).unwrap_or_default();
        put(field, sum.total(field).max(before));
    }
    let times = |field: &'static str| sum.heard().filter_map(move |status| status.get(field)?.as_str());
    let before = sum.before("startTime").and_then(Value::as_str);
    let start = before.or_else(|| times("startTime").min());
    if let Some(start) = start {
        status.insert("startTime".to_owned(), start.into());
    }
    let ends: Vec<Option<End>> = sum
        .statuses
        .iter()
        .map(|(_, status)| status.as_ref().and_then(end))
        .collect();
    let quiet = sum.total("active") == 0 && sum.total("terminating") == 0;
    if start.is_some() && quiet && !ends.is_empty() && ends.iter().all(Option::is_some) {
        let failed = ends.contains(&Some(End::Failed));
        let (of, first) = if failed {
            ("Failed", "FailureTarget")
        } else {
            ("Complete", "SuccessCriteriaMet")
        };
        let met = sum
            .heard()
            .find_map(|status| conditions::find(status, of).filter(|c| c.status == "True"));
        let at = sum
            .heard()
            .filter_map(|status| {
                conditions::find(status, of)?
                    .json
                    .get("lastTransitionTime")?
                    .as_str()
            })
            .max();
        let condition = |of: &str| {
            let mut condition = json!({
                "type": of, "status": "True",
                "reason": met.map_or("", |met| met.reason), "message": met.map_or("", |met| met.message),
            });
            if let Some(at) = at {
                condition["lastTransitionTime"] = at.into();
                condition["lastProbeTime"] = at.into();
            }
            condition
        };
        status.insert("conditions".to_owned(), json!([condition(first), condition(of)]));
        if let Some(completed) = times("completionTime").chain(start).max().filter(|_| !failed) {
            status.insert("completionTime".to_owned(), completed.into());
        }
    }
    Value::Object(status)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Complete,
    Failed,
}

/// How the Job of one member has ended.
fn end(status: &Value) -> Option<End> {
    let is_true = |of: &str| conditions::find(status, of).is_some_and(|condition| condition.status == "True");
    if is_true("Failed") {
        Some(End::Failed)
    } else if is_true("Complete") {
        Some(End::Complete)
    } else {
        None
    }
}
