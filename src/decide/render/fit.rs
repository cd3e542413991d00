//! Fitting an intent to what the member's version knows (PROTOCOL §3.4).

use serde_json::Value;

use super::Intent;
use crate::model::schema::{Problem, ProblemKind, SchemaRef, check};

/// Fields of the intent that a person set and the member cannot take: a terminal condition, never retried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("failed to fit the object to the cluster: {}", paths.join("; "))]
pub struct NotKnown {
    /// One sentence per field, with its path as people write it.
    pub paths: Vec<String>,
}

/// Drops fields that the member does not know and nobody certainly set; refuses those that somebody set, and
/// lists with two items of one key. Other faults are left to the member, which answers them properly.
///
/// `was_set` is asked with JSON pointers into the body: `Template::was_set`.
pub fn fit(intent: Intent, schema: &SchemaRef, was_set: &dyn Fn(&str) -> bool) -> Result<Intent, NotKnown> {
    let mut body = None;
    // A check names a bounded number of problems, so what it names is dropped and it is asked again.
    loop {
        let object = body.as_ref().unwrap_or(&*intent.body);
        let problems = check(schema, object);
        let problems: Vec<Problem> = problems.into_iter().filter(Problem::breaks_apply).collect();
        if problems.is_empty() {
            break;
        }
        let refused: Vec<String> = problems
            .iter()
            .filter(|problem| !may_drop(problem) || was_set(&problem.pointer))
            .map(|problem| problem.message.clone())
            .collect();
        if !refused.is_empty() {
            return Err(NotKnown { paths: refused });
        }
        let mut next = object.clone();
        let dropped = problems
            .iter()
            .filter(|problem| remove(&mut next, &problem.pointer))
            .count();
        if dropped == 0 {
            let paths = problems.into_iter().map(|problem| problem.message).collect();
            return Err(NotKnown { paths });
        }
        body = Some(next);
    }
    Ok(match body {
        Some(body) => Intent::seal(intent.key, intent.gvk, body),
        None => intent,
    })
}

fn may_drop(problem: &Problem) -> bool {
    matches!(problem.kind, ProblemKind::UnknownField { .. })
}

/// Removes the field of an object at the pointer, and says whether it was there.
fn remove(object: &mut Value, pointer: &str) -> bool {
    let Some((parent, field)) = pointer.rsplit_once('/') else {
        return false;
    };
    let field = field.replace("~1", "/").replace("~0", "~");
    match object.pointer_mut(parent) {
        Some(Value::Object(fields)) => fields.remove(&field).is_some(),
        _ => false,
    }
}
