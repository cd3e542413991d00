//! What an evaluation may cost, known before it runs.
//!
//! Walks the expression as the evaluator would, with sizes in place of values: sizes of variables are taken from
//! the real values, everything computed gets an upper bound. Sums saturate, so a bomb is just very large.
//! The idea is the cost estimate of the API server (KEP-2876), but on real sizes instead of declared ones.

use kube_cel::cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, operators,
};
use serde_json::Value;

use super::functions;

/// The most steps one evaluation may take, in the worst case: about a tenth of a second.
pub(super) const COST_LIMIT: u64 = 1_000_000;

/// What compiling a pattern costs, compared with a step.
const PATTERN_COST: u64 = 500;

/// Bytes that are copied or compared in the time of one step.
const BYTES_PER_STEP: u64 = 32;

/// An upper bound of the steps that evaluating takes on these values.
pub(super) fn estimate(expression: &IdedExpr, variables: &[(&str, &Value)]) -> u64 {
    let mut scope: Scope<'_> = variables
        .iter()
        .map(|(name, value)| (*name, Size::Known(value)))
        .collect();
    let (size, cost) = part(expression, &mut scope);
    // Handing the variables over copies them, and the result is copied back.
    let copied = variables
        .iter()
        .map(|(_, value)| weight(value))
        .fold(size.weight(), u64::saturating_add);
    cost.saturating_add(copied / BYTES_PER_STEP)
}

/// Upper bounds for a value.
#[derive(Clone, Copy, Debug)]
enum Size<'v> {
    /// The value itself: a path into a variable.
    Known(&'v Value),
    Bound {
        /// Items of a list, entries of a map, bytes of a string.
        length: u64,
        /// The longest list, map or string anywhere inside.
        inside: u64,
        /// Bytes of all strings inside, and one for each value.
        weight: u64,
    },
}

impl Size<'_> {
    const ONE: Self = Size::Bound {
        length: 1,
        inside: 1,
        weight: 1,
    };

    fn unknown(weight: u64) -> Self {
        Size::Bound {
            length: weight,
            inside: weight,
            weight,
        }
    }

    fn length(self) -> u64 {
        match self {
            Size::Known(value) => length(value),
            Size::Bound { length, .. } => length,
        }
    }

    fn inside(self) -> u64 {
        match self {
            Size::Known(value) => longest_inside(value),
            Size::Bound { inside, .. } => inside,
        }
    }

    fn weight(self) -> u64 {
        match self {
            Size::Known(value) => weight(value),
            Size::Bound { weight, .. } => weight,
        }
    }

    /// Bounds for something inside this value.
    fn any_part<'v>(self) -> Size<'v> {
        let inside = self.inside();
        Size::Bound {
            length: inside,
            inside,
            weight: self.weight(),
        }
    }

    /// Bounds that hold for either.
    fn or<'v>(self, other: Size<'_>) -> Size<'v> {
        Size::Bound {
            length: self.length().max(other.length()),
            inside: self.inside().max(other.inside()),
            weight: self.weight().max(other.weight()),
        }
    }
}

fn length(value: &Value) -> u64 {
    let length = match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.len(),
        Value::Object(fields) => fields.len(),
        _ => 1,
    };
    length as u64
}

fn longest_inside(value: &Value) -> u64 {
    let longest = |value: &Value| length(value).max(longest_inside(value));
    match value {
        Value::Array(items) => items.iter().map(longest).max().unwrap_or(0),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, field)| longest(field).max(name.len() as u64))
            .max()
            .unwrap_or(0),
        _ => 1,
    }
}

fn weight(value: &Value) -> u64 {
    match value {
        Value::String(text) => text.len() as u64 + 1,
        Value::Array(items) => items.iter().map(weight).sum::<u64>() + 1,
        Value::Object(fields) => {
            fields
                .iter()
                .map(|(name, field)| name.len() as u64 + weight(field))
                .sum::<u64>()
                + 1
        }
        _ => 1,
    }
}

type Scope<'s> = Vec<(&'s str, Size<'s>)>;

/// The size of what a part gives, and the cost of getting it.
fn part<'s>(of: &'s IdedExpr, scope: &mut Scope<'s>) -> (Size<'s>, u64) {
    match &of.expr {
        Expr::Literal(LiteralValue::String(text)) => (text_size(text.inner().len()), 1),
        Expr::Literal(LiteralValue::Bytes(bytes)) => (text_size(bytes.inner().len()), 1),
        Expr::Unspecified | Expr::Literal(_) => (Size::ONE, 1),
        Expr::Ident(name) => {
            let found = scope.iter().rev().find(|(known, _)| known == name);
            (found.map_or(Size::ONE, |(_, size)| *size), 1)
        }
        Expr::Select(select) => {
            let (whole, cost) = part(&select.operand, scope);
            let size = match whole {
                _ if select.test => Size::ONE,
                Size::Known(value) => value.get(&select.field).map_or(Size::ONE, Size::Known),
                Size::Bound { .. } => whole.any_part(),
            };
            (size, cost.saturating_add(1))
        }
        Expr::Call(of) => call(of, scope),
        Expr::Comprehension(of) => each(of, scope),
        Expr::List(list) => literal(list.elements.iter(), list.elements.len(), scope),
        Expr::Map(map) => {
            let parts = map.entries.iter().flat_map(|entry| match &entry.expr {
                EntryExpr::StructField(field) => [&field.value, &field.value],
                EntryExpr::MapEntry(entry) => [&entry.key, &entry.value],
            });
            literal(parts, map.entries.len(), scope)
        }
        Expr::Struct(_) => (Size::ONE, u64::MAX),
    }
}

fn text_size<'v>(bytes: usize) -> Size<'v> {
    let length = bytes as u64;
    Size::Bound {
        length,
        inside: length,
        weight: length + 1,
    }
}

fn literal<'s>(
    parts: impl Iterator<Item = &'s IdedExpr>,
    length: usize,
    scope: &mut Scope<'s>,
) -> (Size<'s>, u64) {
    let (mut inside, mut weight, mut cost) = (0, 1u64, 1u64);
    for of in parts {
        let (size, more) = part(of, scope);
        inside = inside.max(size.length()).max(size.inside());
        weight = weight.saturating_add(size.weight());
        cost = cost.saturating_add(more);
    }
    (
        Size::Bound {
            length: length as u64,
            inside,
            weight,
        },
        cost.saturating_add(weight / BYTES_PER_STEP),
    )
}

fn call<'s>(of: &'s CallExpr, scope: &mut Scope<'s>) -> (Size<'s>, u64) {
    let target = of
        .target
        .as_deref()
        .filter(|target| !functions::is_namespace(target));
    let mut cost = 1u64;
    let mut operands = Vec::new();
    for operand in target.into_iter().chain(&of.args) {
        let (size, more) = part(operand, scope);
        operands.push(size);
        cost = cost.saturating_add(more);
    }
    let weight = || {
        operands
            .iter()
            .map(|size| size.weight())
            .fold(0, u64::saturating_add)
    };
    let (size, work) = match of.func_name.as_str() {
        operators::INDEX | operators::OPT_INDEX | operators::OPT_SELECT => (indexed(&operands, &of.args), 0),
        operators::CONDITIONAL => (
            operands
                .iter()
                .skip(1)
                .copied()
                .reduce(Size::or)
                .unwrap_or(Size::ONE),
            0,
        ),
        operators::EQUALS | operators::NOT_EQUALS => {
            let smaller = operands.iter().map(|size| size.weight()).min().unwrap_or(1);
            (Size::ONE, smaller / BYTES_PER_STEP)
        }
        operators::ADD => {
            let length = operands
                .iter()
                .map(|size| size.length())
                .fold(0, u64::saturating_add);
            let inside = operands.iter().map(|size| size.inside()).max().unwrap_or(1);
            (
                Size::Bound {
                    length,
                    inside,
                    weight: weight(),
                },
                weight() / BYTES_PER_STEP,
            )
        }
        name if functions::is_cheap(name) => (Size::ONE, 0),
        operators::IN | "contains" | "startsWith" | "endsWith" | "isSorted" | "indexOf" | "lastIndexOf" => {
            (Size::ONE, weight() / BYTES_PER_STEP)
        }
        // The pattern is compiled each time, and that is what costs.
        "matches" => (Size::ONE, weight().saturating_add(PATTERN_COST)),
        "find" | "findAll" => (Size::unknown(weight()), weight().saturating_add(PATTERN_COST)),
        // Every character can become the whole of another operand.
        "replace" | "join" | "format" => {
            let grown = operands
                .iter()
                .fold(1u64, |grown, size| grown.saturating_mul(size.weight().max(1)));
            (Size::unknown(grown), grown / BYTES_PER_STEP)
        }
        "lists.range" | "range" => {
            let length = of.args.first().and_then(natural).unwrap_or(u64::MAX);
            (Size::unknown(length), length)
        }
        // These compare every item with every other.
        "distinct" | "sort" | "contains_all" | "intersects" | "equivalent" | "flatten" => {
            let length = operands
                .iter()
                .map(|size| size.length())
                .fold(0, u64::saturating_add);
            (
                Size::unknown(weight()),
                length.saturating_mul(length).saturating_add(weight()),
            )
        }
        _ => (
            Size::unknown(weight().max(1).saturating_mul(2)),
            weight().saturating_add(4),
        ),
    };
    (size, cost.saturating_add(work))
}

/// The part that an index names; known when the value is and the index stands there as text or number.
fn indexed<'v>(operands: &[Size<'v>], args: &[IdedExpr]) -> Size<'v> {
    let Some(whole) = operands.first().copied() else {
        return Size::ONE;
    };
    let Size::Known(value) = whole else {
        return whole.any_part();
    };
    let found = match args.last().map(|index| &index.expr) {
        Some(Expr::Literal(LiteralValue::String(name))) => value.get(name.inner()),
        Some(Expr::Literal(LiteralValue::Int(at))) => {
            usize::try_from(*at.inner()).ok().and_then(|at| value.get(at))
        }
        _ => return whole.any_part(),
    };
    found.map_or(Size::ONE, Size::Known)
}

fn natural(of: &IdedExpr) -> Option<u64> {
    match &of.expr {
        Expr::Literal(LiteralValue::Int(value)) => u64::try_from(*value.inner()).ok(),
        _ => None,
    }
}

/// A loop: what one round costs, times the rounds; what a round adds, times the rounds.
///
/// Only macros make loops, and they add at most one item to their list in a round.
fn each<'s>(of: &'s ComprehensionExpr, scope: &mut Scope<'s>) -> (Size<'s>, u64) {
    let (range, range_cost) = part(&of.iter_range, scope);
    let (start, start_cost) = part(&of.accu_init, scope);
    let rounds = range.length();
    let outside = scope.len();
    let item = item_of(range);
    scope.push((of.iter_var.as_str(), item));
    scope.extend(of.iter_var2.as_deref().map(|name| (name, item)));
    scope.push((of.accu_var.as_str(), start));
    let (step, step_cost) = part(&of.loop_step, scope);
    let (_, test_cost) = part(&of.loop_cond, scope);
    scope.pop();
    // A question starts with true, false or a count; the other loops build a list, copied in every round.
    let (gathered, copies) = if matches!(of.accu_init.expr, Expr::Literal(_)) {
        (Size::ONE, 0)
    } else {
        let inside = step.length().max(step.inside());
        let list = Size::Bound {
            length: rounds,
            inside,
            weight: rounds.saturating_mul(step.weight()),
        };
        (list, rounds.saturating_mul(rounds) / 8)
    };
    scope.push((of.accu_var.as_str(), gathered));
    let (size, result_cost) = part(&of.result, scope);
    scope.truncate(outside);
    let round = step_cost.saturating_add(test_cost).saturating_add(2);
    let all = [
        range_cost,
        start_cost,
        rounds.saturating_mul(round),
        copies,
        result_cost,
    ];
    (size, all.into_iter().fold(1, u64::saturating_add))
}

/// Bounds for any item of a list, or key of a map.
fn item_of(range: Size<'_>) -> Size<'_> {
    match range {
        Size::Known(Value::Array(items)) => items
            .iter()
            .map(Size::Known)
            .reduce(Size::or)
            .unwrap_or(Size::ONE),
        Size::Known(Value::Object(fields)) => text_size(fields.keys().map(String::len).max().unwrap_or(0)),
        _ => range.any_part(),
    }
}
