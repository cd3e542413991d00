//! Cells that many kinds share, and how upstream writes durations, labels and selectors.

use std::borrow::Borrow;

use serde_json::Value;

use crate::model::clock::{Timestamp, parse_timestamp};

/// What a custom kind's column shows of a value: null where the type isn't the column's.
pub(super) fn of_custom(kind: &str, value: &Value, now: Timestamp) -> Value {
    match kind {
        _ if value.is_null() => Value::Null,
        "string" => match value {
            Value::String(_) => value.clone(),
            other => other.to_string().into(),
        },
        "integer" => value.as_i64().into(),
        "number" => value.as_f64().into(),
        "boolean" => value.as_bool().into(),
        "date" => match value {
            Value::String(text) if parse_timestamp(text).is_err() => "<invalid>".into(),
            Value::String(_) => since(value, now).into(),
            _ => Value::Null,
        },
        _ => Value::Null,
    }
}

/// The text at a JSON pointer; empty when there is none.
pub(super) fn at<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The number at a JSON pointer; 0 when there is none.
pub(super) fn count(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

/// How many items or fields there are at a JSON pointer.
pub(super) fn size(object: &Value, pointer: &str) -> usize {
    match object.pointer(pointer) {
        Some(Value::Array(items)) => items.len(),
        Some(Value::Object(fields)) => fields.len(),
        _ => 0,
    }
}

/// The items of a list; none when it is absent.
pub(super) fn items<'a>(object: &'a Value, pointer: &str) -> impl DoubleEndedIterator<Item = &'a Value> {
    object
        .pointer(pointer)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// The condition of a type.
pub(super) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    items(object, "/status/conditions").find(|condition| condition["type"] == *kind)
}

pub(super) fn is_true(object: &Value, kind: &str) -> bool {
    condition(object, kind).is_some_and(|condition| condition["status"] == "True")
}

/// A value as text: numbers and texts alike, as quantities and ports come.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// How long ago a time was, for people; `<unknown>` when there is none.
pub(super) fn since(time: &Value, now: Timestamp) -> String {
    match time.as_str().map(parse_timestamp) {
        Some(Ok(time)) => duration(now.duration_since(time).as_secs()),
        _ => "<unknown>".to_owned(),
    }
}

/// Two or three digits that matter: `45s`, `3m20s`, `5h`, `2d3h`, `400d`.
pub(super) fn duration(seconds: i64) -> String {
    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    let two = |major: i64, major_unit: &str, minor: i64, minor_unit: &str| match minor {
        0 => format!("{major}{major_unit}"),
        minor => format!("{major}{major_unit}{minor}{minor_unit}"),
    };
    let (minutes, hours, days) = (seconds / MINUTE, seconds / HOUR, seconds / DAY);
    match seconds {
        ..-1 => "<invalid>".to_owned(),
        -1 => "0s".to_owned(),
        0..120 => format!("{seconds}s"),
        _ if minutes < 10 => two(minutes, "m", seconds % MINUTE, "s"),
        _ if minutes < 180 => format!("{minutes}m"),
        _ if hours < 8 => two(hours, "h", minutes % 60, "m"),
        _ if hours < 48 => format!("{hours}h"),
        _ if hours < 24 * 8 => two(days, "d", hours % 24, "h"),
        _ if days < 365 * 2 => format!("{days}d"),
        _ if days < 365 * 8 => two(days / 365, "y", days % 365, "d"),
        _ => format!("{}y", days / 365),
    }
}

/// `a=1,b=2`, or `<none>`.
pub(super) fn labels(labels: Option<&Value>) -> String {
    let labels = labels.and_then(Value::as_object).into_iter().flatten();
    none_if_empty(joined(
        labels.map(|(key, value)| format!("{key}={}", plain(value))),
        ",",
    ))
}

/// A label selector in one line, `app=web,tier in (a,b),!gone`; empty when it selects all.
pub(super) fn selector(selector: &Value) -> String {
    let mut parts: Vec<(String, String)> = Vec::new();
    for (key, value) in selector["matchLabels"].as_object().into_iter().flatten() {
        parts.push((key.clone(), format!("{key}={}", plain(value))));
    }
    for requirement in items(selector, "/matchExpressions") {
        let key = plain(&requirement["key"]);
        let mut values: Vec<String> = items(requirement, "/values").map(plain).collect();
        values.sort();
        let values = values.join(",");
        let text = match requirement["operator"].as_str().unwrap_or_default() {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "DoesNotExist" => format!("!{key}"),
            _ => key.clone(),
        };
        parts.push((key, text));
    }
    parts.sort();
    joined(parts.into_iter().map(|(_, text)| text), ",")
}

pub(super) fn joined<T: Borrow<str>>(texts: impl IntoIterator<Item = T>, separator: &str) -> String {
    texts.into_iter().collect::<Vec<T>>().join(separator)
}

pub(super) fn none_if_empty(text: String) -> String {
    if text.is_empty() {
        "<none>".to_owned()
    } else {
        text
    }
}
