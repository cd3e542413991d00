use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::sandbox::kinds::builtin;

fn judged(plural: &str, group: &str, old: Option<&Value>, new: &Value) -> Vec<String> {
    let registry = builtin();
    let resource = registry.resource(group, plural).unwrap();
    let change = Change {
        resource,
        version: &resource.versions[0],
        subresource: "",
        old,
        new,
    };
    let causes = validate(&change);
    causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect()
}

#[rstest]
#[case("a", 0)]
#[case("a.b-c", 0)]
#[case("A", 1)]
#[case("a_b", 1)]
#[case("-a", 1)]
fn names_are_subdomains(#[case] name: &str, #[case] problems: usize) {
    let object = json!({"metadata": {"name": name}});
    assert_eq!(judged("configmaps", "", None, &object).len(), problems);
}

#[test]
fn a_secret_keeps_its_type_and_a_binding_its_role() {
    let old = json!({"metadata": {"name": "a"}, "type": "Opaque"});
    let new = json!({"metadata": {"name": "a"}, "type": "other"});
    assert_eq!(
        judged("secrets", "", Some(&old), &new),
        [r#"type: Invalid value: "other": field is immutable"#]
    );
    let binding = |role: &str| {
        json!({"metadata": {"name": "a"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role}})
    };
    let problems = judged("rolebindings", "rbac.authorization.k8s.io", Some(&binding("a")), &binding("b"));
    assert_eq!(problems.len(), 1);
    assert!(problems[0].ends_with("cannot change roleRef"), "{problems:?}");
}

#[test]
fn a_pod_changes_only_its_images() {
    let pod = |image: &str, node: &str| {
        json!({"metadata": {"name": "a"}, "spec": {"nodeName": node, "containers": [{"name": "a", "image": image}]}})
    };
    let old = pod("a:1", "n");
    assert!(judged("pods", "", Some(&old), &pod("a:2", "n")).is_empty());
    let problems = judged("pods", "", Some(&old), &pod("a:1", "m"));
    assert!(problems[0].starts_with("spec: Forbidden: pod updates may not change fields"), "{problems:?}");
}
