//! Checking a value against a schema.

use std::cell::RefCell;
use std::collections::HashMap;

use regex::{Regex, RegexBuilder};
use serde_json::{Map, Value};

use super::SchemaRef;
use super::defaults::with_defaults;
use super::node::{Additional, Id, Limits, ListType, Node, Rule};
use super::problem::{Bound, Detail, Place, Problem, ProblemKind};

/// More problems than these of one object help nobody.
const PROBLEM_LIMIT: usize = 50;

/// Everything in a value that does not fit a schema, at most 50 problems.
///
/// Validation rules run on the value with its defaults, as in the API server, and only when nothing else is
/// wrong: a rule may rely on types.
#[must_use]
pub fn check(schema: &SchemaRef, value: &Value) -> Vec<Problem> {
    check_change(schema, None, value)
}

/// The same for a value that takes the place of another: rules may compare the two.
#[must_use]
pub fn check_change(schema: &SchemaRef, old: Option<&Value>, value: &Value) -> Vec<Problem> {
    let mut check = Check {
        schema,
        place: Place::default(),
        problems: Vec::new(),
    };
    check.value(schema.id, value);
    if check.problems.is_empty() && schema.arena.structural {
        check.rules(schema.id, &with_defaults(schema, value), old);
    }
    check.problems
}

/// Whether a text matches; None for a pattern that this engine does not know, which is left to the API server.
///
/// Compiling costs a thousand times what matching does, and the same few patterns are asked for with every object: each
/// thread remembers its own, so that none waits for another.
fn matches(pattern: &str, text: &str) -> Option<bool> {
    const MOST: usize = 256;
    thread_local! {
        static COMPILED: RefCell<HashMap<Box<str>, Option<Regex>>> = RefCell::default();
    }
    COMPILED.with_borrow_mut(|compiled| {
        if compiled.len() >= MOST && !compiled.contains_key(pattern) {
            compiled.clear();
        }
        if !compiled.contains_key(pattern) {
            let regex = RegexBuilder::new(pattern).size_limit(1 << 20).build().ok();
            compiled.insert(pattern.into(), regex);
        }
        let regex = compiled.get(pattern)?.as_ref()?;
        Some(regex.is_match(text))
    })
}

struct Check<'s> {
    schema: &'s SchemaRef,
    place: Place,
    problems: Vec<Problem>,
}

impl<'s> Check<'s> {
    fn value(&mut self, id: Id, value: &Value) {
        if self.problems.len() >= PROBLEM_LIMIT {
            return;
        }
        let node: &'s Node = self.schema.node(id);
        if value.is_null() {
            return self.null(node);
        }
        if !node.types.admit(value) {
            let (expected, found) = (node.types.describe(), kind_of(value));
            return self.add(
                ProblemKind::WrongType { expected, found },
                format!(
                    "{} must be {} {expected}, not {} {found}",
                    self.place,
                    article(expected),
                    article(found)
                ),
            );
        }
        if let Some(limits) = &node.limits {
            self.limits(limits, value);
        }
        match value {
            Value::Object(fields) => self.object(node, fields),
            Value::Array(items) => {
                if let Some(ListType::Map(keys)) = node.limits.as_ref().map(|limits| &limits.list) {
                    self.duplicate_keys(node, keys, items);
                }
                for (index, item) in items.iter().enumerate() {
                    if let Some(of) = node.items {
                        self.place.enter_item(index);
                        self.value(of, item);
                        self.place.leave();
                    }
                }
            }
            _ => {}
        }
    }

    /// Built-in kinds take null for absent; custom ones only where they say so, or have a default.
    fn null(&mut self, node: &Node) {
        let has_default = node
            .limits
            .as_ref()
            .is_some_and(|limits| limits.default.is_some());
        if self.schema.arena.structural && !node.nullable && !has_default && !node.types.is_any() {
            let expected = node.types.describe();
            self.add(
                ProblemKind::WrongType {
                    expected,
                    found: "null",
                },
                format!(
                    "{} must be {} {expected}, not null",
                    self.place,
                    article(expected)
                ),
            );
        }
    }

    fn object(&mut self, node: &Node, fields: &Map<String, Value>) {
        for (name, field) in fields {
            self.place.enter_field(name);
            match (node.property(name), node.additional) {
                (Some(of), _) | (None, Additional::Of(of)) => self.value(of, field),
                (None, Additional::Any) => {}
                (None, Additional::Closed) => self.unknown(node, name),
            }
            self.place.leave();
        }
    }

    fn unknown(&mut self, node: &Node, name: &str) {
        let suggestion = closest(name, node.properties.iter().map(|(property, _)| &**property));
        self.add(
            ProblemKind::UnknownField { suggestion },
            format!("unknown field {}", self.place),
        );
    }

    fn duplicate_keys(&mut self, node: &Node, keys: &[Box<str>], items: &[Value]) {
        let default_of = |key: &str| {
            let item = self.schema.node(node.items?);
            self.schema
                .node(item.property(key)?)
                .limits
                .as_ref()?
                .default
                .clone()
        };
        let defaults: Vec<Value> = keys
            .iter()
            .map(|key| default_of(key).unwrap_or(Value::Null))
            .collect();
        let mut seen: HashMap<String, usize> = HashMap::new();
        for (index, item) in items.iter().enumerate().filter(|(_, item)| item.is_object()) {
            let values: Vec<&Value> = keys
                .iter()
                .zip(&defaults)
                .map(|(key, default)| item.get(&**key).unwrap_or(default))
                .collect();
            let shown: Vec<String> = keys
                .iter()
                .zip(&values)
                .map(|(key, value)| format!("{key} {value}"))
                .collect();
            let shown = shown.join(", ");
            if let Some(first) = seen.get(&shown).copied() {
                let message = format!("{} has {shown} twice: items {first} and {index}", self.place);
                self.place.enter_item(index);
                self.add(ProblemKind::DuplicateKey { first }, message);
                self.place.leave();
            } else {
                seen.insert(shown, index);
            }
        }
    }

    fn limits(&mut self, limits: &Limits, value: &Value) {
        for field in &limits.required {
            if value
                .as_object()
                .is_some_and(|fields| !fields.contains_key(&**field))
            {
                let message = format!("{} is missing", self.place.field(field));
                self.add(
                    ProblemKind::Missing {
                        field: field.to_string(),
                    },
                    message,
                );
            }
        }
        // Built-in kinds read an empty string as absent.
        let is_absent = !self.schema.arena.structural && value == "";
        if !limits.allowed.is_empty() && !limits.allowed.contains(value) && !is_absent {
            let allowed: Vec<String> = limits
                .allowed
                .iter()
                .map(|one| one.as_str().map_or_else(|| one.to_string(), str::to_owned))
                .collect();
            let message = format!(
                "{} is {value}, but must be one of: {}",
                self.place,
                allowed.join(", ")
            );
            self.add(ProblemKind::NotInEnum { allowed }, message);
        }
        if let (Some(pattern), Some(text)) = (&limits.pattern, value.as_str()) {
            self.pattern(pattern, text);
        }
        self.number(limits, value);
        self.length(limits, value);
        if limits.list == ListType::Set {
            self.duplicate_values(value);
        }
    }

    fn pattern(&mut self, pattern: &str, text: &str) {
        if matches(pattern, text) == Some(false) {
            let message = format!("{} does not match {pattern}", self.place);
            self.add(
                ProblemKind::Pattern {
                    pattern: pattern.to_owned(),
                },
                message,
            );
        }
    }

    fn number(&mut self, limits: &Limits, value: &Value) {
        let Some(number) = value.as_f64() else { return };
        let below = limits
            .minimum
            .filter(|(least, excluded)| number < *least || (*excluded && number <= *least));
        let above = limits
            .maximum
            .filter(|(most, excluded)| number > *most || (*excluded && number >= *most));
        let wide = limits.int32 && value.as_i64().is_none_or(|value| i32::try_from(value).is_err());
        let bound = match (below, above) {
            (Some((least, excluded)), _) => Bound::Least(least, excluded),
            (_, Some((most, excluded))) => Bound::Most(most, excluded),
            _ if wide && value.is_i64() | value.is_u64() => Bound::Bits32,
            _ => return,
        };
        let demand = match bound {
            Bound::Least(least, false) => format!("but must be at least {least}"),
            Bound::Least(least, true) => format!("but must be more than {least}"),
            Bound::Most(most, false) => format!("but must be at most {most}"),
            Bound::Most(most, true) => format!("but must be less than {most}"),
            _ => "which does not fit into 32 bits".to_owned(),
        };
        let message = format!("{} is {value}, {demand}", self.place);
        self.add_bound(bound, message);
    }

    fn length(&mut self, limits: &Limits, value: &Value) {
        let (length, unit) = match value {
            Value::String(text) => (text.chars().count(), "characters"),
            Value::Array(items) => (items.len(), "items"),
            Value::Object(fields) => (fields.len(), "fields"),
            _ => return,
        };
        let length = length as u64;
        if let Some(least) = limits.at_least.filter(|least| length < *least) {
            let message = format!(
                "{} has {length} {unit}, but must have at least {least}",
                self.place
            );
            self.add_bound(Bound::AtLeast(least), message);
        } else if let Some(most) = limits.at_most.filter(|most| length > *most) {
            let message = format!("{} has {length} {unit}, but must have at most {most}", self.place);
            self.add_bound(Bound::AtMost(most), message);
        }
    }

    fn duplicate_values(&mut self, value: &Value) {
        let mut seen: HashMap<String, usize> = HashMap::new();
        for (index, item) in value.as_array().into_iter().flatten().enumerate() {
            if let Some(first) = seen.insert(item.to_string(), index) {
                let message = format!("{} has {item} twice: items {first} and {index}", self.place);
                self.place.enter_item(index);
                self.add(ProblemKind::DuplicateKey { first }, message);
                self.place.leave();
            }
        }
    }

    /// Runs the rules of a value and of everything in it. What was there before is known by its name or its keys;
    /// items of other lists have no past.
    fn rules(&mut self, id: Id, value: &Value, old: Option<&Value>) {
        let node: &'s Node = self.schema.node(id);
        if value.is_null() {
            return;
        }
        for rule in node.limits.iter().flat_map(|limits| &limits.rules) {
            self.rule(rule, value, old);
        }
        match value {
            Value::Object(fields) => {
                for (name, field) in fields {
                    let of = node.property(name).or(match node.additional {
                        Additional::Of(of) => Some(of),
                        _ => None,
                    });
                    if let Some(of) = of {
                        self.place.enter_field(name);
                        self.rules(of, field, old.and_then(|old| old.get(name)));
                        self.place.leave();
                    }
                }
            }
            Value::Array(items) => {
                let keys = match node.limits.as_ref().map(|limits| &limits.list) {
                    Some(ListType::Map(keys)) => Some(keys),
                    _ => None,
                };
                for (index, item) in items.iter().enumerate() {
                    if let Some(of) = node.items {
                        let old = old.and_then(Value::as_array).zip(keys).and_then(|(old, keys)| {
                            let same =
                                |one: &&Value| keys.iter().all(|key| one.get(&**key) == item.get(&**key));
                            old.iter().find(same)
                        });
                        self.place.enter_item(index);
                        self.rules(of, item, old);
                        self.place.leave();
                    }
                }
            }
            _ => {}
        }
    }

    fn rule(&mut self, rule: &Rule, value: &Value, old: Option<&Value>) {
        if self.problems.len() >= PROBLEM_LIMIT {
            return;
        }
        let variables = match old.filter(|old| !old.is_null()) {
            None if rule.of_change => return,
            None => vec![("self", value)],
            Some(old) => vec![("self", value), ("oldSelf", old)],
        };
        let text = match rule.program.holds(&variables) {
            Ok(true) => return,
            Ok(false) => {
                let computed = rule
                    .message_program
                    .as_ref()
                    .and_then(|program| program.evaluate(&variables).ok());
                match computed.as_ref().and_then(Value::as_str) {
                    Some(computed) => computed.to_owned(),
                    None => rule.message.to_string(),
                }
            }
            Err(error) => format!("{}: {error}", rule.message),
        };
        let kind = if text.trim_end_matches('.').ends_with("not implemented yet") {
            ProblemKind::NotImplemented
        } else {
            ProblemKind::Rule
        };
        let fields: Vec<&str> = rule
            .field
            .iter()
            .flat_map(|field| field.split('/').skip(1))
            .collect();
        let here = self.place.pointer();
        for field in &fields {
            self.place.enter_field(field);
        }
        let detail = Detail::Rule {
            pointer: if rule.names_field {
                self.place.pointer()
            } else {
                here
            },
            reason: rule.reason.clone(),
            text: text.clone(),
            of_scalar: !value.is_object() && !value.is_array(),
        };
        let message = format!("{}: {text}", self.place);
        self.add_with(kind, message, detail);
        for _ in fields {
            self.place.leave();
        }
    }

    fn add(&mut self, kind: ProblemKind, message: String) {
        self.add_with(kind, message, Detail::None);
    }

    fn add_bound(&mut self, bound: Bound, message: String) {
        self.add_with(ProblemKind::OutOfRange, message, Detail::Bound(bound));
    }

    fn add_with(&mut self, kind: ProblemKind, message: String, detail: Detail) {
        if self.problems.len() < PROBLEM_LIMIT {
            self.problems.push(Problem {
                pointer: self.place.pointer(),
                kind,
                message,
                detail,
            });
        }
    }
}

/// The name that is spelt most alike, when one is alike at all.
fn closest<'n>(name: &str, among: impl Iterator<Item = &'n str>) -> Option<String> {
    let tolerance = (name.chars().count() / 3).clamp(1, 3);
    among
        .map(|other| {
            (
                strsim::damerau_levenshtein(&name.to_lowercase(), &other.to_lowercase()),
                other,
            )
        })
        .filter(|(distance, _)| *distance <= tolerance)
        .min()
        .map(|(_, other)| other.to_owned())
}

pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "fraction",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

fn article(word: &str) -> &'static str {
    if word.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    }
}
