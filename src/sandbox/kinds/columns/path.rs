//! The part of Kubernetes' JSONPath that printer columns use: fields, indexes, `[*]`, `..` and filters that compare
//! with a literal.

use serde_json::Value;

/// A parsed path.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Path(Vec<Step>);

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Field(String),
    /// Negative ones count from the end.
    Index(i64),
    Every,
    /// The value itself and everything inside it.
    Inside,
    Filter {
        left: Path,
        /// None: the path leads somewhere.
        right: Option<(Operator, Value)>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

const OPERATORS: [(&str, Operator); 6] = [
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

impl Path {
    /// None: not a path, or more of the language than is known here.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut rest = text.trim();
        let mut steps = Vec::new();
        rest = rest.strip_prefix(['$', '@']).unwrap_or(rest);
        while !rest.is_empty() {
            if let Some(inside) = rest.strip_prefix("..") {
                steps.push(Step::Inside);
                rest = inside;
                if !rest.starts_with('[') {
                    rest = field(rest, &mut steps)?;
                }
            } else if let Some(after) = rest.strip_prefix('.') {
                rest = if after.is_empty() || after.starts_with('[') {
                    after
                } else {
                    field(after, &mut steps)?
                };
            } else if let Some(after) = rest.strip_prefix('[') {
                let end = closing(after)?;
                steps.push(bracket(after[..end].trim())?);
                rest = &after[end + 1..];
            } else if steps.is_empty() {
                rest = field(rest, &mut steps)?;
            } else {
                return None;
            }
        }
        Some(Self(steps))
    }

    /// The first value that the path leads to.
    pub(super) fn first<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        self.all(value).into_iter().next()
    }

    fn all<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        let mut found = vec![value];
        for step in &self.0 {
            found = found.into_iter().flat_map(|value| step.of(value)).collect();
        }
        found
    }
}

impl Step {
    fn of<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        match self {
            Self::Field(name) => value.get(name).into_iter().collect(),
            Self::Index(index) => {
                let items = value.as_array().map_or(&[][..], Vec::as_slice);
                let at = if *index < 0 {
                    items
                        .len()
                        .checked_sub(usize::try_from(-index).unwrap_or(usize::MAX))
                } else {
                    usize::try_from(*index).ok()
                };
                at.and_then(|at| items.get(at)).into_iter().collect()
            }
            Self::Every => children(value),
            Self::Inside => {
                let mut found = vec![value];
                for child in children(value) {
                    found.extend(self.of(child));
                }
                found
            }
            Self::Filter { left, right } => children(value)
                .into_iter()
                .filter(|item| match (left.first(item), right) {
                    (None, _) => false,
                    (Some(_), None) => true,
                    (Some(found), Some((operator, with))) => operator.holds(found, with),
                })
                .collect(),
        }
    }
}

impl Operator {
    fn holds(self, left: &Value, right: &Value) -> bool {
        use std::cmp::Ordering::{Equal, Greater, Less};
        let order = match (left, right) {
            (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
            (Value::Number(left), Value::Number(right)) => left
                .as_f64()
                .zip(right.as_f64())
                .and_then(|(l, r)| l.partial_cmp(&r)),
            (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
            _ => None,
        };
        // Values of two types are neither equal nor unequal: upstream leaves them out.
        match self {
            Self::Equal => order == Some(Equal),
            Self::NotEqual => matches!(order, Some(Less | Greater)),
            Self::Less => order == Some(Less),
            Self::LessOrEqual => matches!(order, Some(Less | Equal)),
            Self::Greater => order == Some(Greater),
            Self::GreaterOrEqual => matches!(order, Some(Greater | Equal)),
        }
    }
}

fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(fields) => fields.values().collect(),
        _ => Vec::new(),
    }
}

/// Reads a field's name, in which `\.` is a dot; returns what follows.
fn field<'a>(text: &'a str, steps: &mut Vec<Step>) -> Option<&'a str> {
    let mut name = String::new();
    let mut characters = text.char_indices();
    let mut end = text.len();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => name.push(characters.next()?.1),
            '.' | '[' => {
                end = at;
                break;
            }
            '\'' | '"' | '(' | ')' | ']' | '=' | '~' | '!' | '<' | '>' | ' ' => return None,
            other => name.push(other),
        }
    }
    match name.as_str() {
        "" => return None,
        "*" => steps.push(Step::Every),
        _ => steps.push(Step::Field(name)),
    }
    Some(&text[end..])
}

/// Where the bracket closes that was opened before; brackets inside quotes and filters are passed over.
fn closing(text: &str) -> Option<usize> {
    let (mut depth, mut quote) = (0, None);
    for (at, character) in text.char_indices() {
        match (quote, character) {
            (Some(open), _) if open == character => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(character),
            (None, '[') => depth += 1,
            (None, ']') if depth == 0 => return Some(at),
            (None, ']') => depth -= 1,
            (None, _) => {}
        }
    }
    None
}

fn bracket(text: &str) -> Option<Step> {
    if text == "*" {
        return Some(Step::Every);
    }
    if let Some(name) = quoted(text) {
        return Some(Step::Field(name));
    }
    if let Some(filter) = text.strip_prefix("?(").and_then(|text| text.strip_suffix(')')) {
        return condition(filter);
    }
    text.parse().ok().map(Step::Index)
}

fn condition(text: &str) -> Option<Step> {
    let found = OPERATORS
        .iter()
        .filter_map(|(sign, operator)| Some((outside_quotes(text, sign)?, *sign, *operator)))
        .min_by_key(|(at, ..)| *at);
    let Some((at, sign, operator)) = found else {
        return Some(Step::Filter {
            left: Path::parse(text)?,
            right: None,
        });
    };
    let literal = text[at + sign.len()..].trim();
    let right = match quoted(literal) {
        Some(text) => Value::String(text),
        None => serde_json::from_str(literal).ok()?,
    };
    Some(Step::Filter {
        left: Path::parse(&text[..at])?,
        right: Some((operator, right)),
    })
}

fn outside_quotes(text: &str, sign: &str) -> Option<usize> {
    let mut quote = None;
    for (at, character) in text.char_indices() {
        match quote {
            Some(open) if open == character => quote = None,
            Some(_) => {}
            None if matches!(character, '"' | '\'') => quote = Some(character),
            None if text[at..].starts_with(sign) => return Some(at),
            None => {}
        }
    }
    None
}

fn quoted(text: &str) -> Option<String> {
    let inside = ['\'', '"']
        .into_iter()
        .find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote))?;
    Some(inside.replace("\\.", "."))
}
