//! Draws diagnostics for people: the message, the line it is about, the hint.

use annotate_snippets::{AnnotationKind, Element, Group, Level, Renderer, Snippet, renderer::DecorStyle};

use super::{failure::Failure, output::Screen};
use crate::model::manifest::{Diagnostic, Severity};

/// Draws a failure on stderr.
pub(super) fn draw(screen: Screen, failure: &Failure) {
    for diagnostic in &failure.diagnostics {
        screen.words(&drawn(diagnostic, screen.color_err));
    }
}

/// One diagnostic with its source line, where there is one.
pub(super) fn drawn(diagnostic: &Diagnostic, color: bool) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let code = diagnostic.code.to_string();
    let title = level.primary_title(diagnostic.message.as_str()).id(code.as_str());
    let mut elements: Vec<Element<'_>> = Vec::new();
    let place;
    if let Some(excerpt) = &diagnostic.excerpt {
        let snippet = Snippet::source(excerpt.text.as_str())
            .line_start(diagnostic.line)
            .path(diagnostic.file.as_str())
            .annotation(AnnotationKind::Primary.span(excerpt.span.clone()));
        elements.push(snippet.into());
    } else if !diagnostic.file.is_empty() {
        place = match diagnostic.line {
            0 => diagnostic.file.clone(),
            line => format!("{}:{line}:{}", diagnostic.file, diagnostic.column),
        };
        elements.push(annotate_snippets::Origin::path(place.as_str()).into());
    }
    if let Some(hint) = &diagnostic.hint {
        elements.push(Level::HELP.with_name("hint").message(hint.as_str()).into());
    }
    let renderer = if color {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let group = if elements.is_empty() {
        Group::with_title(title)
    } else {
        title.elements(elements)
    };
    renderer.decor_style(DecorStyle::Ascii).render(&[group]).clone()
}

/// The form of `hub check`: `file:line:column: error[HUB####]: text`, then `hint:`.
pub(super) fn line(diagnostic: &Diagnostic) -> String {
    let mut text = diagnostic.to_string();
    if let Some(hint) = &diagnostic.hint {
        text.push_str("\n  hint: ");
        text.push_str(hint);
    }
    text.push('\n');
    text
}
