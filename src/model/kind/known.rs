//! Everything that is known of kinds at one moment: what is built in, what custom resources say of their scale,
//! and the `KindRule`s.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::rule::{Fault, Rule};
use super::{Dependency, needs, shape};
use crate::model::name::GroupKind;

/// What is known of kinds. Never changed: who learns more makes another. The default knows what is built in.
#[derive(Debug, Clone, Default)]
pub struct Kinds {
    rules: BTreeMap<GroupKind, Arc<Rule>>,
    scales: BTreeMap<GroupKind, Arc<str>>,
}

impl Kinds {
    /// Of several rules for one kind the oldest counts, then the first by name: whoever comes later changes
    /// nothing. Rules for built-in kinds count for nothing. `scales`: where the scale subresource of custom
    /// resources has the number of replicas, as JSON pointers.
    pub fn new(
        rules: impl IntoIterator<Item = Arc<Rule>>,
        scales: impl IntoIterator<Item = (GroupKind, Arc<str>)>,
    ) -> Self {
        let mut known: BTreeMap<GroupKind, Arc<Rule>> = BTreeMap::new();
        for rule in rules.into_iter().filter(|rule| !shape::is_built_in(&rule.kind)) {
            match known.get(&rule.kind) {
                Some(had) if !rule.is_before(had) => {}
                _ => _ = known.insert(rule.kind.clone(), rule),
            }
        }
        Self {
            rules: known,
            scales: scales.into_iter().collect(),
        }
    }

    /// The rule in force for a kind.
    #[must_use]
    pub fn rule(&self, kind: &GroupKind) -> Option<&Arc<Rule>> {
        self.rules.get(kind)
    }

    /// JSON pointer to the number of replicas, for kinds that have one: built in, by a `KindRule`, or by the
    /// scale subresource, in this order.
    #[must_use]
    pub fn replicas_pointer(&self, kind: &GroupKind) -> Option<&str> {
        shape::replicas_pointer(kind)
            .or_else(|| self.rules.get(kind)?.replicas.as_deref())
            .or_else(|| self.scales.get(kind).map(|pointer| &**pointer))
    }

    /// JSON pointer to the object that has the pod's `metadata` and `spec`; empty for a Pod itself.
    #[must_use]
    pub fn pod_template_pointer(&self, kind: &GroupKind) -> Option<&str> {
        shape::pod_template_pointer(kind).or_else(|| self.rules.get(kind)?.pod_template.as_deref())
    }

    /// What the rendered object names and cannot run without: see [`super::dependencies`], and what a rule adds.
    /// What a rule that fails would have added is missing from the first, and the second says why.
    #[must_use]
    pub fn dependencies(&self, kind: &GroupKind, object: &Value) -> (Vec<Dependency>, Option<Fault>) {
        let mut found = needs::named(kind, self.pod_template_pointer(kind), object);
        let mut fault = None;
        match self.rules.get(kind).map(|rule| rule.dependencies(object)) {
            Some(Ok(more)) => found.extend(more),
            Some(Err(why)) => fault = Some(why),
            None => {}
        }
        (found.into_iter().collect(), fault)
    }

    /// Whether both say the same of a kind: the same rule at the same generation, and the same scale.
    #[must_use]
    pub fn knows_alike(&self, other: &Self, kind: &GroupKind) -> bool {
        let rule = |kinds: &Self| {
            let rule = kinds.rules.get(kind)?;
            Some((rule.uid.clone(), rule.generation))
        };
        rule(self) == rule(other) && self.scales.get(kind) == other.scales.get(kind)
    }
}

/// Puts a number where a JSON pointer points, making the objects on the way. Whatever is no object is left
/// alone, and then this is false.
pub fn put_number(object: &mut Value, pointer: &str, number: i64) -> bool {
    let mut at = object;
    for step in pointer.split('/').skip(1) {
        let step = step.replace("~1", "/").replace("~0", "~");
        if at.is_null() {
            *at = Value::Object(serde_json::Map::new());
        }
        let Value::Object(fields) = at else { return false };
        at = fields.entry(step).or_insert(Value::Null);
    }
    if at.is_object() || at.is_array() {
        return false;
    }
    *at = number.into();
    true
}

/// Takes away what a JSON pointer points at, if it is the field of an object.
pub fn take(object: &mut Value, pointer: &str) -> Option<Value> {
    let (parent, field) = pointer.rsplit_once('/')?;
    let field = field.replace("~1", "/").replace("~0", "~");
    object.pointer_mut(parent)?.as_object_mut()?.remove(&field)
}

/// Where the `specReplicasPath` of a scale subresource points: `.spec.replicas` is `/spec/replicas`. None for
/// what no custom resource may have there.
#[must_use]
pub fn scale_pointer(path: &str) -> Option<Arc<str>> {
    let path = path.strip_prefix('.')?;
    let plain = path.split('.').all(|step| {
        !step.is_empty()
            && step
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    });
    plain.then(|| format!("/{}", path.replace('.', "/")).into())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case::built_in("apps", "Deployment", Some("/spec/replicas"))]
    #[case::by_rule("argoproj.io", "Rollout", Some("/spec/count"))]
    #[case::by_scale("monitoring.coreos.com", "Prometheus", Some("/spec/shards"))]
    #[case::nothing("example.com", "Widget", None)]
    fn replicas_are_found_by_what_is_built_in_then_rules_then_the_scale(
        #[case] group: &str,
        #[case] kind: &str,
        #[case] pointer: Option<&str>,
    ) {
        let scale =
            |group: &str, kind: &str, path: &str| (GroupKind::new(group, kind), scale_pointer(path).unwrap());
        let kinds = Kinds::new(
            [Rule::read(json!({
                "metadata": {"name": "r"},
                "spec": {"group": "argoproj.io", "kind": "Rollout", "replicasPath": "/spec/count"},
            }))],
            [
                scale("apps", "Deployment", ".spec.other"),
                scale("argoproj.io", "Rollout", ".spec.replicas"),
                scale("monitoring.coreos.com", "Prometheus", ".spec.shards"),
            ],
        );
        assert_eq!(kinds.replicas_pointer(&GroupKind::new(group, kind)), pointer);
    }

    #[rstest]
    #[case(".spec.replicas", Some("/spec/replicas"))]
    #[case(".spec.a-b.c_d", Some("/spec/a-b/c_d"))]
    #[case("spec.replicas", None)]
    #[case(".spec..x", None)]
    #[case(".spec.list[0]", None)]
    fn the_path_of_a_scale_becomes_a_pointer(#[case] path: &str, #[case] pointer: Option<&str>) {
        assert_eq!(scale_pointer(path).as_deref(), pointer);
    }

    #[rstest]
    #[case::there(json!({"spec": {"replicas": 1}}), true, json!({"spec": {"replicas": 7}}))]
    #[case::missing(json!({}), true, json!({"spec": {"replicas": 7}}))]
    #[case::null(json!({"spec": null}), true, json!({"spec": {"replicas": 7}}))]
    #[case::no_object(json!({"spec": "x"}), false, json!({"spec": "x"}))]
    #[case::an_object(json!({"spec": {"replicas": {}}}), false, json!({"spec": {"replicas": {}}}))]
    fn a_number_is_put_where_it_may_stand(
        #[case] mut object: Value,
        #[case] done: bool,
        #[case] then: Value,
    ) {
        assert_eq!(put_number(&mut object, "/spec/replicas", 7), done);
        assert_eq!(object, then);
        assert_eq!(
            take(&mut object, "/spec/replicas").is_some(),
            object != json!({"spec": "x"})
        );
    }

    #[test]
    fn of_two_rules_for_one_kind_the_older_counts() {
        let rule = |name: &str, created: &str, path: &str| {
            Rule::read(json!({
                "metadata": {"name": name, "creationTimestamp": created},
                "spec": {"group": "example.com", "kind": "Widget", "replicasPath": path},
            }))
        };
        let old = rule("old", "2026-01-01T00:00:00Z", "/spec/old");
        let new = rule("new", "2026-01-02T00:00:00Z", "/spec/new");
        let twin = rule("a-twin", "2026-01-01T00:00:00Z", "/spec/twin");
        let kind = GroupKind::new("example.com", "Widget");
        for order in [[&old, &new, &twin], [&twin, &new, &old], [&new, &old, &twin]] {
            let kinds = Kinds::new(order.map(Arc::clone), []);
            assert_eq!(kinds.replicas_pointer(&kind), Some("/spec/twin"));
        }
        assert_eq!(
            Kinds::new([new, old], []).replicas_pointer(&kind),
            Some("/spec/old")
        );
    }
}
