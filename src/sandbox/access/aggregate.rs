//! ClusterRoles that gather the rules of others, by label.

use serde_json::Value;

use super::GROUP;
use crate::model::pod::LabelMatcher;
use crate::sandbox::api::{Selection, Server};
use crate::sandbox::object::{Object, name};
use crate::sandbox::write::Writer;

/// The actor that keeps them: runs for ever.
pub(crate) async fn aggregate(server: Server) {
    let Some(target) = server.target(GROUP, "clusterroles", "", "") else {
        return;
    };
    let writer = Writer {
        manager: "kube-controller-manager".to_owned(),
        ..Writer::controller("clusterrole-aggregation-controller")
    };
    loop {
        let (roles, revision) = server.list(&target);
        for role in &roles {
            if gathered(role, &roles).is_none() {
                continue;
            }
            // One that fails was changed meanwhile, and that change brings us here again.
            let _ = server.update_with(&writer, &target.named(name(role)), |role| {
                let mut new = role.clone();
                new["rules"] = gathered(role, &roles)?;
                Some(new)
            });
        }
        if let Ok(mut changes) = server.watch(&target, Selection::default(), revision) {
            let _ = changes.next().await;
        }
    }
}

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
    let rules: Vec<Value> = rules.into_iter().cloned().collect();
    let had = role["rules"].as_array().map(Vec::as_slice).unwrap_or_default();
    (rules != had).then_some(Value::Array(rules))
}

/// A `metav1.LabelSelector` against an object's labels. An empty one selects everything.
fn selects(selector: &Value, object: &Value) -> bool {
    let matcher = serde_json::from_value(selector.clone()).ok();
    let matcher = matcher.and_then(|selector| LabelMatcher::compile(&selector).ok());
    let labels = serde_json::from_value(object["metadata"]["labels"].clone()).unwrap_or_default();
    matcher.is_some_and(|matcher| matcher.matches(&labels))
}
