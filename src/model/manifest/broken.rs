//! What the parser could not read, in words of people who write manifests.

use granit_parser::{ErrorKind, ScanError};

use super::{Code, Diagnostic, Source};

/// The diagnostic of a parser's error at a byte of the source.
pub(super) fn diagnostic(source: &Source, error: &ScanError, at: usize) -> Diagnostic {
    let (line, column) = source.position(at);
    let text = source.line(line);
    let indent = text.len() - text.trim_start().len();
    if let (Some(tab), false) = (text[..indent].find('\t'), text.trim_start().is_empty()) {
        let before: usize = text.chars().take(column - 1).map(char::len_utf8).sum();
        let start = at.saturating_sub(before) + tab;
        return source
            .error(
                Code::TAB_INDENT,
                start..start + 1,
                "a tab is used for indentation",
            )
            .with_hint("indent with spaces");
    }
    let code = match error.kind() {
        ErrorKind::RecursionLimitExceeded => Code::TOO_LARGE,
        _ => Code::SYNTAX,
    };
    let rest = source.text().get(at..).unwrap_or_default();
    let end = at + rest.chars().next().map_or(0, char::len_utf8);
    source
        .error(code, at..end, error.info())
        .with_hint(hint(error.kind(), text))
}

fn hint(kind: &ErrorKind, line: &str) -> &'static str {
    if line.contains("{{") {
        return "this looks like a template: render it first (helm template, kustomize build)";
    }
    match kind {
        ErrorKind::UnclosedQuotedScalar => "close the quote",
        ErrorKind::UnclosedFlowCollection { .. }
        | ErrorKind::UnexpectedEofFlowMapping
        | ErrorKind::UnexpectedEofFlowSequence => "close the bracket",
        ErrorKind::InvalidSimpleKey | ErrorKind::SimpleKeyExpected => {
            "a key needs a colon and a space after it; quote a text that spans lines"
        }
        ErrorKind::UnexpectedCharacter {
            character: '@' | '`' | '%',
        } => "put a value that starts with this character in quotes",
        _ if line.matches(": ").count() > 1 => "quote a value that contains \": \"",
        _ => "check the indentation of this line and the one before it",
    }
}
