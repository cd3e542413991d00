//! `hub check`: reads files offline and prints what is wrong, on stdout.

use super::{
    args::{Check, Global},
    diagnose,
    failure::{Exit, Failure},
    fields::{HubSchemas, duplicates},
    output::Screen,
    overrides::unmade,
    references::{Known, references},
    sources::gather,
};
use crate::model::manifest::Diagnostic;

pub(super) fn run(global: &Global, screen: Screen, wanted: &Check) -> Result<Exit, Failure> {
    let namespace = global.namespace.as_deref();
    let sources = gather(&wanted.paths);
    let mut found = sources.diagnostics;
    let schemas = HubSchemas::new();
    found.extend(
        sources
            .documents
            .iter()
            .flat_map(|document| schemas.check(document)),
    );
    found.extend(unmade(&sources.documents, namespace));
    found.extend(duplicates(&sources.documents, namespace));
    found.extend(references(
        &sources.documents,
        namespace,
        &Known::in_files(&sources.documents),
    ));
    found.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    let errors = found.iter().filter(|diagnostic| diagnostic.is_error()).count();
    if !screen.structured(global.output, &found)? {
        screen.data(&found.iter().map(diagnose::line).collect::<String>())?;
        screen.words(&summary(sources.documents.len(), &found, errors));
    }
    Ok(if errors == 0 { Exit::Done } else { Exit::Refused })
}

fn summary(objects: usize, found: &[Diagnostic], errors: usize) -> String {
    let count = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    let warnings = found.len() - errors;
    format!(
        "{} read, {}, {}",
        count(objects, "object"),
        count(errors, "error"),
        count(warnings, "warning")
    )
}
