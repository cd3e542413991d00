use std::sync::Arc;

use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::decide::policy::{Override, Overrides};
use crate::model::fleet::{Member, Reach};
use crate::model::template::Template;

fn member() -> Member {
    Member {
        region: Some("eu-west".to_owned()),
        labels: [
            ("env".to_owned(), "prod".to_owned()),
            ("example.com/tier".to_owned(), "a/b".to_owned()),
        ]
        .into(),
        reach: Reach::Reachable,
        room: Some(Arc::default()),
        ..Member::unheard("eu-1".parse().unwrap())
    }
}

fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
        "spec": {"replicas": 3, "template": {"spec": {
            "initContainers": [{"name": "init", "image": "ghcr.io/shop/init:1"}],
            "containers": [
                {"name": "app", "image": "ghcr.io/shop/web:1", "args": ["-v", "-x"], "env": [{"name": "A", "value": "1"}, {"name": "DEBUG", "value": "1"}]},
                {"name": "side", "image": "envoy"},
            ],
        }}},
    })
}

fn policy(name: &str, priority: i32, rules: &Value) -> Override {
    let selectors = json!([{"apiVersion": "*", "kind": "*"}, {"apiVersion": "v1", "kind": "Pod"}]);
    let object = json!({
        "apiVersion": "hanse.dev/v1alpha1", "kind": "OverridePolicy", "metadata": {"name": name, "namespace": "shop"},
        "spec": {"priority": priority, "resourceSelectors": selectors, "rules": rules},
    });
    Override::of(&serde_json::from_value(object).unwrap()).unwrap()
}

fn with(object: &Value, policies: Vec<Override>) -> Result<Value, OverrideError> {
    let template = Template::from_object(object, &|_| false).unwrap();
    let mut overrides = Overrides::default();
    for policy in policies {
        overrides.upsert(policy);
    }
    let mut body = template.value();
    change(&overrides.of_template(&template), &template, &member(), &mut body)?;
    Ok(body)
}

fn made(rule: &Value) -> Result<Value, OverrideError> {
    with(&deployment(), vec![policy("p", 0, &json!([rule]))])
}

#[rstest]
#[case::every_image(json!({"image": [{"container": "*", "registry": "mirror.eu.example"}]}), "/spec/template/spec/initContainers/0/image", json!("mirror.eu.example/shop/init:1"))]
#[case::one_image(json!({"image": [{"container": "side", "tag": "v1.31"}]}), "/spec/template/spec/containers/1/image", json!("envoy:v1.31"))]
#[case::env(json!({"env": [{"container": "app", "set": [{"name": "REGION", "value": "${cluster.region}"}, {"name": "A", "value": "2"}], "remove": ["DEBUG", "NONE"]}]}),
    "/spec/template/spec/containers/0/env", json!([{"name": "A", "value": "2"}, {"name": "REGION", "value": "eu-west"}]))]
#[case::env_where_none_was(json!({"env": [{"set": [{"name": "A"}]}]}), "/spec/template/spec/containers/1/env", json!([{"name": "A", "value": ""}]))]
#[case::args(json!({"args": [{"container": "app", "append": ["--name=${cluster.name}", "$${x}"], "remove": ["-x"]}]}),
    "/spec/template/spec/containers/0/args", json!(["-v", "--name=eu-1", "${x}"]))]
#[case::command(json!({"command": [{"container": "side", "set": ["/bin/app"]}]}), "/spec/template/spec/containers/1/command", json!(["/bin/app"]))]
#[case::labels(json!({"labels": {"set": {"env": "${cluster.labels['env']}"}, "remove": ["app"]}}), "/metadata/labels", json!({"env": "prod"}))]
#[case::annotations(json!({"annotations": {"set": {"a": "b"}}}), "/metadata/annotations", json!({"a": "b"}))]
#[case::patch(json!({"patch": [{"op": "add", "path": "/spec/template/spec/nodeSelector", "value": {"pool": "${cluster.name}"}}]}),
    "/spec/template/spec/nodeSelector/pool", json!("eu-1"))]
#[case::a_name_put_into_a_pointer(json!({"patch": [{"op": "add", "path": "/metadata/labels/${cluster.labels['example.com/tier']}", "value": "x"}]}),
    "/metadata/labels/a~1b", json!("x"))]
#[case::patch_comes_last(json!({"patch": [{"op": "test", "path": "/metadata/annotations/a", "value": "b"}, {"op": "remove", "path": "/metadata/annotations/a"}], "annotations": {"set": {"a": "b"}}}),
    "/metadata/annotations", json!({}))]
#[case::for_others(json!({"clusters": {"names": ["us-1"]}, "labels": {"set": {"x": "y"}}}), "/metadata/labels", json!({"app": "web"}))]
#[case::for_this_one(json!({"clusters": {"cel": "cluster.spec.region == 'eu-west'"}, "labels": {"set": {"x": "y"}}}), "/metadata/labels/x", json!("y"))]
fn a_rule_changes_what_it_names(#[case] rule: Value, #[case] pointer: &str, #[case] expected: Value) {
    assert_eq!(made(&rule).unwrap().pointer(pointer), Some(&expected));
}

#[rstest]
#[case::no_container(json!({"env": [{"container": "web", "set": [{"name": "A"}]}]}), "spec.rules[0].env[0]: there is no container web; there are: app, side, init")]
#[case::no_path(json!({"patch": [{"op": "replace", "path": "/spec/template/spec/priorityClassName", "value": "x"}]}), "spec.rules[0].patch[0]: there is nothing at /spec/template/spec/priorityClassName")]
#[case::no_parent(json!({"patch": [{"op": "add", "path": "/spec/strategy/type", "value": "x"}]}), "there is nothing at /spec/strategy (in /spec/strategy/type)")]
#[case::no_item(json!({"patch": [{"op": "replace", "path": "/spec/template/spec/containers/7/image", "value": "x"}]}), "there is nothing at /spec/template/spec/containers/7 (in")]
#[case::no_source(json!({"patch": [{"op": "move", "from": "/spec/paused", "path": "/spec/x"}]}), "there is nothing at /spec/paused")]
#[case::a_test(json!({"patch": [{"op": "test", "path": "/spec/template/spec/containers/0/name", "value": "x"}]}), "another value than it tests for")]
#[case::pointer(json!({"patch": [{"op": "remove", "path": "/metadata/labels/a~b"}]}), "is no JSON pointer")]
#[case::value(json!({"patch": [{"op": "add", "path": "/spec/x"}]}), "op add needs value")]
#[case::from(json!({"patch": [{"op": "copy", "path": "/spec/x"}]}), "op copy needs from")]
#[case::into_itself(json!({"patch": [{"op": "move", "from": "/spec", "path": "/spec/x"}]}), "can't be moved into itself")]
#[case::copies(json!({"patch": (0..40).map(|n| json!({"op": "copy", "from": "/spec", "path": format!("/spec/x{n}")})).collect::<Vec<_>>()}), "too large")]
#[case::name(json!({"patch": [{"op": "replace", "path": "/metadata/name", "value": "x"}]}), "it changes metadata.name")]
#[case::namespace(json!({"patch": [{"op": "replace", "path": "/metadata/namespace", "value": "kube-system"}]}), "it changes metadata.namespace")]
#[case::kind(json!({"patch": [{"op": "replace", "path": "/kind", "value": "Secret"}]}), "it changes kind")]
#[case::all(json!({"patch": [{"op": "replace", "path": "/metadata", "value": {}}]}), "it changes metadata.name")]
#[case::owners(json!({"patch": [{"op": "add", "path": "/metadata/ownerReferences", "value": []}]}), "it changes metadata.ownerReferences")]
#[case::status(json!({"patch": [{"op": "add", "path": "/status", "value": {}}]}), "it changes status")]
#[case::stamp(json!({"labels": {"set": {"hanse.dev/binding": "x"}}}), "hanse.dev/binding is the hub's own")]
#[case::stamp_by_patch(json!({"patch": [{"op": "add", "path": "/metadata/annotations", "value": {"hanse.dev/adopt": "x"}}]}), "hanse.dev/adopt is the hub's own")]
#[case::no_map(json!({"patch": [{"op": "replace", "path": "/metadata/labels", "value": "x"}]}), "no map of texts in metadata.labels")]
#[case::replicas(json!({"patch": [{"op": "replace", "path": "/spec/replicas", "value": 9}]}), "spec.placement.replicas")]
#[case::image(json!({"image": [{"tag": "a b"}]}), "the tag \"a b\" can't stand in an image reference")]
#[case::placeholder(json!({"labels": {"set": {"a": "${HOME}"}}}), "${HOME} is no placeholder; write $${")]
#[case::fact(json!({"labels": {"set": {"a": "${cluster.zone}"}}}), "the member has no zone")]
#[case::label(json!({"labels": {"set": {"a": "${cluster.labels['nope']}"}}}), "the member has no label nope")]
#[case::cel(json!({"clusters": {"cel": "cluster.spec.nope == 'x'"}, "labels": {"set": {"a": "b"}}}), "it can't be told yet what it means for this member")]
fn what_can_not_be_made_is_an_error_with_its_place(#[case] rule: Value, #[case] expected: &str) {
    let error = made(&rule).unwrap_err().to_string();
    assert!(
        error.contains(expected) && error.starts_with("failed to make OverridePolicy shop/p, spec.rules[0]"),
        "{error}"
    );
}

#[rstest]
#[case::of_all(json!({"image": [{"registry": "r.example"}]}), true)]
#[case::of_one(json!({"image": [{"container": "app", "registry": "r.example"}]}), false)]
fn an_object_without_containers_has_no_container_of_that_name(#[case] rule: Value, #[case] fits: bool) {
    let object =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "shop"}});
    assert_eq!(with(&object, vec![policy("p", 0, &json!([rule]))]).is_ok(), fits);
}

#[rstest]
#[case("batch/v1", "CronJob", "/spec/jobTemplate/spec/template")]
#[case("batch/v1", "Job", "/spec/template")]
#[case("apps/v1", "DaemonSet", "/spec/template")]
#[case("apps/v1", "StatefulSet", "/spec/template")]
#[case("v1", "Pod", "")]
fn pods_are_found_in_every_kind_that_has_them(
    #[case] api_version: &str,
    #[case] kind: &str,
    #[case] pods: &str,
) {
    let mut object = json!({"spec": {"containers": [{"name": "app", "image": "a"}]}});
    for step in pods.rsplit('/').filter(|step| !step.is_empty()) {
        object = json!({step: object});
    }
    object["apiVersion"] = api_version.into();
    object["kind"] = kind.into();
    object["metadata"] = json!({"name": "web", "namespace": "shop"});
    let changed = with(&object, vec![policy("p", 0, &json!([{"image": [{"tag": "2"}]}]))]).unwrap();
    assert_eq!(
        changed.pointer(&format!("{pods}/spec/containers/0/image")),
        Some(&json!("a:2"))
    );
}

#[test]
fn the_last_word_has_the_last_rule_of_the_highest_priority() {
    let says = |text: &str| json!({"labels": {"set": {"who": text}}});
    let rules = |one: &str, other: &str| json!([says(one), says(other)]);
    let made = with(
        &deployment(),
        vec![
            policy("z", 0, &rules("a", "b")),
            policy("a", 1, &rules("c", "d")),
            policy("b", -1, &rules("e", "f")),
        ],
    );
    assert_eq!(made.unwrap()["metadata"]["labels"]["who"], "d");
}

#[test]
fn what_says_the_same_for_a_member_has_the_same_hash() {
    let template = Template::from_object(&deployment(), &|_| false).unwrap();
    let of = |rules: Value, member: &Member| {
        let policies = [Arc::new(policy("p", 0, &rules))];
        overridden(&policies, &template, member).unwrap()
    };
    let rule =
        |text: &str| json!([{"clusters": {"names": ["eu-1", "eu-2"]}, "labels": {"set": {"a": text}}}]);
    let (one, mut other) = (member(), member());
    other.name = "eu-2".parse().unwrap();
    let same = of(rule("x"), &one).unwrap();
    assert_eq!(same.by, ["OverridePolicy/p"]);
    // Which members a rule chooses besides, and labels that it does not name, are no change for this one.
    other.labels.clear();
    assert_eq!(of(rule("x"), &other).unwrap(), same);
    assert_ne!(of(rule("y"), &one).unwrap().hash, same.hash);
    assert_ne!(
        of(rule("${cluster.name}"), &one),
        of(rule("${cluster.name}"), &other)
    );
    let stranger = Member::unheard("us-1".parse().unwrap());
    assert_eq!(of(rule("x"), &stranger), None);
    // A silent member's facts can't be told.
    let by_expression = json!([{"clusters": {"cel": "true"}, "labels": {"set": {"a": "b"}}}]);
    let policies = [Arc::new(policy("p", 0, &by_expression))];
    assert!(
        overridden(&policies, &template, &stranger)
            .unwrap_err()
            .may_pass()
    );
    // Nor can the region of one whose nodes are not listed: at each start of the hub that would be news.
    let policies = [Arc::new(policy("p", 0, &rule("${cluster.region}")))];
    other.region = None;
    assert!(overridden(&policies, &template, &other).unwrap().is_some());
    other.room = None;
    assert!(overridden(&policies, &template, &other).unwrap_err().may_pass());
    // What can't be made is not the same as what says nothing.
    assert!(of(json!([{"labels": {"set": {"a": "${cluster.zone}"}}}]), &one).is_some());
}

#[test]
fn mistakes_are_found_without_an_object_and_a_member() {
    let spec = json!({"rules": [{
        "clusters": {"cel": "cluster.name =="},
        "image": [{"tag": "a b"}, {"tag": "${cluster.nope}"}],
        "env": [{"set": [{"name": "A", "value": "${HOME}"}]}],
        "labels": {"set": {"example.com/x": "${x}"}},
        "patch": [{"op": "add", "path": "/spec/a~b", "value": 1}, {"op": "replace", "path": "/x"}, {"op": "copy", "path": "/x", "from": "/~"},
            {"op": "add", "path": "/x", "value": {"deep": ["${y}"]}}],
    }, {"clusters": {"cel": "cluster.metadata.labels.all(a, cluster.metadata.labels.all(b, cluster.metadata.labels.all(c, a != b + c)))"}, "labels": {}}]});
    let found: Vec<String> = lint(&spec).iter().map(Fault::words).collect();
    let places: Vec<&str> = found
        .iter()
        .filter_map(|words| words.split(": ").next())
        .collect();
    assert_eq!(
        places,
        [
            "spec.rules[0].clusters.cel",
            "spec.rules[0].env[0].set[0].value",
            "spec.rules[0].image[1].tag",
            "spec.rules[0].labels.set.example.com~1x",
            "spec.rules[0].patch[3].value.deep[0]",
            "spec.rules[0].image[0].tag",
            "spec.rules[0].patch[0].path",
            "spec.rules[0].patch[1]",
            "spec.rules[0].patch[2].from",
            "spec.rules[1].clusters.cel",
        ],
        "{found:#?}"
    );
}

fn rule() -> impl Strategy<Value = Value> {
    let key = prop::sample::select(vec!["a", "b", "c"]);
    let text = prop::sample::select(vec!["x", "${cluster.name}", "$${y}"]);
    (key, text, 0..5).prop_map(|(key, text, what)| match what {
        0 => json!({"labels": {"set": {key: text}}}),
        1 => json!({"env": [{"set": [{"name": key, "value": text}], "remove": ["DEBUG"]}]}),
        2 => json!({"image": [{"registry": format!("{key}.example")}]}),
        3 => json!({"command": [{"container": "app", "set": [text]}]}),
        _ => json!({"patch": [{"op": "add", "path": format!("/metadata/labels/{key}"), "value": text}]}),
    })
}

proptest! {
    #[test]
    fn the_same_overrides_give_the_same_object_in_whatever_order_they_came(
        rules in prop::collection::vec((rule(), -1..2), 1..6),
        turn in 0usize..6,
    ) {
        let policies: Vec<Override> = rules
            .iter()
            .enumerate()
            .map(|(number, (rule, priority))| policy(&format!("p{number}"), *priority, &json!([rule])))
            .collect();
        let mut turned = policies.clone();
        turned.rotate_left(turn % policies.len());
        let once = with(&deployment(), policies.clone()).unwrap();
        prop_assert_eq!(&with(&deployment(), turned).unwrap(), &once);
        // Made on their own result they change nothing more.
        prop_assert_eq!(with(&once, policies).unwrap(), once);
    }

    /// No patch leads to another object, or to a panic.
    #[test]
    fn whatever_is_patched_the_object_stays_the_same_one(
        items in prop::collection::vec(
            (
                prop::sample::select(vec!["add", "remove", "replace", "move", "copy", "test"]),
                prop::sample::select(vec!["/kind", "/metadata", "/metadata/name", "/metadata/labels", "/spec", "/spec/replicas", "/spec/-", "/metadata/labels/hanse.dev~1tenant", "/spec/template/spec/containers/-"]),
                prop::sample::select(vec!["/kind", "/metadata/name", "/metadata/labels", "/spec"]),
                prop::sample::select(vec![json!("web"), json!({}), json!([]), json!({"name": "web", "namespace": "shop"})]),
            ),
            1..5,
        ),
    ) {
        let patch: Vec<Value> = items.iter().map(|(op, path, from, value)| json!({"op": op, "path": path, "from": from, "value": value})).collect();
        if let Ok(body) = made(&json!({"patch": patch})) {
            let before = deployment();
            for pointer in ["/apiVersion", "/kind", "/metadata/name", "/metadata/namespace", "/spec/replicas"] {
                prop_assert_eq!(body.pointer(pointer), before.pointer(pointer));
            }
            prop_assert!(body.pointer("/metadata/labels/hanse.dev~1tenant").is_none());
        }
    }
}
