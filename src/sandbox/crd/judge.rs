//! What a definition demands of its objects, in upstream's words.

use std::fmt::Write as _;

use serde_json::Value;

use crate::model::schema::{Bound, Detail, Problem, ProblemKind, SchemaRef, check_change};
use crate::sandbox::failure::Cause;

/// With one of these, rules are not looked at.
const BLOCKING: [&str; 5] = [
    "FieldValueNotSupported",
    "FieldValueRequired",
    "FieldValueTooLong",
    "FieldValueTooMany",
    "FieldValueTypeInvalid",
];

pub(super) const UNCHECKED: &str = "Invalid value: null: some validation rules were not checked because the object was invalid; \
                         correct the existing errors to complete validation";

/// Everything in a custom object that does not fit its schema, or breaks its rules. `old` is None for creates.
/// Unknown fields are none of it: they were dropped before. What was wrong already and did not change is let be, as
/// the definition may have become stricter since; not so for rules.
pub(crate) fn judge(schema: &SchemaRef, old: Option<&Value>, new: &Value) -> Vec<Cause> {
    let problems = check_change(schema, old, new);
    let is_old = |problem: &&Problem| {
        let past = old.and_then(|old| old.pointer(&problem.pointer));
        past.is_some()
            && past == new.pointer(&problem.pointer)
            && !matches!(problem.detail, Detail::Rule { .. })
    };
    let problems = problems.iter().filter(|problem| !is_old(problem));
    let mut causes: Vec<Cause> = problems.filter_map(|problem| cause(problem, new)).collect();
    if schema.has_rules() && causes.iter().any(|cause| BLOCKING.contains(&cause.reason)) {
        causes.push(Cause {
            reason: "FieldValueInvalid",
            message: UNCHECKED.to_owned(),
            field: "<nil>".to_owned(),
        });
    }
    causes
}

fn cause(problem: &Problem, object: &Value) -> Option<Cause> {
    let value = object.pointer(&problem.pointer).unwrap_or(&Value::Null);
    let field = path(&problem.pointer, object);
    let body = |demand: &str| format!("Invalid value: {value}: {field} in body {demand}");
    let (reason, field, message) = match (&problem.kind, &problem.detail) {
        (ProblemKind::UnknownField { .. }, _) => return None,
        (ProblemKind::WrongType { expected, .. }, _) => {
            let found = kind_of(value);
            let expected = expected.replace("list", "array").replace(" or ", ",");
            let message =
                format!("Invalid value: {found:?}: {field} in body must be of type {expected}: {found:?}");
            ("FieldValueTypeInvalid", field, message)
        }
        (ProblemKind::Missing { field: missing }, _) => {
            let field = if field.is_empty() {
                missing.clone()
            } else {
                format!("{field}.{missing}")
            };
            ("FieldValueRequired", field, "Required value".to_owned())
        }
        (ProblemKind::NotInEnum { allowed }, _) => {
            let allowed: Vec<String> = allowed.iter().map(|one| format!("{one:?}")).collect();
            let message = format!(
                "Unsupported value: {}: supported values: {}",
                value,
                allowed.join(", ")
            );
            ("FieldValueNotSupported", field, message)
        }
        (ProblemKind::DuplicateKey { .. }, _) => {
            ("FieldValueDuplicate", field, format!("Duplicate value: {value}"))
        }
        (ProblemKind::Pattern { pattern }, _) => {
            let message = body(&format!("should match '{pattern}'"));
            ("FieldValueInvalid", field, message)
        }
        (ProblemKind::OutOfRange, Detail::Bound(bound)) => {
            let (reason, message) = bounded(*bound, value, &field);
            (reason, field, message)
        }
        (
            _,
            Detail::Rule {
                pointer,
                reason,
                text,
                of_scalar,
            },
        ) => {
            let at = object.pointer(pointer).filter(|_| *of_scalar);
            let value = at.map(|at| format!("{at}: ")).unwrap_or_default();
            let (reason, message) = match &**reason {
                "FieldValueForbidden" => ("FieldValueForbidden", format!("Forbidden: {text}")),
                "FieldValueRequired" => ("FieldValueRequired", format!("Required value: {text}")),
                "FieldValueDuplicate" => ("FieldValueDuplicate", format!("Duplicate value: {value}{text}")),
                _ => ("FieldValueInvalid", format!("Invalid value: {value}{text}")),
            };
            let field = Some(path(pointer, object)).filter(|field| !field.is_empty());
            (reason, field.unwrap_or_else(|| "<nil>".to_owned()), message)
        }
        _ => (
            "FieldValueInvalid",
            field,
            format!("Invalid value: {}: {}", value, problem.message),
        ),
    };
    Some(Cause {
        reason,
        message,
        field,
    })
}

fn bounded(bound: Bound, value: &Value, field: &str) -> (&'static str, String) {
    let body = |demand: String| {
        let message = format!("Invalid value: {value}: {field} in body should {demand}");
        ("FieldValueInvalid", message)
    };
    let what = match value {
        Value::Array(_) => "items",
        Value::Object(_) => "properties",
        _ => "chars long",
    };
    match bound {
        Bound::Least(least, false) => body(format!("be greater than or equal to {least}")),
        Bound::Least(least, true) => body(format!("be greater than {least}")),
        Bound::Most(most, false) => body(format!("be less than or equal to {most}")),
        Bound::Most(most, true) => body(format!("be less than {most}")),
        Bound::Bits32 => body(format!("be of type int32: {:?}", value.to_string())),
        Bound::AtLeast(least) if what == "chars long" => body(format!("be at least {least} chars long")),
        Bound::AtLeast(least) => body(format!("have at least {least} {what}")),
        Bound::AtMost(most) => match value {
            Value::Array(items) => too_many(items.len(), most),
            Value::Object(fields) => too_many(fields.len(), most),
            _ => (
                "FieldValueTooLong",
                format!("Too long: may not be more than {most} bytes"),
            ),
        },
    }
}

fn too_many(found: usize, most: u64) -> (&'static str, String) {
    let noun = if most == 1 { "item" } else { "items" };
    (
        "FieldValueTooMany",
        format!("Too many: {found}: must have at most {most} {noun}"),
    )
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// `spec.items[0].name`; names with points stand in brackets.
pub(crate) fn path(pointer: &str, object: &Value) -> String {
    let mut path = String::new();
    let mut at = object;
    for step in pointer.split('/').skip(1) {
        let name = step.replace("~1", "/").replace("~0", "~");
        let within = match at {
            Value::Array(items) => name.parse().ok().and_then(|index: usize| items.get(index)),
            _ => at.get(&name),
        };
        let _ = match path.is_empty() {
            _ if at.is_array() || name.contains(['.', '/']) => write!(path, "[{name}]"),
            true => write!(path, "{name}"),
            false => write!(path, ".{name}"),
        };
        at = within.unwrap_or(&Value::Null);
    }
    path
}
