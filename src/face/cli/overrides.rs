//! What is wrong with overrides by themselves, at its place in the file.

use crate::{
    decide::render::{Fault, Wrong, lint},
    model::manifest::{Code, Diagnostic, Document},
};

/// Nothing for other kinds.
pub(super) fn mistakes(document: &Document) -> Vec<Diagnostic> {
    if !matches!(document.kind(), "OverridePolicy" | "ClusterOverridePolicy") {
        return Vec::new();
    }
    let spec = document.object.get("spec");
    let faults = spec.map(lint).unwrap_or_default();
    // A rule of the kind says that of `from`; of `value`, which may be anything, no rule can.
    let told = |fault: &&Fault| {
        let wrong = match fault {
            Fault::Change { wrong, .. } => Some(wrong),
            Fault::Expression { .. } => None,
        };
        matches!(wrong, Some(Wrong::Lacks { field: "from", .. }))
    };
    let untold = faults.iter().filter(|fault| !told(fault));
    untold.map(|fault| diagnostic(document, fault)).collect()
}

fn diagnostic(document: &Document, fault: &Fault) -> Diagnostic {
    match fault {
        Fault::Expression {
            pointer,
            message,
            hint,
        } => {
            let found = document.error(Code::BAD_EXPRESSION, pointer, message.clone());
            match hint {
                Some(hint) => found.with_hint(hint.clone()),
                None => found.with_hint(
                    "an expression on cluster that is true or false, such as cluster.status.nodes.ready >= 3",
                ),
            }
        }
        Fault::Change { pointer, wrong } => {
            let (code, hint) = match wrong {
                Wrong::Placeholder { .. } => (
                    Code::BAD_PLACEHOLDER,
                    "there are ${cluster.name}, ${cluster.region}, ${cluster.zone}, ${cluster.provider} and ${cluster.labels['key']}",
                ),
                Wrong::Pointer { .. } => (
                    Code::BAD_POINTER,
                    "for example /metadata/annotations/example.com~1note is annotation example.com/note",
                ),
                Wrong::Lacks { .. } => (
                    Code::BAD_OVERRIDE,
                    "add, replace and test have a value, which is not null; move and copy have from",
                ),
                _ => (
                    Code::BAD_OVERRIDE,
                    "an image is registry/repository:tag@digest; give each part in its own field, without the sign before it",
                ),
            };
            document.error(code, pointer, wrong.to_string()).with_hint(hint)
        }
    }
}
