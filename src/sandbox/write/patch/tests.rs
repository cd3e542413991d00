use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::sandbox::kinds::builtin;

fn patched(patch_of: &Patch, old: &Value) -> Result<Value, Failure> {
    let registry = builtin();
    let deployments = registry.resource("apps", "deployments").unwrap();
    patch(deployments, &deployments.versions[0], old, patch_of)
}

fn pods(containers: &Value) -> Value {
    json!({"spec": {"template": {"spec": {"containers": containers}}}})
}

#[rstest]
#[case::an_item_is_merged_by_its_key(
    json!([{"name": "a", "image": "a:2"}]),
    json!([{"name": "a", "image": "a:2", "env": [{"name": "X", "value": "1"}]}, {"name": "b", "image": "b:1"}])
)]
#[case::a_new_item_goes_before_what_only_the_server_has(
    json!([{"name": "c", "image": "c:1"}]),
    json!([{"name": "c", "image": "c:1"}, {"name": "a", "image": "a:1", "env": [{"name": "X", "value": "1"}]}, {"name": "b", "image": "b:1"}])
)]
#[case::an_item_is_deleted_by_word(
    json!([{"name": "a", "$patch": "delete"}]),
    json!([{"name": "b", "image": "b:1"}])
)]
#[case::a_list_is_replaced_by_word(
    json!([{"$patch": "replace"}, {"name": "z", "image": "z:1"}]),
    json!([{"name": "z", "image": "z:1"}])
)]
#[case::a_list_inside_is_merged_too(
    json!([{"name": "a", "env": [{"name": "Y", "value": "2"}]}]),
    json!([{"name": "a", "image": "a:1", "env": [{"name": "Y", "value": "2"}, {"name": "X", "value": "1"}]}, {"name": "b", "image": "b:1"}])
)]
fn containers_are_merged_strategically(#[case] patch: Value, #[case] expected: Value) {
    let old = pods(&json!([
        {"name": "a", "image": "a:1", "env": [{"name": "X", "value": "1"}]},
        {"name": "b", "image": "b:1"},
    ]));
    assert_eq!(
        patched(&Patch::Strategic(pods(&patch)), &old),
        Ok(pods(&expected))
    );
}

#[test]
fn an_order_given_is_kept() {
    let old = pods(&json!([{"name": "a"}, {"name": "b"}, {"name": "c"}]));
    let mut patch = pods(&json!([{"name": "d"}]));
    patch["spec"]["template"]["spec"]["$setElementOrder/containers"] =
        json!([{"name": "c"}, {"name": "d"}, {"name": "a"}]);
    let new = patched(&Patch::Strategic(patch), &old).unwrap();
    let names: Vec<&Value> = new["spec"]["template"]["spec"]["containers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| &item["name"])
        .collect();
    assert_eq!(names, ["b", "c", "d", "a"]);
}

#[test]
fn keys_that_are_not_retained_go() {
    let old = json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}});
    let patch = json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}});
    let new = patched(&Patch::Strategic(patch), &old).unwrap();
    assert_eq!(new, json!({"spec": {"strategy": {"type": "Recreate"}}}));
}

#[test]
fn primitives_are_deleted_from_their_list() {
    let old = json!({"metadata": {"finalizers": ["a", "b", "c"]}});
    let patch = json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["b"], "finalizers": ["d"]}});
    let new = patched(&Patch::Strategic(patch), &old).unwrap();
    assert_eq!(new["metadata"]["finalizers"], json!(["d", "a", "c"]));
}

#[test]
fn null_removes_and_lists_without_a_strategy_are_replaced() {
    let old = json!({"spec": {"paused": true, "template": {"spec": {"containers": [{"name": "a", "args": ["1"]}]}}}});
    let patch = json!({"spec": {"paused": null, "template": {"spec": {"containers": [{"name": "a", "args": ["2"]}]}}}});
    let new = patched(&Patch::Strategic(patch), &old).unwrap();
    assert_eq!(new, pods(&json!([{"name": "a", "args": ["2"]}])));
}

#[rstest]
#[case::a_test_that_fails(json!([{"op": "test", "path": "/spec/paused", "value": false}]), 422)]
#[case::a_place_that_is_not_there(json!([{"op": "remove", "path": "/spec/nothing"}]), 422)]
#[case::what_is_no_patch(json!({"op": "add"}), 400)]
fn json_patches_are_refused_with_upstreams_code(#[case] patch: Value, #[case] code: u16) {
    let old = json!({"spec": {"paused": true}});
    let failure = patched(&Patch::Json(patch), &old).unwrap_err();
    assert_eq!(failure.code, code, "{failure:?}");
}

#[test]
fn a_merge_patch_removes_with_null() {
    let old = json!({"metadata": {"labels": {"a": "1", "b": "2"}}});
    let patch = Patch::read(
        "application/merge-patch+json; charset=utf-8",
        br#"{"metadata":{"labels":{"a":null}}}"#,
        false,
    );
    let new = patched(&patch.unwrap(), &old).unwrap();
    assert_eq!(new, json!({"metadata": {"labels": {"b": "2"}}}));
}
