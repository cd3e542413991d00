//! From a text to documents that have a kind and a name.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::compose::compose;
use super::names::{label_problem, path_segment_problem, subdomain_problem};
use super::tree::{Content, Node};
use super::{Code, Diagnostic, Document, Place, Source};

/// The largest object, as JSON: what etcd takes is 1.5 MiB, and the hub adds to it.
const OBJECT_LIMIT: usize = 1 << 20;

/// Reads all objects of a text, in order. Lists (`kind: List`) are taken apart, empty documents skipped.
///
/// Every mistake is reported, not only the first; a document with a mistake is left out.
#[must_use]
pub fn read(file: &str, text: &str) -> (Vec<Document>, Vec<Diagnostic>) {
    let source = Arc::new(Source::new(file, text));
    let (roots, mut diagnostics) = compose(&source);
    let mut documents = Vec::new();
    for root in roots {
        for object in flatten(root) {
            let found = problems(&source, &object);
            if found.is_empty() {
                let mut places = HashMap::new();
                let object = value_of(object, None, &mut String::new(), &mut places);
                documents.push(Document {
                    object,
                    source: Arc::clone(&source),
                    places,
                });
            } else {
                diagnostics.extend(found);
            }
        }
    }
    (documents, diagnostics)
}

/// The items of a list, or the document itself; nothing for an empty document.
fn flatten(root: Node) -> Vec<Node> {
    if matches!(root.content, Content::Scalar(Value::Null)) {
        return Vec::new();
    }
    let is_list = root
        .get("kind")
        .and_then(Node::text)
        .is_some_and(|kind| kind.ends_with("List"))
        && root
            .get("items")
            .is_some_and(|items| matches!(items.content, Content::List(_)));
    if !is_list {
        return vec![root];
    }
    let Content::Map(entries) = root.content else {
        return Vec::new();
    };
    let items = entries
        .into_iter()
        .find(|entry| entry.key == "items")
        .map(|entry| entry.value.content);
    let Some(Content::List(items)) = items else {
        return Vec::new();
    };
    items.into_iter().flat_map(flatten).collect()
}

fn problems(source: &Source, object: &Node) -> Vec<Diagnostic> {
    if !matches!(object.content, Content::Map(_)) {
        return vec![
            source
                .error(
                    Code::NOT_AN_OBJECT,
                    object.span.clone(),
                    "a manifest must be an object",
                )
                .with_hint("start with apiVersion, kind and metadata"),
        ];
    }
    let start = object.span.start..object.span.start;
    let mut found = Vec::new();
    for field in ["apiVersion", "kind"] {
        match object.get(field) {
            Some(node) if node.text().is_some_and(|text| !text.is_empty()) => {}
            other => {
                let span = other.map_or(start.clone(), |node| node.span.clone());
                found.push(source.error(Code::MISSING_KIND, span, format!("{field} must be a string")));
            }
        }
    }
    let metadata = object.get("metadata");
    if let Some(name) = metadata.and_then(|metadata| metadata.get("name")) {
        found.extend(name_problem(source, object, name));
    } else {
        let span = metadata.map_or(start, |node| node.span.clone());
        let generated = metadata.is_some_and(|metadata| metadata.get("generateName").is_some());
        let hint = if generated {
            "generateName cannot be applied again: give the object a name"
        } else {
            "add metadata.name"
        };
        found.push(
            source
                .error(Code::MISSING_NAME, span, "metadata.name is missing")
                .with_hint(hint),
        );
    }
    if let Some(namespace) = metadata.and_then(|metadata| metadata.get("namespace")) {
        let problem = broken_rule(namespace, label_problem);
        found.extend(problem.map(|problem| {
            source.error(
                Code::BAD_NAME,
                namespace.span.clone(),
                format!("metadata.namespace {problem}"),
            )
        }));
    }
    if found.is_empty() && size_of(object) > OBJECT_LIMIT {
        found.push(
            source
                .error(
                    Code::OBJECT_TOO_LARGE,
                    object.span.clone(),
                    "the object is larger than 1 MiB as JSON",
                )
                .with_hint("split it, or keep large data outside the cluster"),
        );
    }
    found
}

fn name_problem(source: &Source, object: &Node, name: &Node) -> Option<Diagnostic> {
    let group = object.get("apiVersion").and_then(Node::text).unwrap_or_default();
    let rule = if group.starts_with("rbac.authorization.k8s.io/") {
        path_segment_problem
    } else {
        subdomain_problem
    };
    let problem = broken_rule(name, rule)?;
    let diagnostic = source.error(
        Code::BAD_NAME,
        name.span.clone(),
        format!("metadata.name {problem}"),
    );
    Some(match &name.content {
        Content::Scalar(value) if !value.is_string() => diagnostic.with_hint(format!("write \"{value}\"")),
        _ => diagnostic,
    })
}

/// A rule for names on a value that may be no text at all.
fn broken_rule(value: &Node, rule: fn(&str) -> Option<String>) -> Option<String> {
    match value.text() {
        Some(text) => rule(text),
        None => Some("must be a string".to_owned()),
    }
}

/// Bytes of the object as compact JSON.
fn size_of(node: &Node) -> usize {
    /// Counts instead of keeping.
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let json = |value: &Value| {
        let mut count = Count(0);
        serde_json::to_writer(&mut count, value).map_or(usize::MAX, |()| count.0)
    };
    match &node.content {
        Content::Scalar(value) => json(value),
        Content::List(items) => items.iter().map(|item| size_of(item) + 1).sum::<usize>() + 2,
        Content::Map(entries) => {
            2 + entries
                .iter()
                .map(|entry| entry.key.len() + 4 + size_of(&entry.value))
                .sum::<usize>()
        }
    }
}

/// The JSON of a tree; notes the place of every value under its JSON pointer.
fn value_of(
    node: Node,
    key: Option<std::ops::Range<usize>>,
    pointer: &mut String,
    places: &mut HashMap<String, Place>,
) -> Value {
    places.insert(
        pointer.clone(),
        Place {
            key,
            value: node.span,
        },
    );
    let length = pointer.len();
    match node.content {
        Content::Scalar(value) => value,
        Content::List(items) => {
            let mut list = Vec::with_capacity(items.len());
            for (index, item) in items.into_iter().enumerate() {
                pointer.push('/');
                pointer.push_str(&index.to_string());
                list.push(value_of(item, None, pointer, places));
                pointer.truncate(length);
            }
            Value::Array(list)
        }
        Content::Map(entries) => {
            let mut map = Map::new();
            for entry in entries {
                pointer.push('/');
                pointer.push_str(&entry.key.replace('~', "~0").replace('/', "~1"));
                let value = value_of(entry.value, Some(entry.key_span), pointer, places);
                pointer.truncate(length);
                map.insert(entry.key, value);
            }
            Value::Object(map)
        }
    }
}
