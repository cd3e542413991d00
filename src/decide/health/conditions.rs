//! Conditions of any kind, read from JSON.

use std::fmt;

use serde_json::Value;

/// One condition.
#[derive(Debug, Clone, Copy)]
pub(super) struct Condition<'a> {
    of: &'a str,
    pub(super) status: &'a str,
    pub(super) reason: &'a str,
    pub(super) message: &'a str,
    pub(super) json: &'a Value,
}

impl fmt::Display for Condition<'_> {
    /// `Ready is False: Waiting: the volume is not there`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}", self.of, self.status)?;
        for part in [self.reason, self.message] {
            if !part.is_empty() {
                write!(f, ": {part}")?;
            }
        }
        Ok(())
    }
}

impl<'a> Condition<'a> {
    fn read(json: &'a Value) -> Option<Self> {
        let text = |field: &str| json.get(field).and_then(Value::as_str);
        Some(Self {
            of: text("type")?,
            status: text("status")?,
            reason: text("reason").unwrap_or_default(),
            message: text("message").unwrap_or_default(),
            json,
        })
    }
}

impl Condition<'_> {
    /// The generation that it was written for, if it says so.
    pub(super) fn observed(&self) -> Option<i64> {
        self.json.get("observedGeneration").and_then(Value::as_i64)
    }
}

/// The condition of that type in a status.
pub(super) fn find<'a>(status: &'a Value, of: &str) -> Option<Condition<'a>> {
    let conditions = status.get("conditions").and_then(Value::as_array);
    conditions
        .into_iter()
        .flatten()
        .filter_map(Condition::read)
        .find(|condition| condition.of == of)
}
