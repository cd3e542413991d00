use rstest::rstest;

use super::*;

fn is_hub(manager: &str) -> bool {
    manager.starts_with("hanse-")
}

fn read(object: &Value) -> Template {
    Template::from_object(object, &is_hub).unwrap()
}

/// A Deployment that `kubectl apply` wrote client-side, scaled by hand, and on which the hub wrote a status.
fn applied_client_side() -> Value {
    let last = r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"shop"},
        "spec":{"template":{"spec":{"containers":[{"name":"app","image":"a:1"}]}}}}"#;
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {
            "name": "web", "namespace": "shop", "uid": "u1", "resourceVersion": "7", "generation": 3,
            "creationTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["x"],
            "labels": {"app": "web"},
            "annotations": {
                LAST_APPLIED: last, "deployment.kubernetes.io/revision": "2", "hanse.dev/rebalance": "1", "team": "a",
            },
            "managedFields": [
                {"manager": "kubectl-client-side-apply", "operation": "Update", "fieldsV1": {
                    "f:metadata": {"f:labels": {".": {}, "f:app": {}}, "f:annotations": {".": {}, "f:team": {},
                        "f:kubectl.kubernetes.io/last-applied-configuration": {}, "f:hanse.dev/rebalance": {}}},
                    "f:spec": {"f:progressDeadlineSeconds": {}, "f:template": {"f:spec": {"f:containers": {
                        "k:{\"name\":\"app\"}": {".": {}, "f:name": {}, "f:image": {}, "f:imagePullPolicy": {}}}}}},
                }},
                {"manager": "kubectl", "operation": "Update", "subresource": "scale", "fieldsV1": {
                    "f:spec": {"f:replicas": {}}}},
                {"manager": "hanse-0123abcd", "operation": "Apply", "fieldsV1": {"f:spec": {"f:paused": {}}}},
            ],
        },
        "spec": {
            "replicas": 4, "progressDeadlineSeconds": 600, "paused": false, "revisionHistoryLimit": 10,
            "template": {"spec": {"containers": [
                {"name": "app", "image": "a:1", "imagePullPolicy": "IfNotPresent", "terminationMessagePath": "/x"},
            ]}},
        },
        "status": {"replicas": 4},
    })
}

#[test]
fn only_what_people_set_is_in_the_body() {
    let template = read(&applied_client_side());
    let expected = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}, "annotations": {"team": "a"}},
        "spec": {"progressDeadlineSeconds": 600, "template": {"spec": {"containers": [
            {"name": "app", "image": "a:1", "imagePullPolicy": "IfNotPresent"},
        ]}}},
    });
    assert_eq!(template.value(), expected);
    assert_eq!((template.replicas, template.generation), (Some(4), Some(3)));
}

#[rstest]
#[case::applied("/spec/template/spec/containers/0/image", true)]
#[case::a_default("/spec/template/spec/containers/0/imagePullPolicy", false)]
#[case::another_default("/spec/progressDeadlineSeconds", false)]
#[case::something_below_was_applied("/spec/template/spec", true)]
#[case::not_there("/spec/minReadySeconds", false)]
fn a_default_that_an_update_claims_was_not_certainly_set(#[case] pointer: &str, #[case] expected: bool) {
    assert_eq!(read(&applied_client_side()).was_set(pointer), expected);
}

#[test]
fn the_hash_moves_with_the_replicas_and_not_with_status_or_versions() {
    let before = read(&applied_client_side()).hash;
    let mut object = applied_client_side();
    object["status"]["replicas"] = 9.into();
    object["metadata"]["resourceVersion"] = "8".into();
    assert_eq!(read(&object).hash, before);
    object["spec"]["replicas"] = 5.into();
    assert_ne!(read(&object).hash, before);
}

#[test]
fn without_managed_fields_everything_was_set() {
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "c", "namespace": "shop", "uid": "u", "ownerReferences": [{"controller": true}]},
        "data": {"a": "b"},
    });
    let template = read(&object);
    assert_eq!(template.value()["data"], json!({"a": "b"}));
    assert_eq!(
        template.value()["metadata"],
        json!({"name": "c", "namespace": "shop"})
    );
    assert!(template.was_set("/data/a") && template.controlled);
}

#[test]
fn a_template_over_one_mebibyte_is_refused() {
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "shop"},
        "data": {"a": "x".repeat(MAX_SIZE)},
    });
    let error = Template::from_object(&object, &is_hub).unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
}

#[test]
fn data_that_came_as_string_data_is_kept_though_nobody_owns_it() {
    let template = read(&json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": {"p": "aHVudGVyMg=="},
        "metadata": {"name": "password", "namespace": "shop", "managedFields": [
            {"manager": "hub", "operation": "Apply", "fieldsV1": {"f:stringData": {"f:p": {}}}},
        ]},
    }));
    assert_eq!(template.value()["data"], json!({"p": "aHVudGVyMg=="}));
}

#[test]
fn what_people_certainly_set_has_no_defaults_and_all_their_changes() {
    let mut object = applied_client_side();
    object["spec"]["minReadySeconds"] = json!(5);
    object["metadata"]["managedFields"].as_array_mut().unwrap().push(
        json!({"manager": "kubectl-edit", "operation": "Update", "fieldsV1": {"f:spec": {"f:minReadySeconds": {}}}}),
    );
    let certain = read(&object).certain();
    assert_eq!(
        certain["spec"],
        json!({"minReadySeconds": 5, "template": {"spec": {"containers": [{"name": "app", "image": "a:1"}]}}})
    );
    assert_eq!(certain["metadata"]["name"], "web");
}
