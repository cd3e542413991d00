//! What is wrong with overrides by themselves, at its place in the file.

use std::collections::BTreeSet;

use kube::ResourceExt as _;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::{
    decide::{
        policy::{Override, Overrides},
        render::{Fault, Wrong, change, lint},
    },
    model::{
        api::{self, Cluster, ClusterOverridePolicy, OverridePolicy},
        fleet::Member,
        manifest::{Code, Diagnostic, Document},
        template::Template,
    },
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

/// Overrides that can't be made of the templates of the same files: as for each Cluster of the files, or for one of which
/// nothing is known.
pub(super) fn unmade(documents: &[Document], namespace: Option<&str>) -> Vec<Diagnostic> {
    let mut overrides = Overrides::default();
    for document in documents.iter().filter(|document| document.group() == api::GROUP) {
        let read = match document.kind() {
            "OverridePolicy" => {
                read::<OverridePolicy>(document, namespace).and_then(|policy| Override::of(&policy).ok())
            }
            "ClusterOverridePolicy" => read::<ClusterOverridePolicy>(document, None)
                .and_then(|policy| Override::of_cluster(&policy).ok()),
            _ => None,
        };
        if let Some(read) = read {
            overrides.upsert(read);
        }
    }
    let members = members(documents);
    let mut found = Vec::new();
    let mut told = BTreeSet::new();
    for document in documents.iter().filter(|document| document.group() != api::GROUP) {
        let mut object = document.object.clone();
        if document.namespace().is_none() {
            object["metadata"]["namespace"] = json!(namespace.unwrap_or("default"));
        }
        let Ok(template) = Template::from_object(&object, &|_| false) else {
            continue;
        };
        let due = overrides.of_template(&template);
        for member in &members {
            let Err(error) = change(&due, &template, member, &mut template.value()) else {
                continue;
            };
            // What can't be told here is no mistake, and what is wrong by itself was said.
            let by_itself = matches!(
                error.wrong,
                Wrong::Unclear { .. }
                    | Wrong::Selectors
                    | Wrong::NoFact { .. }
                    | Wrong::Placeholder { .. }
                    | Wrong::Pointer { .. }
                    | Wrong::Lacks { .. }
                    | Wrong::Image { .. }
                    | Wrong::Identity { .. }
            );
            let policy = documents.iter().find(|document| {
                document.group() == api::GROUP
                    && format!("{}/{}", document.kind(), document.name()) == error.by.reference()
                    && error
                        .by
                        .namespace
                        .as_ref()
                        .is_none_or(|inside| document.namespace().or(namespace) == Some(inside.as_str()))
            });
            if let Some(policy) = policy.filter(|_| !by_itself)
                && told.insert((error.by.clone(), error.at.clone()))
            {
                let of = format!("{} {}", document.kind(), document.name());
                let pointer = format!(
                    "/{}",
                    error
                        .at
                        .replace("].", "/")
                        .replace('[', "/")
                        .replace(']', "")
                        .replace('.', "/")
                );
                found.push(
                    policy
                        .error(Code::BAD_OVERRIDE, &pointer, format!("it can't be made of {of}: {}", error.wrong))
                        .with_hint(
                            "an override sees what stands in the manifest, not what servers add; add what may be missing, or \
                             select fewer templates",
                        ),
                );
            }
        }
    }
    found
}

fn read<T: DeserializeOwned>(document: &Document, namespace: Option<&str>) -> Option<T> {
    let mut object = document.object.clone();
    if let (None, Some(namespace)) = (document.namespace(), namespace) {
        object["metadata"]["namespace"] = json!(namespace);
    }
    serde_json::from_value(object).ok()
}

fn members(documents: &[Document]) -> Vec<Member> {
    let clusters = documents
        .iter()
        .filter(|document| document.group() == api::GROUP && document.kind() == "Cluster")
        .filter_map(|document| read::<Cluster>(document, None));
    let of = |cluster: Cluster| {
        Some(Member {
            labels: cluster.labels().clone(),
            region: cluster.spec.region.clone(),
            zone: cluster.spec.zone.clone(),
            provider: cluster.spec.provider.clone(),
            ..Member::unheard(cluster.name_any().parse().ok()?)
        })
    };
    let known: Vec<Member> = clusters.filter_map(of).collect();
    if !known.is_empty() {
        return known;
    }
    "example".parse().map(Member::unheard).into_iter().collect()
}
