//! Where each document of the files goes on the hub API.

use std::collections::BTreeSet;

use kube::{Api, api::DynamicObject};
use serde_json::{Value, json};

use super::{
    context::Hub,
    failure::Failure,
    kinds::{Kind, Kinds},
};
use crate::model::{
    api,
    manifest::{Code, Document},
    name::NamespaceName,
};

/// One document with its place on the hub API.
pub(super) struct Item<'a> {
    pub(super) document: &'a Document,
    pub(super) kind: Kind,
    pub(super) namespace: Option<NamespaceName>,
}

impl Item<'_> {
    /// `deployment.apps/web`
    pub(super) fn shown(&self) -> String {
        let group = if self.kind.resource.group.is_empty() {
            String::new()
        } else {
            format!(".{}", self.kind.resource.group)
        };
        format!(
            "{}{group}/{}",
            self.kind.resource.kind.to_lowercase(),
            self.document.name()
        )
    }

    pub(super) fn api(&self, hub: &Hub) -> Api<DynamicObject> {
        self.kind.api(&hub.client, self.namespace.as_ref())
    }

    pub(super) fn body(&self) -> Value {
        let mut body = self.document.object.clone();
        if let Some(namespace) = &self.namespace {
            body["metadata"]["namespace"] = json!(namespace);
        }
        // What a dump of a live object carries along, and a server-side apply refuses.
        if let Some(metadata) = body["metadata"].as_object_mut() {
            metadata.remove("managedFields");
            metadata.remove("resourceVersion");
            metadata.remove("uid");
        }
        body
    }
}

/// Kinds that the files themselves define.
pub(super) fn defined_here(documents: &[Document]) -> BTreeSet<(String, String)> {
    documents
        .iter()
        .filter(|document| document.kind() == "CustomResourceDefinition")
        .filter_map(|document| {
            let text = |pointer| document.object.pointer(pointer).and_then(Value::as_str);
            Some((
                text("/spec/group")?.to_owned(),
                text("/spec/names/kind")?.to_owned(),
            ))
        })
        .collect()
}

/// Where each document goes; last the ones whose kind comes into being only on the way.
pub(super) fn locate<'a>(
    hub: &Hub,
    documents: impl IntoIterator<Item = &'a Document>,
    kinds: &Kinds,
    defined: &BTreeSet<(String, String)>,
) -> Result<(Vec<Item<'a>>, Vec<&'a Document>), Failure> {
    let (mut items, mut later, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
    for document in documents {
        let Some(kind) = kinds.of_manifest(document.group(), document.version(), document.kind()) else {
            if defined.contains(&(document.group().to_owned(), document.kind().to_owned())) {
                later.push(document);
            } else {
                wrong.push(
                    document
                        .error(Code::KIND_NOT_SERVED, "/kind", format!("the hub API serves no {} in {}", document.kind(), document.api_version()))
                        .with_hint(if document.group() == api::GROUP { "run `hub install` against this hub API first" } else { "install its CustomResourceDefinition on the hub API, or correct apiVersion and kind" }),
                );
            }
            continue;
        };
        let namespace = match document.namespace() {
            _ if !kind.namespaced => None,
            None => Some(hub.namespace.clone()),
            Some(own) if hub.chosen && own != hub.namespace.as_str() => {
                wrong.push(
                    document
                        .error(
                            Code::NAMESPACE_MISMATCH,
                            "/metadata/namespace",
                            format!("the object is in namespace {own}, and -n says {}", hub.namespace),
                        )
                        .with_hint("leave -n away, or the namespace out of the manifest"),
                );
                continue;
            }
            Some(own) => own.parse().ok(),
        };
        items.push(Item {
            document,
            kind,
            namespace,
        });
    }
    if wrong.is_empty() {
        Ok((items, later))
    } else {
        Err(Failure::all(wrong))
    }
}
