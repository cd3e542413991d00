//! Events are one kind with two faces: core's, and the newer of `events.k8s.io`. They are kept as core's.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::Target;
use crate::sandbox::object::Object;

/// Fields of core and of the newer kind that hold the same.
const RENAMED: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("reportingComponent", "reportingController"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
];

pub(super) fn is_new(target: &Target) -> bool {
    target.is("events.k8s.io", "events")
}

/// As core's Event, to be kept.
pub(super) fn to_kept(mut event: Value) -> Value {
    rename(&mut event, |(core, new)| (new, core));
    event["apiVersion"] = "v1".into();
    event
}

/// As the newer Event, to be shown.
pub(super) fn to_new(event: &Object) -> Object {
    let mut event = (**event).clone();
    rename(&mut event, |pair| pair);
    event["apiVersion"] = "events.k8s.io/v1".into();
    Arc::new(event)
}

fn rename(
    event: &mut Value,
    direction: impl Fn((&'static str, &'static str)) -> (&'static str, &'static str),
) {
    let Value::Object(fields) = event else { return };
    let mut renamed = Map::new();
    for pair in RENAMED {
        let (from, to) = direction(pair);
        if let Some(value) = fields.remove(from) {
            renamed.insert(to.to_owned(), value);
        }
    }
    fields.append(&mut renamed);
}
