//! Label selectors, read from objects and matched with objects.

use serde_json::Value;

/// Whether labels (an object of texts, or null) fit a `LabelSelector`. One that is absent fits nothing, an empty one
/// everything, and one with an unknown operator nothing.
pub(crate) fn fits(selector: &Value, labels: &Value) -> bool {
    let Some(selector) = selector.as_object() else {
        return false;
    };
    let equal = selector
        .get("matchLabels")
        .and_then(Value::as_object)
        .is_none_or(|wanted| wanted.iter().all(|(key, value)| labels[key] == *value));
    let requirements = selector.get("matchExpressions").and_then(Value::as_array);
    equal && requirements.is_none_or(|all| all.iter().all(|one| meets(one, labels)))
}

/// One requirement of a label selector, or of a node selector term.
pub(crate) fn meets(requirement: &Value, labels: &Value) -> bool {
    let label = requirement["key"].as_str().and_then(|key| labels[key].as_str());
    let values = requirement["values"].as_array().map_or(&[][..], Vec::as_slice);
    let listed = |label: &str| values.iter().any(|value| value == label);
    let beyond = |more: fn(i64, i64) -> bool| {
        let bound = values.first().and_then(Value::as_str)?.parse().ok()?;
        Some(more(label?.parse().ok()?, bound))
    };
    match requirement["operator"].as_str().unwrap_or_default() {
        "In" => label.is_some_and(listed),
        "NotIn" => !label.is_some_and(listed),
        "Exists" => label.is_some(),
        "DoesNotExist" => label.is_none(),
        "Gt" => beyond(|label, bound| label > bound).unwrap_or(false),
        "Lt" => beyond(|label, bound| label < bound).unwrap_or(false),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case(json!({"matchLabels": {"app": "web"}}), true)]
    #[case(json!({"matchLabels": {"app": "db"}}), false)]
    #[case(json!({}), true)]
    #[case(Value::Null, false)]
    #[case(json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["db", "web"]}]}), true)]
    #[case(json!({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["x"]}]}), true)]
    #[case(json!({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}), false)]
    #[case(json!({"matchExpressions": [{"key": "size", "operator": "Gt", "values": ["9"]}]}), true)]
    #[case(json!({"matchExpressions": [{"key": "size", "operator": "Lt", "values": ["9"]}]}), false)]
    #[case(json!({"matchExpressions": [{"key": "app", "operator": "Near", "values": ["web"]}]}), false)]
    fn labels_fit_as_upstream_says(#[case] selector: Value, #[case] fitting: bool) {
        let labels = json!({"app": "web", "size": "12"});
        assert_eq!(fits(&selector, &labels), fitting);
    }
}
