//! A text with its name, and places in it.

use std::ops::Range;

use super::{Code, Diagnostic, Excerpt, Severity};

/// A range of bytes of a text, always on character boundaries.
pub type Span = Range<usize>;

/// The longest line that a diagnostic carries along: minified JSON would otherwise be repeated for each.
const EXCERPT_LIMIT: usize = 400;

/// A text that was read, with its file name.
#[derive(Debug)]
pub struct Source {
    file: String,
    text: String,
    /// The byte at which each line starts.
    lines: Vec<usize>,
}

impl Source {
    #[must_use]
    pub fn new(file: &str, text: &str) -> Self {
        let lines = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        Self {
            file: file.to_owned(),
            text: text.to_owned(),
            lines,
        }
    }

    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Line and column of a byte, both from 1, the column in characters.
    #[must_use]
    pub fn position(&self, byte: usize) -> (usize, usize) {
        let byte = self.floor(byte);
        let line = self.lines.partition_point(|start| *start <= byte);
        let start = self.lines[line - 1];
        (line, self.text[start..byte].chars().count() + 1)
    }

    /// An error at a place of this text.
    #[must_use]
    pub fn error(&self, code: Code, span: Span, message: impl Into<String>) -> Diagnostic {
        let (line, column) = self.position(span.start);
        Diagnostic {
            code,
            severity: Severity::Error,
            file: self.file.clone(),
            line,
            column,
            message: message.into(),
            hint: None,
            excerpt: self.excerpt(line, &span),
            span: Some(span),
        }
    }

    /// The text of a line, from 1, without its end.
    pub(super) fn line(&self, line: usize) -> &str {
        let start = self.lines[line - 1];
        let end = self.lines.get(line).map_or(self.text.len(), |next| next - 1);
        self.text[start..end].trim_end_matches('\r')
    }

    fn excerpt(&self, line: usize, span: &Span) -> Option<Excerpt> {
        let text = self.line(line);
        if text.len() > EXCERPT_LIMIT {
            return None;
        }
        let start = (self.floor(span.start) - self.lines[line - 1]).min(text.len());
        let end = self
            .floor(span.end)
            .saturating_sub(self.lines[line - 1])
            .clamp(start, text.len());
        Some(Excerpt {
            text: text.to_owned(),
            span: start..end,
        })
    }

    fn floor(&self, byte: usize) -> usize {
        let mut byte = byte.min(self.text.len());
        while !self.text.is_char_boundary(byte) {
            byte -= 1;
        }
        byte
    }
}
