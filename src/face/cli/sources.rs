//! Reading what `-f` and `check` name: all of it, before anything else happens.

use super::failure::Failure;
use crate::model::manifest::{Code, Diagnostic, Document, LoadError, load, read};

/// Everything that was read, and everything that is wrong with it.
pub(super) struct Sources {
    pub(super) documents: Vec<Document>,
    pub(super) diagnostics: Vec<Diagnostic>,
}

/// Reads files, folders and stdin.
pub(super) fn gather(paths: &[String]) -> Sources {
    let texts = match load(paths) {
        Ok(texts) => texts,
        Err(error) => {
            return Sources {
                documents: Vec::new(),
                diagnostics: vec![unreadable(&error)],
            };
        }
    };
    let mut sources = Sources {
        documents: Vec::new(),
        diagnostics: Vec::new(),
    };
    for text in &texts {
        let (documents, diagnostics) = read(&text.file, &text.text);
        sources.documents.extend(documents);
        sources.diagnostics.extend(diagnostics);
    }
    if sources.documents.is_empty() && sources.diagnostics.is_empty() {
        let file = texts.first().map_or("-", |text| text.file.as_str());
        sources.diagnostics.push(
            Diagnostic::about_file(Code::NO_DOCUMENTS, file, "there is nothing to read").with_hint(
                "a manifest has apiVersion, kind and metadata.name; documents are separated by ---",
            ),
        );
    }
    sources
}

fn unreadable(error: &LoadError) -> Diagnostic {
    let diagnostic = error.diagnostic();
    if diagnostic.hint.is_some() {
        return diagnostic;
    }
    diagnostic.with_hint("name a file or a folder that can be read, or - for stdin")
}

impl Sources {
    /// The documents, or the refusal if anything is wrong. Warnings are handed back to be shown.
    pub(super) fn sound(self) -> Result<(Vec<Document>, Vec<Diagnostic>), Failure> {
        if self.diagnostics.iter().any(Diagnostic::is_error) {
            return Err(Failure::all(self.diagnostics));
        }
        Ok((self.documents, self.diagnostics))
    }
}
