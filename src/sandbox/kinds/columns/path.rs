//! The part of Kubernetes' `JSONPath` that printer columns use: fields, indexes, `[*]`, and filters for one value.

use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde_json::Value;

/// A parsed path.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Path(Vec<Step>);

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Field(String),
    Index(usize),
    Every,
    /// `[?(@.path=="value")]`
    Filter(Path, Value),
}

impl Path {
    /// None: not a path, or more of the language than is known here.
    pub(super) fn parse(text: &str) -> Option<Self> {
        // A field, in which `\.` is a dot; a quoted field; an index; all; a filter.
        static STEP: LazyLock<Option<Regex>> = LazyLock::new(|| {
            Regex::new(
                r#"^(?:\.((?:\\.|[^.\[\]\\'"()=~!<> ])+)|\[(?:'([^']+)'|"([^"]+)")\]|\[(\d+)\]|\[\*\]|\[\?\(\s*@(\.[^=!<>]+?)\s*==\s*([^)]+?)\s*\)\])"#,
            )
            .ok()
        });
        let mut rest = text.trim().trim_start_matches(['$', '@']);
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let found = STEP.as_ref()?.captures(rest)?;
            steps.push(Step::read(&found)?);
            rest = &rest[found[0].len()..];
        }
        Some(Self(steps))
    }

    /// The first value that the path leads to.
    pub(super) fn first<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        first(&self.0, value)
    }
}

impl Step {
    fn read(found: &Captures<'_>) -> Option<Self> {
        let part = |index| found.get(index).map(|part| part.as_str());
        let quoted = part(2).or(part(3));
        if let Some(name) = part(1).or(quoted) {
            return Some(match name {
                "*" if quoted.is_none() => Self::Every,
                name => Self::Field(name.replace('\\', "")),
            });
        }
        if let Some(index) = part(4) {
            return index.parse().ok().map(Self::Index);
        }
        let Some((path, literal)) = part(5).zip(part(6)) else {
            return Some(Self::Every);
        };
        let text = ['\'', '"']
            .into_iter()
            .find_map(|quote| literal.strip_prefix(quote)?.strip_suffix(quote));
        let value = text.map_or_else(|| serde_json::from_str(literal).ok(), |text| Some(text.into()));
        Some(Self::Filter(Path::parse(path)?, value?))
    }
}

fn first<'a>(steps: &[Step], value: &'a Value) -> Option<&'a Value> {
    let Some((step, rest)) = steps.split_first() else {
        return Some(value);
    };
    let mut items = value.as_array().into_iter().flatten();
    match step {
        Step::Field(name) => first(rest, value.get(name)?),
        Step::Index(index) => first(rest, value.get(index)?),
        Step::Every if value.is_object() => value.as_object()?.values().find_map(|item| first(rest, item)),
        Step::Every => items.find_map(|item| first(rest, item)),
        Step::Filter(path, wanted) => items
            .filter(|item| path.first(item) == Some(wanted))
            .find_map(|item| first(rest, item)),
    }
}
