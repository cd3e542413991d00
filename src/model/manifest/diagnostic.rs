//! What is wrong, where, and what to do.

use std::fmt;
use std::ops::Range;

use serde::Serialize;

use super::{Code, Span};

/// How bad it is: an error changes nothing and ends with exit code 1, a warning is only shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Error,
    Warning,
}

/// One thing that is wrong with a text, and the place of it.
///
/// Serialises as `{code, severity, file, line, column, message, hint}`: the JSON that `hub check -o json` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    pub code: Code,
    pub severity: Severity,
    /// The file as it was named on the command line, `-` for standard input.
    pub file: String,
    /// From 1. 0 when the whole file is meant.
    pub line: usize,
    /// From 1, in characters. 0 when the whole file is meant.
    pub column: usize,
    /// One sentence without a final point. Values of Secrets are never quoted.
    pub message: String,
    /// What to do about it, when that is known.
    pub hint: Option<String>,
    /// The bytes of the file that are meant.
    #[serde(skip)]
    pub span: Option<Span>,
    /// The line at `line`, to draw under the message.
    #[serde(skip)]
    pub excerpt: Option<Excerpt>,
}

/// A source line and the part of it that is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The line without its end.
    pub text: String,
    /// Bytes of `text`: on character boundaries, never past its end.
    pub span: Range<usize>,
}

impl Diagnostic {
    /// An error about a whole file, for which there is no place.
    #[must_use]
    pub fn about_file(code: Code, file: &str, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            file: file.to_owned(),
            line: 0,
            column: 0,
            message: message.into(),
            hint: None,
            span: None,
            excerpt: None,
        }
    }

    /// The same with a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same as a warning.
    #[must_use]
    pub fn as_warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// `file:line:column: error[HUB####]: message`, without the hint.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file)?;
        if self.line > 0 {
            write!(f, "{}:{}:", self.line, self.column)?;
        }
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, " {severity}[{}]: {}", self.code, self.message)
    }
}
