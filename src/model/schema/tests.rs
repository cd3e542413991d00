use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use super::{FieldSet, Problem, ProblemKind, SchemaRef, Schemas, Step, check, check_change, prune};
use crate::model::manifest::{Code, read};

/// A small copy of how the API server publishes Deployments.
fn deployment() -> SchemaRef {
    let of = |name: &str| json!({"allOf": [{"$ref": format!("#/components/schemas/{name}")}], "default": {}});
    let document = json!({"components": {"schemas": {
        "Deployment": {
            "type": "object",
            "properties": {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}, "spec": of("Spec")},
            "x-kubernetes-group-version-kind": [{"group": "apps", "version": "v1", "kind": "Deployment"}],
        },
        "Spec": {"type": "object", "required": ["containers"], "properties": {
            "replicas": {"type": "integer", "format": "int32"},
            "paused": {"type": "boolean"},
            "containers": {"type": "array", "items": of("Container"), "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
            "labels": {"type": "object", "additionalProperties": {"type": "string", "default": ""}},
            "maxSurge": {"$ref": "#/components/schemas/IntOrString"},
            "finalizers": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
            "inner": of("Spec"),
            "raw": {"type": "object"},
        }},
        "Container": {"type": "object", "required": ["name"], "properties": {
            "name": {"type": "string", "default": ""},
            "imagePullPolicy": {"type": "string", "enum": ["Always", "Never"]},
            "env": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}, "value": {"type": "string"}}},
                "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
            "ports": {"type": "array", "items": of("Port"), "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["containerPort", "protocol"]},
            "cpu": {"oneOf": [{"type": "string"}, {"type": "number"}]},
        }},
        "Port": {"type": "object", "properties": {
            "containerPort": {"type": "integer", "format": "int32"}, "protocol": {"type": "string", "default": "TCP"}, "hostIP": {"type": "string"},
        }},
        "IntOrString": {"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]},
    }}});
    Schemas::from_openapi(&document)
        .unwrap()
        .kind("apps", "v1", "Deployment")
        .unwrap()
}

fn policy() -> SchemaRef {
    let crd = json!({"spec": {"group": "hanse.dev", "names": {"kind": "Policy"}, "versions": [{"name": "v1alpha1", "schema": {"openAPIV3Schema": {
        "type": "object",
        "required": ["spec"],
        "properties": {"spec": {
            "type": "object",
            "properties": {
                "conflict": {"type": "string", "enum": ["Abort", "Adopt"], "default": "Abort"},
                "after": {"type": "string", "pattern": "^[0-9]+[smh]$", "maxLength": 5},
                "weight": {"type": "integer", "minimum": 0, "maximum": 10},
                "failover": {"type": "object", "properties": {"after": {"type": "string"}}},
                "names": {"type": "array", "maxItems": 2, "items": {"type": "string"}},
                "optional": {"type": "string", "nullable": true},
                "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {"a": {"type": "string"}}},
                "namespace": {"type": "string"},
            },
            "x-kubernetes-validations": [
                {"rule": "!has(self.failover)", "message": "failover is not implemented yet"},
                {"rule": "self.conflict == 'Abort' || has(self.weight)", "message": "Adopt needs a weight"},
                {"rule": "!has(self.__namespace__) || self.__namespace__ != 'x'", "messageExpression": "'not in ' + self.__namespace__", "fieldPath": ".namespace"},
                {"rule": "self.weight >= oldSelf.weight", "message": "weight never falls"},
            ],
        }},
    }}}]}});
    let schemas = Schemas::from_crd(&crd).unwrap();
    assert_eq!(schemas.skipped_rules(), &[] as &[String]);
    schemas.kind("hanse.dev", "v1alpha1", "Policy").unwrap()
}

#[test]
fn every_rule_of_our_own_kinds_can_be_checked_offline() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/crds");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let (documents, diagnostics) = read("crd.yaml", &std::fs::read_to_string(&path).unwrap());
        assert_eq!(diagnostics, []);
        for document in documents {
            let schemas = Schemas::from_crd(&document.object).unwrap();
            assert_eq!(schemas.skipped_rules(), &[] as &[String], "{}", path.display());
        }
    }
}

fn only(problems: Vec<Problem>) -> Problem {
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems.into_iter().next().unwrap()
}

#[rstest]
#[case::unknown(json!({"replica": 1}), "/spec/replica", "unknown field spec.replica")]
#[case::unknown_inside(json!({"containers": [{"name": "a", "images": "x"}]}), "/spec/containers/0/images", "unknown field spec.containers[0].images")]
#[case::type_of_number(json!({"replicas": "3"}), "/spec/replicas", "spec.replicas must be an integer, not a string")]
#[case::type_of_fraction(json!({"replicas": 1.5}), "/spec/replicas", "spec.replicas must be an integer, not a fraction")]
#[case::type_of_map_value(json!({"labels": {"a.b/c": true}}), "/spec/labels/a.b~1c", "spec.labels[a.b/c] must be a string, not a boolean")]
#[case::int_or_string(json!({"maxSurge": true}), "/spec/maxSurge", "spec.maxSurge must be an integer or string, not a boolean")]
#[case::missing(json!({"inner": {}}), "/spec/inner", "spec.inner.containers is missing")]
#[case::enumeration(json!({"containers": [{"name": "a", "imagePullPolicy": "always"}]}), "/spec/containers/0/imagePullPolicy", "spec.containers[0].imagePullPolicy is \"always\", but must be one of: Always, Never")]
#[case::duplicate_name(json!({"containers": [{"name": "a", "env": [{"name": "A"}, {"name": "B"}, {"name": "A"}]}]}), "/spec/containers/0/env/2", "spec.containers[0].env has name \"A\" twice: items 0 and 2")]
#[case::duplicate_by_default(json!({"containers": [{"name": "a", "ports": [{"containerPort": 80}, {"containerPort": 80, "protocol": "TCP"}]}]}), "/spec/containers/0/ports/1", "spec.containers[0].ports has containerPort 80, protocol \"TCP\" twice: items 0 and 1")]
#[case::duplicate_in_set(json!({"finalizers": ["a", "a"]}), "/spec/finalizers/1", "spec.finalizers has \"a\" twice: items 0 and 1")]
#[case::wide_number(json!({"replicas": 3_000_000_000_u64}), "/spec/replicas", "spec.replicas is 3000000000, which does not fit into 32 bits")]
fn a_template_that_does_not_fit_is_told_where(
    #[case] spec: Value,
    #[case] pointer: &str,
    #[case] message: &str,
) {
    let mut spec = spec;
    if spec.get("containers").is_none() {
        spec["containers"] = json!([]);
    }
    let problem = only(check(
        &deployment(),
        &json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": spec}),
    ));
    assert_eq!(
        (problem.pointer.as_str(), problem.message.as_str()),
        (pointer, message)
    );
}

#[rstest]
#[case::ports_of_two_protocols(json!({"containers": [{"name": "a", "ports": [{"containerPort": 53}, {"containerPort": 53, "protocol": "UDP"}]}]}))]
#[case::null_is_absent(json!({"containers": [], "replicas": null, "labels": {"a": null}}))]
#[case::empty_enum(json!({"containers": [{"name": "a", "imagePullPolicy": ""}]}))]
#[case::quantities(json!({"containers": [{"name": "a", "cpu": "100m"}, {"name": "b", "cpu": 1.5}]}))]
#[case::types_in_themselves(json!({"containers": [], "inner": {"containers": [], "inner": {"containers": [], "maxSurge": "25%"}}}))]
#[case::objects_without_properties(json!({"containers": [], "raw": {"anything": [1]}}))]
fn a_template_that_fits_has_no_problems(#[case] spec: Value) {
    assert_eq!(check(&deployment(), &json!({"spec": spec})), []);
}

#[rstest]
#[case::not_implemented(json!({"failover": {"after": "2m"}}), Code::NOT_IMPLEMENTED, "/spec/failover", "spec.failover: failover is not implemented yet")]
#[case::rule_on_a_default(json!({"conflict": "Adopt"}), Code::RULE_REFUSED, "/spec", "spec: Adopt needs a weight")]
#[case::computed_message(json!({"namespace": "x"}), Code::RULE_REFUSED, "/spec/namespace", "spec.namespace: not in x")]
#[case::null(json!({"weight": null}), Code::WRONG_TYPE, "/spec/weight", "spec.weight must be an integer, not null")]
#[case::pattern(json!({"after": "5 m"}), Code::BAD_FORMAT, "/spec/after", "spec.after does not match ^[0-9]+[smh]$")]
#[case::too_long(json!({"after": "12345s"}), Code::OUT_OF_RANGE, "/spec/after", "spec.after has 6 characters, but must have at most 5")]
#[case::too_many(json!({"names": ["a", "b", "c"]}), Code::OUT_OF_RANGE, "/spec/names", "spec.names has 3 items, but must have at most 2")]
#[case::too_large(json!({"weight": 11}), Code::OUT_OF_RANGE, "/spec/weight", "spec.weight is 11, but must be at most 10")]
#[case::inside_free_form(json!({"any": {"a": 1, "b": 2}}), Code::WRONG_TYPE, "/spec/any/a", "spec.any.a must be a string, not a number")]
fn a_policy_is_refused_as_the_api_server_would(
    #[case] spec: Value,
    #[case] code: Code,
    #[case] pointer: &str,
    #[case] message: &str,
) {
    let problem = only(check(
        &policy(),
        &json!({"apiVersion": "hanse.dev/v1alpha1", "kind": "Policy", "metadata": {"name": "a"}, "spec": spec}),
    ));
    assert_eq!(
        (problem.code(), problem.pointer.as_str(), problem.message.as_str()),
        (code, pointer, message)
    );
}

#[test]
fn rules_run_after_defaults_and_see_null_as_absent() {
    let valid =
        json!({"metadata": {"name": "a", "labels": {"a": "b"}}, "spec": {"optional": null, "any": {"x": 1}}});
    assert_eq!(check(&policy(), &valid), []);
}

#[rstest]
#[case::fell(json!({"weight": 3}), json!({"weight": 2}), &["spec: weight never falls"])]
#[case::rose(json!({"weight": 3}), json!({"weight": 4}), &[])]
fn a_rule_on_a_change_compares_with_what_was_there(
    #[case] old: Value,
    #[case] new: Value,
    #[case] messages: &[&str],
) {
    let object = |spec: Value| json!({"metadata": {"name": "a"}, "spec": spec});
    let (old, new) = (object(old), object(new));
    assert_eq!(check(&policy(), &new), []);
    let problems = check_change(&policy(), Some(&old), &new);
    let found: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(found, messages);
}

#[test]
fn items_known_by_keys_are_compared_with_their_own_past() {
    let crd = json!({"spec": {"group": "example.com", "names": {"kind": "List"}, "versions": [{"name": "v1", "schema": {"openAPIV3Schema": {
        "type": "object", "properties": {"items": {
            "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
            "items": {"type": "object", "properties": {"name": {"type": "string"}, "size": {"type": "integer"}},
                "x-kubernetes-validations": [{"rule": "self.size == oldSelf.size", "message": "size is fixed"}]}}},
    }}}]}});
    let schema = Schemas::from_crd(&crd).unwrap();
    let schema = schema.kind("example.com", "v1", "List").unwrap();
    let old = json!({"items": [{"name": "a", "size": 1}, {"name": "b", "size": 2}]});
    let moved =
        json!({"items": [{"name": "new", "size": 9}, {"name": "b", "size": 2}, {"name": "a", "size": 1}]});
    assert_eq!(check_change(&schema, Some(&old), &moved), []);
    let grown = json!({"items": [{"name": "b", "size": 3}]});
    let problem = only(check_change(&schema, Some(&old), &grown));
    assert_eq!(problem.message, "items[0]: size is fixed");
}

#[test]
fn an_object_without_named_fields_has_none() {
    let crd = json!({"spec": {"group": "example.com", "names": {"kind": "Bare"}, "versions": [
        {"name": "v1", "schema": {"openAPIV3Schema": {"type": "object"}}},
        {"name": "v2", "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}},
    ]}});
    let schemas = Schemas::from_crd(&crd).unwrap();
    let object = json!({"metadata": {"name": "a"}, "spec": {}});
    let checked =
        |version: &str| check(&schemas.kind("example.com", version, "Bare").unwrap(), &object).len();
    assert_eq!((checked("v1"), checked("v2")), (1, 0));
}

#[test]
fn metadata_of_custom_kinds_is_checked() {
    let problem = only(check(
        &policy(),
        &json!({"metadata": {"name": "a", "lables": {}}, "spec": {}}),
    ));
    assert_eq!(
        problem.kind,
        ProblemKind::UnknownField {
            suggestion: Some("labels".to_owned())
        }
    );
}

#[test]
fn a_problem_is_drawn_at_its_key_with_a_hint() {
    let (documents, _) = read(
        "p.yaml",
        "apiVersion: hanse.dev/v1alpha1\nkind: Policy\nmetadata: {name: a}\nspec:\n  conflikt: Abort\n",
    );
    let diagnostic = only(check(&policy(), &documents[0].object)).diagnostic(&documents[0]);
    assert_eq!(
        diagnostic.to_string(),
        "p.yaml:5:3: error[HUB0104]: unknown field spec.conflikt"
    );
    assert_eq!(diagnostic.hint.as_deref(), Some("did you mean conflict?"));
}

#[test]
fn problems_are_bounded() {
    let many: serde_json::Map<String, Value> = (0..1000).map(|n| (format!("x{n}"), json!(1))).collect();
    assert_eq!(check(&policy(), &json!({"spec": many})).len(), 50);
}

fn live() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "uid": "1", "labels": {"app": "web", "other": "x"}, "finalizers": ["a", "b"]},
        "spec": {
            "replicas": 3,
            "strategy": {"type": "RollingUpdate"},
            "command": ["a", "b"],
            "empty": {},
            "containers": [
                {"name": "app", "image": "web:1", "imagePullPolicy": "Always", "ports": [{"containerPort": 80, "protocol": "TCP"}, {"containerPort": 53, "protocol": "UDP"}]},
                {"name": "sidecar", "image": "proxy:1"},
            ],
        },
        "status": {"readyReplicas": 3},
    })
}

fn owned() -> FieldSet {
    FieldSet::from_fields_v1(&json!({
        "f:metadata": {"f:labels": {"f:app": {}}, "f:finalizers": {"v:\"b\"": {}}},
        "f:spec": {
            "f:command": {}, "f:empty": {},
            "f:containers": {"k:{\"name\":\"app\"}": {".": {}, "f:image": {}, "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}}}},
        },
    }))
}

#[test]
fn pruning_keeps_what_the_user_set_and_the_keys_of_list_items() {
    let expected = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}, "finalizers": ["b"]},
        "spec": {
            "command": ["a", "b"], "empty": {},
            "containers": [{"name": "app", "image": "web:1", "ports": [{"containerPort": 80, "protocol": "TCP"}]}],
        },
    });
    assert_eq!(prune(&live(), &owned()), expected);
}

#[test]
fn a_list_item_that_lacks_a_defaulted_key_is_still_found() {
    let set = FieldSet::from_fields_v1(
        &json!({"f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {"f:name": {}}}}),
    );
    let object = json!({"ports": [{"port": 81, "name": "b"}, {"port": 80, "name": "a"}]});
    assert_eq!(
        prune(&object, &set),
        json!({"ports": [{"port": 80, "name": "a"}]})
    );
}

#[rstest]
#[case("/metadata/labels/app", true)]
#[case("/metadata/labels/other", false)]
#[case("/metadata/finalizers/1", true)]
#[case("/metadata/finalizers/0", false)]
#[case("/spec/replicas", false)]
#[case("/spec/command/1", true)]
#[case("/spec/containers/0/image", true)]
#[case("/spec/containers/0/imagePullPolicy", false)]
#[case("/spec/containers/1/image", false)]
#[case("/spec", true)]
fn a_field_set_knows_pointers(#[case] pointer: &str, #[case] expected: bool) {
    assert_eq!(owned().contains_pointer(&live(), pointer), expected);
}

#[test]
fn a_field_set_knows_paths() {
    let field = |name: &str| Step::Field(name.to_owned());
    assert!(owned().contains(&[
        field("spec"),
        field("containers"),
        Step::Key("{\"name\":\"app\"}".to_owned()),
        field("image")
    ]));
    assert!(!owned().contains(&[field("spec"), field("replicas")]));
}

#[test]
fn the_entries_of_one_manager_are_united_without_status() {
    let object = json!({"metadata": {"managedFields": [
        {"manager": "kubectl", "operation": "Apply", "fieldsV1": {"f:spec": {"f:a": {}}}},
        {"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:spec": {"f:b": {}}}},
        {"manager": "kubectl", "operation": "Update", "subresource": "status", "fieldsV1": {"f:status": {"f:c": {}}}},
        {"manager": "other", "operation": "Apply", "fieldsV1": {"f:spec": {"f:d": {}}}},
    ]}});
    let set = FieldSet::of_manager(&object, "kubectl", false);
    assert_eq!(set.to_fields_v1(), json!({"f:spec": {"f:a": {}, "f:b": {}}}));
}

proptest! {
    #[test]
    fn pruning_with_the_full_set_changes_nothing(object in object()) {
        prop_assert_eq!(prune(&object, &full(&object)), object);
    }

    #[test]
    fn pruning_twice_is_pruning_once(object in object(), other in object()) {
        let set = full(&other);
        let once = prune(&object, &set);
        prop_assert_eq!(prune(&once, &set), once);
    }

    #[test]
    fn a_union_keeps_what_either_keeps_and_sets_survive_their_text(object in object(), other in object()) {
        let (one, two) = (full(&object), full(&other));
        let both = one.clone().union(two.clone());
        prop_assert_eq!(&both, &two.union(one));
        prop_assert_eq!(&both.clone().union(both.clone()), &both);
        prop_assert_eq!(&FieldSet::from_fields_v1(&both.to_fields_v1()), &both);
    }
}

/// The set of someone who applied all of an object: leaves, and items of lists by name.
fn full(object: &Value) -> FieldSet {
    FieldSet::from_fields_v1(&fields(object))
}

fn fields(value: &Value) -> Value {
    let entries: Vec<(String, Value)> = match value {
        Value::Object(map) => map
            .iter()
            .map(|(name, field)| (format!("f:{name}"), fields(field)))
            .collect(),
        Value::Array(items) if items.iter().all(|item| item.get("name").is_some()) => {
            let keyed = |item: &Value| {
                let mut below = fields(item);
                below["."] = json!({});
                (format!("k:{}", json!({"name": item["name"]})), below)
            };
            items.iter().map(keyed).collect()
        }
        _ => Vec::new(),
    };
    Value::Object(entries.into_iter().collect())
}

fn object() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(1)),
        Just(json!("a")),
        Just(json!([1, 2])),
        Just(json!({})),
        Just(json!([]))
    ];
    let value = leaf.prop_recursive(4, 30, 4, |inner| {
        prop_oneof![
            prop::collection::btree_map("[a-d]", inner.clone(), 0..4).prop_map(|map| json!(map)),
            prop::collection::btree_map("[a-d]", inner, 1..4).prop_map(|items| {
                Value::Array(
                    items
                        .into_iter()
                        .map(|(name, value)| json!({"name": name, "value": value}))
                        .collect(),
                )
            }),
        ]
    });
    prop::collection::btree_map("[a-d]", value, 0..4).prop_map(|map| json!(map))
}

#[test]
fn two_items_of_one_key_are_both_kept() {
    let object = json!({"env": [{"name": "A", "value": "1"}, {"name": "B"}, {"name": "A", "value": "2"}], "ports": [{"port": 1}, {"port": 1}]});
    let owned = FieldSet::from_fields_v1(&json!({
        "f:env": {"k:{\"name\":\"A\"}": {}}, "f:ports": {"k:{\"port\":1,\"protocol\":\"TCP\"}": {}},
    }));
    let kept = prune(&object, &owned);
    assert_eq!(
        kept,
        json!({"env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}], "ports": [{"port": 1}, {"port": 1}]})
    );
}
