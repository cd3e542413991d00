//! Kubernetes label selectors: `matchLabels` and `matchExpressions`, all of which must hold.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use kube::core::{Expression, Selector, SelectorExt as _};

/// Why a label selector cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Only `In`, `NotIn`, `Exists` and `DoesNotExist` exist.
    #[error("failed to compile the label selector: {key:?} has the unknown operator {operator:?}")]
    Operator {
        /// The label key of the requirement.
        key: String,
        /// What stands there.
        operator: String,
    },
    /// `In` and `NotIn` need values; the other two take none.
    #[error("failed to compile the label selector: {key:?} with operator {operator} {wrong}")]
    Values {
        /// The label key of the requirement.
        key: String,
        /// Its operator.
        operator: String,
        /// What is wrong with the values.
        wrong: &'static str,
    },
}

/// A compiled label selector. One without requirements matches everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LabelMatcher(Selector);

impl LabelMatcher {
    /// Refuses what the API server would refuse in a selector of its own kinds, instead of matching nothing.
    pub fn compile(selector: &LabelSelector) -> Result<Self, Error> {
        let equal = selector.match_labels.iter().flatten();
        let mut compiled: Selector = equal.map(|(key, value)| (key.clone(), value.clone())).collect();
        for requirement in selector.match_expressions.iter().flatten() {
            compiled.extend([expression(requirement)?]);
        }
        Ok(Self(compiled))
    }

    /// Whether the labels fulfil every requirement.
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.matches(labels)
    }
}

fn expression(requirement: &LabelSelectorRequirement) -> Result<Expression, Error> {
    let key = requirement.key.clone();
    let values = requirement.values.clone().unwrap_or_default();
    let refused = |wrong| Error::Values {
        key: requirement.key.clone(),
        operator: requirement.operator.clone(),
        wrong,
    };
    match (requirement.operator.as_str(), values.is_empty()) {
        ("In", false) => Ok(Expression::In(key, values.into_iter().collect())),
        ("NotIn", false) => Ok(Expression::NotIn(key, values.into_iter().collect())),
        ("Exists", true) => Ok(Expression::Exists(key)),
        ("DoesNotExist", true) => Ok(Expression::DoesNotExist(key)),
        ("In" | "NotIn", true) => Err(refused("needs at least one value")),
        ("Exists" | "DoesNotExist", false) => Err(refused("takes no values")),
        (operator, _) => Err(Error::Operator {
            key,
            operator: operator.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    #[rstest]
    #[case::nothing_asked_matches_all(json!({}), true)]
    #[case::equal(json!({"matchLabels": {"env": "prod"}}), true)]
    #[case::another_value(json!({"matchLabels": {"env": "test"}}), false)]
    #[case::all_must_hold(json!({"matchLabels": {"env": "prod", "tier": "x"}}), false)]
    #[case::one_of(json!({"matchExpressions": [{"key": "env", "operator": "In", "values": ["a", "prod"]}]}), true)]
    #[case::a_missing_label_is_in_no_list(json!({"matchExpressions": [{"key": "x", "operator": "In", "values": ["a"]}]}), false)]
    #[case::a_missing_label_is_not_in_the_list(json!({"matchExpressions": [{"key": "x", "operator": "NotIn", "values": ["a"]}]}), true)]
    #[case::absent(json!({"matchExpressions": [{"key": "env", "operator": "DoesNotExist"}]}), false)]
    fn a_selector_matches_when_every_requirement_holds(
        #[case] selector: serde_json::Value,
        #[case] expected: bool,
    ) {
        let selector: LabelSelector = serde_json::from_value(selector).unwrap();
        let matcher = LabelMatcher::compile(&selector).unwrap();
        assert_eq!(matcher.matches(&labels(&[("env", "prod")])), expected);
    }

    #[rstest]
    #[case::operator("Near", &["a"], "unknown operator \"Near\"")]
    #[case::no_values("In", &[], "needs at least one value")]
    #[case::values("Exists", &["a"], "takes no values")]
    fn a_selector_that_could_match_nothing_is_refused(
        #[case] operator: &str,
        #[case] values: &[&str],
        #[case] expected: &str,
    ) {
        let selector = json!({"matchExpressions": [{"key": "env", "operator": operator, "values": values}]});
        let selector: LabelSelector = serde_json::from_value(selector).unwrap();
        let error = LabelMatcher::compile(&selector).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
