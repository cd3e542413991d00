//! `DeleteOptions`, as a body says them.

use serde_json::Value;

use super::{DeleteOptions, Propagation};
use crate::sandbox::failure::{Cause, Failure};

impl DeleteOptions {
    /// From the JSON of a body; null says nothing.
    pub(crate) fn read(body: &Value) -> Result<Self, Failure> {
        let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let propagation = match (
            body["propagationPolicy"].as_str(),
            body["orphanDependents"].as_bool(),
        ) {
            (Some(word), None) => Propagation::read(word)?,
            (None, Some(true)) => Propagation::Orphan,
            (None, Some(false)) => Propagation::Background,
            (None, None) => Propagation::Unsaid,
            (Some(_), Some(_)) => {
                return Err(invalid(
                    "",
                    "FieldValueInvalid",
                    "Invalid value: orphanDependents and deletionPropagation cannot be both set",
                ));
            }
        };
        Ok(Self {
            uid: text("/preconditions/uid"),
            resource_version: text("/preconditions/resourceVersion"),
            propagation,
            grace_seconds: body["gracePeriodSeconds"].as_i64(),
            dry_run: body["dryRun"].as_array().is_some_and(|dry| !dry.is_empty()),
        })
    }
}

impl Propagation {
    pub(crate) fn read(word: &str) -> Result<Self, Failure> {
        match word {
            "" => Ok(Self::Unsaid),
            "Background" => Ok(Self::Background),
            "Foreground" => Ok(Self::Foreground),
            "Orphan" => Ok(Self::Orphan),
            _ => Err(invalid(
                "propagationPolicy",
                "FieldValueNotSupported",
                &format!(
                    "Unsupported value: \"{word}\": supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\""
                ),
            )),
        }
    }
}

fn invalid(field: &str, reason: &'static str, message: &str) -> Failure {
    let cause = Cause {
        reason,
        message: message.to_owned(),
        field: field.to_owned(),
    };
    Failure::invalid("meta.k8s.io", "DeleteOptions", "", vec![cause])
}
