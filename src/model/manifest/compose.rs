//! From parser events to trees of values with their places.
//!
//! Anchors, aliases and merge keys are resolved here, under bounds on depth and size. The walk over events keeps
//! its own stack; trees are never deeper than [`DEPTH_LIMIT`], so recursion over them is safe.

use std::borrow::Cow;
use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Tag};
use serde_json::Value;

use super::tree::{Content, Entry, Node};
use super::{Code, Diagnostic, Source, Span, broken, scalar};

/// How deep a document may nest, aliases included.
const DEPTH_LIMIT: usize = 200;

/// How many values the aliases of one file may add: enough for real files, far too few for a bomb.
const ALIAS_LIMIT: usize = 100_000;

/// After this many diagnostics of a file the rest is not read.
const DIAGNOSTIC_LIMIT: usize = 100;

/// Reads all documents of a text. A document with a mistake in it is left out, the others are returned. After
/// broken syntax reading goes on at the next line that starts with `---`.
pub(super) fn compose(source: &Source) -> (Vec<Node>, Vec<Diagnostic>) {
    let mut composer = Composer {
        source,
        base: 0,
        state: State::default(),
        roots: Vec::new(),
        diagnostics: Vec::new(),
        aliased: 0,
    };
    loop {
        let text = &source.text()[composer.base..];
        let Some(error) = composer.run(text) else { break };
        let at = composer.base + error.marker().byte_offset().unwrap_or(0);
        composer.diagnostics.push(broken::diagnostic(source, &error, at));
        composer.state = State::default();
        let Some(next) = next_document(source.text(), at.max(composer.base + 1)) else {
            break;
        };
        composer.base = next;
        if composer.diagnostics.len() >= DIAGNOSTIC_LIMIT {
            break;
        }
    }
    composer.diagnostics.truncate(DIAGNOSTIC_LIMIT);
    (composer.roots, composer.diagnostics)
}

/// The start of the next line at or after a byte that begins a document.
fn next_document(text: &str, from: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    (from.min(bytes.len())..bytes.len()).find(|&at| {
        bytes[at] == b'-' && bytes[at..].starts_with(b"---") && (at == 0 || bytes[at - 1] == b'\n')
    })
}

struct Composer<'s> {
    source: &'s Source,
    /// Where the text given to the parser starts in the source.
    base: usize,
    state: State,
    roots: Vec<Node>,
    diagnostics: Vec<Diagnostic>,
    aliased: usize,
}

/// What is known of the document being read.
#[derive(Default)]
struct State {
    open: Vec<Open>,
    root: Option<Node>,
    anchors: HashMap<usize, Node>,
    /// A mistake was found: the document is not returned.
    wrong: bool,
}

/// A list or mapping whose end has not been seen.
struct Open {
    start: usize,
    anchor: usize,
    collecting: Collecting,
}

enum Collecting {
    List(Vec<Node>),
    Map {
        entries: Vec<Entry>,
        seen: HashMap<String, Span>,
        merges: Vec<(Span, Node)>,
        key: Option<Key>,
    },
}

enum Key {
    Field(String, Span),
    Merge(Span),
    /// Already reported; its value is dropped.
    Wrong,
}

impl<'s> Composer<'s> {
    fn run(&mut self, text: &'s str) -> Option<ScanError> {
        let options = granit_parser::options! {
            emit_comments: false,
            emit_unresolved_aliases: true,
            block_scalar_eof_without_line_feed: true,
            flow_nesting_limit: DEPTH_LIMIT,
            block_nesting_limit: DEPTH_LIMIT,
        };
        for event in Parser::new_from_str_with_options(text, options) {
            let (event, span) = match event {
                Ok(event) => event,
                Err(error) => return Some(error),
            };
            let at = |marker: granit_parser::Marker| self.base + marker.byte_offset().unwrap_or(0);
            self.event(event, at(span.start)..at(span.end));
        }
        None
    }

    fn event(&mut self, event: Event<'_>, span: Span) {
        match event {
            Event::DocumentStart(..) => self.state = State::default(),
            Event::DocumentEnd => {
                let state = std::mem::take(&mut self.state);
                if let (Some(root), false) = (state.root, state.wrong) {
                    self.roots.push(root);
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.scalar(&text, style, anchor, tag.as_deref(), span);
            }
            Event::SequenceStart(_, anchor, _) => {
                self.open(span.start, anchor, Collecting::List(Vec::new()));
            }
            Event::MappingStart(_, anchor, _) => {
                let map = Collecting::Map {
                    entries: Vec::new(),
                    seen: HashMap::new(),
                    merges: Vec::new(),
                    key: None,
                };
                self.open(span.start, anchor, map);
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            Event::Alias(id) => self.alias(id, span),
            Event::UnresolvedAlias(name) => {
                self.wrong(
                    Code::BAD_ALIAS,
                    span.clone(),
                    format!("alias *{name} has no anchor &{name} before it"),
                    None,
                );
                self.add(Node::new(span, Content::Scalar(Value::Null)));
            }
            _ => {}
        }
    }

    fn open(&mut self, start: usize, anchor: usize, collecting: Collecting) {
        self.state.open.push(Open {
            start,
            anchor,
            collecting,
        });
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, anchor: usize, tag: Option<&Tag>, span: Span) {
        if style == ScalarStyle::Plain && tag.is_none() && text == "<<" && self.expects_key() {
            if let Some(Open {
                collecting: Collecting::Map { key, .. },
                ..
            }) = self.state.open.last_mut()
            {
                *key = Some(Key::Merge(span));
            }
            return;
        }
        let value = match tag.map(|tag| tag.core_suffix().map(Cow::from)) {
            Some(Some(kind)) if kind == "str" => Some(Value::String(text.to_owned())),
            Some(Some(kind)) if kind == "binary" => Some(Value::String(text.split_whitespace().collect())),
            None if style != ScalarStyle::Plain => Some(Value::String(text.to_owned())),
            _ => scalar::resolve(text),
        };
        if value.is_none() {
            let message = format!("{text} has no counterpart in JSON");
            self.wrong(
                Code::BAD_SCALAR,
                span.clone(),
                message,
                Some("put it in quotes if a string is meant"),
            );
        }
        let node = Node::new(span, Content::Scalar(value.unwrap_or(Value::Null)));
        self.anchor(anchor, &node);
        self.add(node);
    }

    fn alias(&mut self, id: usize, span: Span) {
        let Some(target) = self.state.anchors.get(&id) else {
            self.wrong(
                Code::BAD_ALIAS,
                span.clone(),
                "an alias stands inside the value it names",
                None,
            );
            return self.add(Node::new(span, Content::Scalar(Value::Null)));
        };
        self.aliased += target.size;
        if self.aliased > ALIAS_LIMIT {
            let message = format!("the aliases of this file expand to more than {ALIAS_LIMIT} values");
            self.wrong(
                Code::TOO_LARGE,
                span.clone(),
                message,
                Some("write the values out, or split the file"),
            );
            return self.add(Node::new(span, Content::Scalar(Value::Null)));
        }
        let node = target.clone();
        self.add(node);
    }

    fn close(&mut self, end: Span) {
        let Some(Open {
            start,
            anchor,
            collecting,
        }) = self.state.open.pop()
        else {
            return;
        };
        let content = match collecting {
            Collecting::List(items) => Content::List(items),
            Collecting::Map {
                mut entries,
                seen,
                merges,
                ..
            } => {
                self.merge(&mut entries, seen, merges);
                Content::Map(entries)
            }
        };
        let mut node = Node::new(start..end.end.max(start), content);
        // A block collection ends where the next token starts: cut the white space between.
        node.span.end = start + self.source.text()[node.span.clone()].trim_end().len();
        if node.depth > DEPTH_LIMIT {
            let message = format!("values nest more than {DEPTH_LIMIT} levels deep");
            self.wrong(Code::TOO_LARGE, node.span.clone(), message, None);
            node = Node::new(node.span, Content::Scalar(Value::Null));
        }
        self.anchor(anchor, &node);
        self.add(node);
    }

    /// Adds the entries of `<<` mappings that the mapping itself does not have; earlier ones win.
    fn merge(
        &mut self,
        entries: &mut Vec<Entry>,
        mut seen: HashMap<String, Span>,
        merges: Vec<(Span, Node)>,
    ) {
        for (span, node) in merges {
            let maps = match node.content {
                Content::Map(_) => vec![node],
                Content::List(items) => items,
                Content::Scalar(_) => Vec::new(),
            };
            if maps.is_empty() || maps.iter().any(|map| !matches!(map.content, Content::Map(_))) {
                let message = "a merge key << takes a mapping or a list of mappings";
                self.wrong(
                    Code::BAD_ALIAS,
                    span,
                    message,
                    Some("write <<: *anchor, where &anchor is a mapping"),
                );
                continue;
            }
            for map in maps {
                let Content::Map(inherited) = map.content else {
                    continue;
                };
                for entry in inherited {
                    if !seen.contains_key(&entry.key) {
                        seen.insert(entry.key.clone(), entry.key_span.clone());
                        entries.push(entry);
                    }
                }
            }
        }
    }

    fn anchor(&mut self, id: usize, node: &Node) {
        if id != 0 {
            self.state.anchors.insert(id, node.clone());
        }
    }

    fn expects_key(&self) -> bool {
        matches!(
            self.state.open.last(),
            Some(Open {
                collecting: Collecting::Map { key: None, .. },
                ..
            })
        )
    }

    /// Puts a finished value where it belongs: the document, a list, a key or the value of a key.
    fn add(&mut self, node: Node) {
        let Some(open) = self.state.open.last_mut() else {
            self.state.root = Some(node);
            return;
        };
        match &mut open.collecting {
            Collecting::List(items) => items.push(node),
            Collecting::Map {
                entries,
                seen,
                merges,
                key,
            } => match key.take() {
                Some(Key::Field(name, key_span)) => entries.push(Entry {
                    key: name,
                    key_span,
                    value: node,
                }),
                Some(Key::Merge(span)) => merges.push((span, node)),
                Some(Key::Wrong) => {}
                None => match Self::key(self.source, seen, &node) {
                    Ok(found) => *key = Some(found),
                    Err((code, message, hint)) => {
                        *key = Some(Key::Wrong);
                        self.wrong(code, node.span, message, Some(hint));
                    }
                },
            },
        }
    }

    /// A node as a new key of a mapping, or what is wrong with it.
    fn key(
        source: &Source,
        seen: &mut HashMap<String, Span>,
        node: &Node,
    ) -> Result<Key, (Code, String, &'static str)> {
        let Some(name) = node.as_key() else {
            let hint = "put the key in quotes; a value that starts with { or [ needs them too";
            return Err((Code::BAD_KEY, "a key must be a string".to_owned(), hint));
        };
        if let Some(first) = seen.get(&name) {
            let (line, column) = source.position(first.start);
            let message = format!("key {name:?} stands twice, first at {line}:{column}");
            return Err((Code::DUPLICATE_KEY, message, "remove one of the two"));
        }
        seen.insert(name.clone(), node.span.clone());
        Ok(Key::Field(name, node.span.clone()))
    }

    fn wrong(&mut self, code: Code, span: Span, message: impl Into<String>, hint: Option<&str>) {
        self.state.wrong = true;
        if self.diagnostics.len() < DIAGNOSTIC_LIMIT {
            let mut diagnostic = self.source.error(code, span, message);
            diagnostic.hint = hint.map(str::to_owned);
            self.diagnostics.push(diagnostic);
        }
    }
}
