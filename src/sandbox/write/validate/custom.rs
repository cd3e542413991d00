//! Custom kinds: their schema and rules.

use serde_json::Value;

use super::{Change, duplicate, invalid, required, unsupported};
use crate::model::schema::{Problem, ProblemKind, check as judge};
use crate::sandbox::failure::Cause;

pub(super) fn check(change: &Change<'_>, causes: &mut Vec<Cause>) {
    let Some(schema) = &change.version.schema else {
        return;
    };
    let problems = judge(schema, change.new);
    causes.extend(problems.iter().map(|problem| cause(change.new, problem)));
    let stops_rules = |problem: &Problem| match problem.kind {
        ProblemKind::NotInEnum { .. } | ProblemKind::Missing { .. } | ProblemKind::WrongType { .. } => true,
        ProblemKind::OutOfRange => problem.message.contains("must have at most"),
        _ => false,
    };
    if problems.iter().any(stops_rules) && schema.has_rules() {
        causes.push(invalid("<nil>", &Value::Null, UNCHECKED));
    }
}

const UNCHECKED: &str = "some validation rules were not checked because the object was invalid; correct the existing \
    errors to complete validation";

/// How upstream says what our own messages say of numbers and lengths: the end of ours, and its words around the number.
const LIMITS: &[(&str, &str, &str, &str)] = &[
    ("must be at least ", "", "should be greater than or equal to ", ""),
    ("must be more than ", "", "should be greater than ", ""),
    ("must be at most ", "", "should be less than or equal to ", ""),
    ("must be less than ", "", "should be less than ", ""),
    (
        "must have at least ",
        " characters",
        "should be at least ",
        " chars long",
    ),
    ("must have at least ", " items", "should have at least ", " items"),
    (
        "must have at least ",
        " fields",
        "should have at least ",
        " properties",
    ),
];

fn out_of_range(field: String, value: &Value, message: &str) -> Cause {
    let number = |start: &str, end: &str| {
        let at = message.find(start)? + start.len();
        Some(message[at..].strip_suffix(end)?.to_owned())
    };
    if let Some(most) = number("must have at most ", " characters") {
        return Cause {
            reason: "FieldValueTooLong",
            message: format!("Too long: may not be more than {most} bytes"),
            field,
        };
    }
    if let Some(most) = number("must have at most ", " items") {
        let count = value.as_array().map_or(0, Vec::len);
        return Cause {
            reason: "FieldValueTooMany",
            message: format!("Too many: {count}: must have at most {most} items"),
            field,
        };
    }
    let said = LIMITS.iter().find_map(|(start, end, before, after)| {
        Some(format!("{field} in body {before}{}{after}", number(start, end)?))
    });
    let why = said.unwrap_or_else(|| message.to_owned());
    invalid(field, value, &why)
}

fn cause(object: &Value, problem: &Problem) -> Cause {
    let field = path(&problem.pointer);
    let value = object.pointer(&problem.pointer).unwrap_or(&Value::Null);
    let below = |name: &str| {
        if field.is_empty() {
            name.to_owned()
        } else {
            format!("{field}.{name}")
        }
    };
    match &problem.kind {
        ProblemKind::Missing { field } => required(below(field), ""),
        ProblemKind::NotInEnum { allowed } => unsupported(field, value, allowed),
        ProblemKind::DuplicateKey { .. } => duplicate(field, value),
        ProblemKind::Pattern { pattern } => {
            let why = format!("{field} in body should match '{pattern}'");
            invalid(field, value, &why)
        }
        ProblemKind::WrongType { expected, .. } => {
            let found = Value::from(json_type(value));
            let expected = if *expected == "list" { "array" } else { expected };
            Cause {
                reason: "FieldValueTypeInvalid",
                message: format!(
                    "Invalid value: {found}: {field} in body must be of type {expected}: {found}"
                ),
                field,
            }
        }
        ProblemKind::OutOfRange => out_of_range(field, value, &problem.message),
        // Ours begins with the path in its own notation; upstream leaves the value of a rule out.
        _ => {
            let why = problem
                .message
                .split_once(": ")
                .map_or(problem.message.as_str(), |(_, why)| why);
            Cause {
                reason: "FieldValueInvalid",
                message: format!("Invalid value: {why}"),
                field,
            }
        }
    }
}

fn json_type(value: &Value) -> &'static str {
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

/// `/spec/list/0/name` as `spec.list[0].name`.
pub(super) fn path(pointer: &str) -> String {
    let mut path = String::new();
    for step in pointer.split('/').skip(1) {
        let step = step.replace("~1", "/").replace("~0", "~");
        if step.chars().all(|c| c.is_ascii_digit()) && !step.is_empty() {
            path += &format!("[{step}]");
        } else {
            if !path.is_empty() {
                path.push('.');
            }
            path += &step;
        }
    }
    path
}
