//! The query of a request.

use percent_encoding::percent_decode_str;

use crate::sandbox::failure::{Cause, Failure};
use crate::sandbox::write::FieldValidation;

/// Names and values in their order. Of a name that comes twice the first value counts, as upstream has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(text: &str) -> Self {
        let text = text.replace('+', " ");
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decode(name), decode(value))
                })
                .collect(),
        )
    }

    /// None also for empty values: they say nothing.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(of, _)| of == name)?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }

    pub(super) fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// Anything but `false` and `0` is true, also a name without a value.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        let (_, value) = self.0.iter().find(|(of, _)| of == name)?;
        Some(!matches!(value.to_ascii_lowercase().as_str(), "false" | "0"))
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<i64>, Failure> {
        let parse = |text: &str| {
            let error =
                || Failure::bad_request(format!("strconv.ParseInt: parsing \"{text}\": invalid syntax"));
            text.parse().map_err(|_| error())
        };
        self.get(name).map(parse).transpose()
    }

    /// `dryRun` knows one value.
    pub(super) fn dry_run(&self, options: &str) -> Result<bool, Failure> {
        match self.text("dryRun") {
            "" => Ok(false),
            "All" => Ok(true),
            other => {
                let message = format!("Unsupported value: [\"{other}\"]: supported values: \"All\"");
                Err(invalid(options, "dryRun", "FieldValueNotSupported", message))
            }
        }
    }

    pub(super) fn validation(&self, options: &str) -> Result<FieldValidation, Failure> {
        match self.text("fieldValidation") {
            "" | "Warn" => Ok(FieldValidation::Warn),
            "Ignore" => Ok(FieldValidation::Ignore),
            "Strict" => Ok(FieldValidation::Strict),
            other => {
                let message = format!(
                    "Unsupported value: \"{other}\": supported values: \"\", \"Ignore\", \"Strict\", \"Warn\""
                );
                Err(invalid(
                    options,
                    "fieldValidation",
                    "FieldValueNotSupported",
                    message,
                ))
            }
        }
    }
}

/// A refusal of the request's options: `CreateOptions.meta.k8s.io "" is invalid: …`.
pub(super) fn invalid(options: &str, field: &str, reason: &'static str, message: String) -> Failure {
    let cause = Cause {
        reason,
        message,
        field: field.to_owned(),
    };
    Failure::invalid("meta.k8s.io", options, "", vec![cause])
}

/// Undoes percent-encoding; what is not UTF-8 then is replaced.
pub(super) fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
