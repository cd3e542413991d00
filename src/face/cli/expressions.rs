//! Expressions in manifests of the hub's own kinds: whether they compile, and give what they should.

use kube::core::ObjectMeta;
use serde_json::Value;

use crate::{
    decide::placement::Choice,
    model::{
        api::{self, ClusterSelector, KindRule, KindRuleSpec},
        kind::Rule,
        manifest::{Code, Diagnostic, Document},
    },
};

/// What is wrong with the expressions of a document.
pub(super) fn expressions(document: &Document) -> Vec<Diagnostic> {
    if document.group() != api::GROUP {
        return Vec::new();
    }
    match document.kind() {
        "KindRule" => return of_kind_rule(document),
        // They are looked over as a whole.
        "OverridePolicy" | "ClusterOverridePolicy" => return Vec::new(),
        _ => {}
    }
    let mut found = Vec::new();
    of_selectors(document, &document.object, &mut String::new(), &mut found);
    found
}

fn of_kind_rule(document: &Document) -> Vec<Diagnostic> {
    let spec = document.object.get("spec").cloned().unwrap_or_default();
    // What does not even have the right fields is told by its schema.
    let Ok(spec) = serde_json::from_value::<KindRuleSpec>(spec) else {
        return Vec::new();
    };
    let rule = Rule::of(&KindRule {
        metadata: ObjectMeta::default(),
        spec,
        status: None,
    });
    let is_expression = |field: &str| matches!(field, "/spec/health" | "/spec/dependencies");
    rule.problems
        .iter()
        .filter(|problem| is_expression(&problem.field))
        .map(|problem| {
            said(
                document,
                &problem.field,
                &problem.to_string(),
                problem.hint.as_deref(),
            )
        })
        .collect()
}

/// Selectors of members have their expression in a field `cel`, wherever they stand.
fn of_selectors(document: &Document, value: &Value, at: &mut String, found: &mut Vec<Diagnostic>) {
    let fields: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(name, field)| (name.clone(), field)).collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| (index.to_string(), item))
            .collect(),
        _ => return,
    };
    for (name, field) in fields {
        let before = at.len();
        at.push('/');
        at.push_str(&name.replace('~', "~0").replace('/', "~1"));
        match field.as_str() {
            Some(text) if name == "cel" && value.is_object() => {
                let selector = ClusterSelector {
                    cel: Some(text.to_owned()),
                    ..ClusterSelector::default()
                };
                if let Some(error) = Choice::fault(&selector) {
                    let words = format!("{}: {error}", at.trim_start_matches('/').replace('/', "."));
                    found.push(said(document, at, &words, error.hint().as_deref()));
                }
            }
            _ => of_selectors(document, field, at, found),
        }
        at.truncate(before);
    }
}

fn said(document: &Document, pointer: &str, message: &str, hint: Option<&str>) -> Diagnostic {
    let found = document.error(Code::BAD_EXPRESSION, pointer, message.to_owned());
    match hint {
        Some(hint) => found.with_hint(hint.to_owned()),
        None => found,
    }
}
