//! From a policy as an object to what can be asked.

use std::sync::Arc;

use serde_json::Value;

use crate::model::cel::Program;

/// What expressions may use.
const VARIABLES: &[&str] = &[
    "object",
    "oldObject",
    "request",
    "namespaceObject",
    "variables",
    "params",
];

/// One policy with a binding that denies.
#[derive(Debug)]
pub(super) struct Policy {
    pub(super) name: String,
    pub(super) binding: String,
    pub(super) rules: Vec<Rule>,
    pub(super) conditions: Vec<Arc<Program>>,
    pub(super) variables: Vec<(String, Arc<Program>)>,
    pub(super) validations: Vec<Validation>,
    /// Errors refuse; else they pass.
    pub(super) fail: bool,
}

/// Which requests a policy judges.
#[derive(Debug)]
pub(super) struct Rule {
    groups: Vec<String>,
    versions: Vec<String>,
    operations: Vec<String>,
    resources: Vec<String>,
    scope: String,
}

#[derive(Debug)]
pub(super) struct Validation {
    pub(super) expression: Arc<Program>,
    pub(super) message: String,
    pub(super) message_expression: Option<Arc<Program>>,
    pub(super) reason: String,
}

impl Policy {
    /// None when it says something that is not enforced here.
    pub(super) fn compile(policy: &Value, binding: &Value) -> Option<Self> {
        let spec = &policy["spec"];
        let has_selectors = [&spec["matchConstraints"], &binding["spec"]["matchResources"]]
            .iter()
            .any(|of| {
                ["namespaceSelector", "objectSelector", "excludeResourceRules"]
                    .iter()
                    .any(|field| !of[field].is_null() && of[field] != serde_json::json!({}))
            });
        if !spec["paramKind"].is_null() || has_selectors {
            return None;
        }
        let expression = |of: &Value| Program::cached(of["expression"].as_str()?, VARIABLES).ok();
        let validation = |of: &Value| {
            let message_expression = match of["messageExpression"].as_str() {
                Some(text) => Some(Program::cached(text, VARIABLES).ok()?),
                None => None,
            };
            let expression = expression(of)?;
            let message = of["message"].as_str().map_or_else(
                || format!("failed expression: {}", expression.text().trim()),
                str::to_owned,
            );
            let reason = of["reason"].as_str().unwrap_or("Invalid").to_owned();
            Some(Validation {
                expression,
                message,
                message_expression,
                reason,
            })
        };
        let variable = |of: &Value| Some((of["name"].as_str()?.to_owned(), expression(of)?));
        Some(Self {
            name: policy["metadata"]["name"].as_str()?.to_owned(),
            binding: binding["metadata"]["name"].as_str()?.to_owned(),
            rules: items(&spec["matchConstraints"]["resourceRules"])
                .map(Rule::read)
                .collect(),
            conditions: items(&spec["matchConditions"])
                .map(expression)
                .collect::<Option<_>>()?,
            variables: items(&spec["variables"]).map(variable).collect::<Option<_>>()?,
            validations: items(&spec["validations"])
                .map(validation)
                .collect::<Option<_>>()?,
            fail: spec["failurePolicy"] != "Ignore",
        })
    }
}

impl Rule {
    fn read(rule: &Value) -> Self {
        let texts = |field: &str| -> Vec<String> {
            let texts = items(&rule[field]).filter_map(Value::as_str);
            texts.map(str::to_owned).collect()
        };
        Self {
            groups: texts("apiGroups"),
            versions: texts("apiVersions"),
            operations: texts("operations"),
            resources: texts("resources"),
            scope: rule["scope"].as_str().unwrap_or("*").to_owned(),
        }
    }

    pub(super) fn matches(&self, operation: &str, at: &crate::sandbox::api::Target) -> bool {
        let any = |of: &[String], word: &str| of.iter().any(|one| one == "*" || one == word);
        let scope = match &*self.scope {
            "Namespaced" => at.namespace.is_some(),
            "Cluster" => at.namespace.is_none(),
            _ => true,
        };
        let resource = |pattern: &String| {
            let (resource, below) = pattern.split_once('/').unwrap_or((pattern, ""));
            let below_matches = match below {
                "*" => true,
                below => *at.subresource == *below,
            };
            (resource == "*" || *at.resource.plural == *resource) && below_matches
        };
        scope
            && any(&self.groups, &at.resource.group)
            && any(&self.versions, &at.version)
            && any(&self.operations, operation)
            && self.resources.iter().any(resource)
    }
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}
