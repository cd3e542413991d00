//! What can be said of a manifest by itself: whether it fits the schema of its kind, whether it stands there twice.

use std::collections::BTreeMap;

use super::bundles;
use super::expressions::expressions;
use super::overrides::mistakes;
use crate::model::{
    api::{self, crds},
    manifest::{Code, Diagnostic, Document},
    schema::{Problem, ProblemKind, SchemaRef, Schemas, check},
};

/// The schemas of the hub's own kinds.
pub(super) struct HubSchemas(Vec<Schemas>);

impl HubSchemas {
    pub(super) fn new() -> Self {
        let read = |crd| {
            serde_json::to_value(crd)
                .ok()
                .and_then(|crd| Schemas::from_crd(&crd).ok())
        };
        Self(crds().into_iter().filter_map(read).collect())
    }

    fn of(&self, document: &Document) -> Option<SchemaRef> {
        self.0
            .iter()
            .find_map(|schemas| schemas.kind(document.group(), document.version(), document.kind()))
    }

    /// What does not fit the schema of a hub kind. Nothing for other kinds.
    pub(super) fn check(&self, document: &Document) -> Vec<Diagnostic> {
        if document.group() != api::GROUP {
            return Vec::new();
        }
        match self.of(document) {
            Some(schema) => check(&schema, &document.object)
                .iter()
                .map(|problem| diagnostic(document, problem))
                .chain(mistakes(document))
                .chain(bundles::mistakes(document))
                .chain(expressions(document))
                .collect(),
            None => vec![
                document
                    .error(
                        Code::NOT_ALLOWED,
                        "/kind",
                        format!("{} has no kind {} in {}", api::GROUP, document.kind(), document.version()),
                    )
                    .with_hint(format!("the kinds of {}/{} are Cluster, Tenant, PropagationPolicy, ClusterPropagationPolicy, OverridePolicy, ClusterOverridePolicy, Bundle, KindRule and WorkloadBinding", api::GROUP, api::VERSION)),
            ],
        }
    }
}

/// A problem with a value, at its place in the file.
pub(super) fn diagnostic(document: &Document, problem: &Problem) -> Diagnostic {
    // A rule that names its field itself need not be told twice which one it is.
    let message = match problem.message.split_once(": ") {
        Some((path, rest)) if rest.starts_with(path) => rest.to_owned(),
        _ => problem.message.clone(),
    };
    let at = |code| document.error(code, &problem.pointer, message.clone());
    match &problem.kind {
        ProblemKind::UnknownField { suggestion } => {
            let found = document.error_at_key(Code::UNKNOWN_FIELD, &problem.pointer, message.clone());
            match suggestion {
                Some(name) => found.with_hint(format!("did you mean {name}?")),
                None => found.with_hint("remove it, or look it up in docs/reference"),
            }
        }
        ProblemKind::WrongType { expected, .. } => at(Code::WRONG_TYPE).with_hint(how_to_write(expected)),
        ProblemKind::Missing { field } => at(Code::MISSING_FIELD).with_hint(format!("add {field}")),
        ProblemKind::NotInEnum { allowed } => {
            at(Code::NOT_ALLOWED).with_hint(format!("use one of {}", allowed.join(", ")))
        }
        ProblemKind::DuplicateKey { .. } => at(Code::DUPLICATE_ITEM).with_hint("keep one of the two"),
        ProblemKind::Pattern { pattern } => {
            at(Code::BAD_FORMAT).with_hint(format!("it must match {pattern}"))
        }
        ProblemKind::OutOfRange => {
            at(Code::OUT_OF_RANGE).with_hint("stay within the limit that the message names")
        }
        ProblemKind::Rule => {
            at(Code::RULE_REFUSED).with_hint("the rule is part of the kind's definition; `hub crds` shows it")
        }
        ProblemKind::NotImplemented => document
            .error_at_key(Code::NOT_IMPLEMENTED, &problem.pointer, message.clone())
            .with_hint("remove the field; this version of the hub would not act on it"),
    }
}

fn how_to_write(expected: &str) -> String {
    match expected {
        "list" => "write it as a list: [a, b], or one item a line after -".to_owned(),
        "object" => "write its fields below it, indented".to_owned(),
        "string" => "put the value in quotes".to_owned(),
        "boolean" => "write true or false, without quotes".to_owned(),
        "integer" | "number" => "write a number, without quotes".to_owned(),
        other => format!("write it as {other}"),
    }
}

/// Objects that stand in the files twice.
pub(super) fn duplicates(documents: &[Document], namespace: Option<&str>) -> Vec<Diagnostic> {
    let mut seen: BTreeMap<(&str, &str, &str, &str), &Document> = BTreeMap::new();
    let mut found = Vec::new();
    for document in documents {
        let inside = document.namespace().or(namespace).unwrap_or_default();
        let key = (document.group(), document.kind(), inside, document.name());
        let Some(first) = seen.get(&key) else {
            seen.insert(key, document);
            continue;
        };
        let (line, _) = first.source().position(first.place("").value.start);
        found.push(
            document
                .error(
                    Code::DUPLICATE_OBJECT,
                    "/metadata/name",
                    format!(
                        "{} {} stands in the files twice",
                        document.kind(),
                        document.name()
                    ),
                )
                .with_hint(format!(
                    "the first is at {}:{line}; keep one of the two",
                    first.file()
                )),
        );
    }
    found
}
