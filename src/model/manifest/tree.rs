//! Values with their places, before they become JSON.

use serde_json::Value;

use super::Span;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) span: Span,
    pub(super) content: Content,
    /// Levels below and including this one.
    pub(super) depth: usize,
    /// Values below and including this one.
    pub(super) size: usize,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    Scalar(Value),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_span: Span,
    pub(super) value: Node,
}

impl Node {
    /// The value of a key, when this is a mapping that has it.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        match &self.content {
            Content::Map(entries) => entries
                .iter()
                .find(|entry| entry.key == key)
                .map(|entry| &entry.value),
            _ => None,
        }
    }

    /// The string that this is as a key in JSON; `None` for what kubectl refuses too.
    pub(super) fn as_key(&self) -> Option<String> {
        match &self.content {
            Content::Scalar(Value::String(text)) => Some(text.clone()),
            Content::Scalar(Value::Number(number)) => Some(number.to_string()),
            Content::Scalar(Value::Bool(value)) => Some(value.to_string()),
            _ => None,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    pub(super) fn new(span: Span, content: Content) -> Self {
        let (depth, size) = match &content {
            Content::Scalar(_) => (0, 0),
            Content::List(items) => measure(items.iter()),
            Content::Map(entries) => measure(entries.iter().map(|entry| &entry.value)),
        };
        Self {
            span,
            content,
            depth: depth + 1,
            size: size + 1,
        }
    }
}

fn measure<'a>(nodes: impl Iterator<Item = &'a Node>) -> (usize, usize) {
    nodes.fold((0, 0), |(depth, size), node| {
        (depth.max(node.depth), size + node.size)
    })
}
