//! Custom kinds: their schema and rules.

use serde_json::Value;

use super::{Change, duplicate, invalid, required, unsupported};
use crate::model::schema::{Problem, ProblemKind, check as judge};
use crate::sandbox::failure::Cause;

pub(super) fn check(change: &Change<'_>, causes: &mut Vec<Cause>) {
    let Some(schema) = &change.version.schema else {
        return;
    };
    for problem in judge(schema, change.new) {
        causes.push(cause(change.new, &problem));
    }
}

fn cause(object: &Value, problem: &Problem) -> Cause {
    let field = path(&problem.pointer);
    let value = object.pointer(&problem.pointer).unwrap_or(&Value::Null);
    let below = |name: &str| if field.is_empty() { name.to_owned() } else { format!("{field}.{name}") };
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
                message: format!("Invalid value: {found}: {field} in body must be of type {expected}: {found}"),
                field,
            }
        }
        // The message begins with the path in its own notation.
        _ => {
            let why = problem.message.split_once(": ").map_or(problem.message.as_str(), |(_, why)| why);
            invalid(field, value, why)
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
