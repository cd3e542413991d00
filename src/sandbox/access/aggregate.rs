//! ClusterRoles that gather the rules of others, by label.

use serde_json::Value;

use crate::sandbox::object::{Object, label, name};

/// The rules that a ClusterRole with an `aggregationRule` gathers among all of them, in upstream's order; None when it
/// gathers nothing, or has them already.
pub(super) fn gathered(role: &Value, all: &[Object]) -> Option<Value> {
    let selectors = role["aggregationRule"].as_object()?.get("clusterRoleSelectors");
    let mut rules: Vec<&Value> = Vec::new();
    for selector in selectors.and_then(Value::as_array).into_iter().flatten() {
        let mut chosen: Vec<&Object> = all
            .iter()
            .filter(|other| name(other) != name(role) && selects(selector, other))
            .collect();
        chosen.sort_by_key(|other| name(other));
        for rule in chosen
            .iter()
            .filter_map(|other| other["rules"].as_array())
            .flatten()
        {
            if !rules.contains(&rule) {
                rules.push(rule);
            }
        }
    }
    let rules: Value = rules.into_iter().cloned().collect();
    let had = role["rules"].as_array().cloned().unwrap_or_default();
    (rules.as_array() != Some(&had)).then_some(rules)
}

/// A `metav1.LabelSelector` against an object's labels. An empty one selects everything.
fn selects(selector: &Value, object: &Value) -> bool {
    let labels = selector["matchLabels"].as_object().into_iter().flatten();
    let expressions = selector["matchExpressions"].as_array().into_iter().flatten();
    labels
        .into_iter()
        .all(|(key, value)| label(object, key) == value.as_str())
        && expressions.into_iter().all(|one| {
            let has = label(object, one["key"].as_str().unwrap_or_default());
            let listed = has.is_some_and(|has| {
                one["values"]
                    .as_array()
                    .is_some_and(|values| values.iter().any(|value| value == has))
            });
            match one["operator"].as_str() {
                Some("In") => listed,
                Some("NotIn") => !listed,
                Some("Exists") => has.is_some(),
                Some("DoesNotExist") => has.is_none(),
                _ => false,
            }
        })
}
