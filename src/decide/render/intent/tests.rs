use std::collections::BTreeMap;

use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::decide::render::fit;
use crate::model::fleet::{ApiKind, Apis};
use crate::model::schema::Schemas;

fn template(object: &Value) -> Template {
    Template::from_object(object, &|_| false).unwrap()
}

fn member(group: &str, kind: &str, versions: &[&str]) -> Member {
    let served = ApiKind {
        versions: versions.iter().map(|version| (*version).to_owned()).collect(),
        plural: String::new(),
        namespaced: true,
        verbs: Vec::new(),
        status: true,
    };
    let apis = Apis {
        kinds: BTreeMap::from([(GroupKind::new(group, kind), served)]),
        complete: true,
    };
    Member {
        apis: Arc::new(apis),
        ..Member::unheard(ClusterName::parse("eu-1").unwrap())
    }
}

fn render_with(object: &Value, replicas: Replicas) -> Intent {
    let template = template(object);
    let member = member(&template.gvk.group, &template.gvk.kind, &[&template.gvk.version]);
    let context = Context {
        hub: "0123abcd",
        binding: &ObjectName::parse("deployment-web-1").unwrap(),
        template: None,
        tenant: "shop",
        member: &member,
        replicas,
        scale: None,
        overrides: &[],
    };
    render(&template, &context).unwrap()
}

fn object(api_version: &str, kind: &str, rest: &Value) -> Value {
    let mut object =
        json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "web", "namespace": "shop"}});
    for (field, value) in rest.as_object().unwrap() {
        object[field] = value.clone();
    }
    object
}

fn deployment() -> Value {
    object(
        "apps/v1",
        "Deployment",
        &json!({"spec": {"replicas": 3, "paused": false}, "status": {"replicas": 3}}),
    )
}

#[test]
fn an_intent_carries_every_mark_and_no_status() {
    let intent = render_with(&deployment(), Replicas::Template);
    let expected = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {
            "name": "web", "namespace": "shop",
            "labels": {"hanse.dev/managed-by": "hanse", "hanse.dev/tenant": "shop", "hanse.dev/binding": "deployment-web-1"},
            "annotations": {
                "hanse.dev/hub": "0123abcd", "hanse.dev/object": "apps/Deployment/shop/web",
                "hanse.dev/template": "apps/Deployment/shop/web", "hanse.dev/intent": intent.hash.to_string(),
            },
        },
        "spec": {"replicas": 3, "paused": false},
    });
    assert_eq!(*intent.body, expected);
}

#[rstest]
#[case::service(
    object("v1", "Service", &json!({"spec": {"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "healthCheckNodePort": 31000,
        "ports": [{"port": 80, "nodePort": 30080}]}})),
    json!({"spec": {"ports": [{"port": 80}]}}))]
#[case::headless_service(
    object("v1", "Service", &json!({"spec": {"clusterIP": "None", "clusterIPs": ["None"]}})),
    json!({"spec": {"clusterIP": "None", "clusterIPs": ["None"]}}))]
#[case::job(
    object("batch/v1", "Job", &json!({"spec": {"selector": {"matchLabels": {"controller-uid": "u"}}, "template": {"metadata":
        {"creationTimestamp": null, "labels": {"a": "b", "controller-uid": "u", "job-name": "web",
        "batch.kubernetes.io/controller-uid": "u", "batch.kubernetes.io/job-name": "web"}}}}})),
    json!({"spec": {"template": {"metadata": {"labels": {"a": "b"}}}}}))]
#[case::job_with_a_selector_of_its_own(
    object("batch/v1", "Job", &json!({"spec": {"manualSelector": true, "selector": {"matchLabels": {"job-name": "x"}},
        "template": {"metadata": {"labels": {"job-name": "x"}}}}})),
    json!({"spec": {"manualSelector": true, "selector": {"matchLabels": {"job-name": "x"}},
        "template": {"metadata": {"labels": {"job-name": "x"}}}}}))]
#[case::claim(
    object("v1", "PersistentVolumeClaim", &json!({"spec": {"volumeName": "pv-1", "accessModes": ["ReadWriteOnce"]}})),
    json!({"spec": {"accessModes": ["ReadWriteOnce"]}}))]
#[case::service_account(
    object("v1", "ServiceAccount", &json!({"secrets": [{"name": "web-token"}], "imagePullSecrets": [{"name": "pull"}]})),
    json!({"imagePullSecrets": [{"name": "pull"}]}))]
#[case::pod(
    object("v1", "Pod", &json!({"spec": {
        "nodeName": "n1", "priority": 0, "preemptionPolicy": "PreemptLowerPriority",
        "serviceAccount": "web", "serviceAccountName": "web",
        "volumes": [{"name": "kube-api-access-x1", "projected": {}}],
        "tolerations": [
            {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300},
            {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60},
        ],
        "containers": [{"name": "a", "volumeMounts": [{"name": "kube-api-access-x1"}, {"name": "data"}]}],
    }})),
    json!({"spec": {
        "serviceAccountName": "web",
        "tolerations": [{"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60}],
        "containers": [{"name": "a", "volumeMounts": [{"name": "data"}]}],
    }}))]
fn what_the_hub_api_allocated_is_removed(#[case] object: Value, #[case] expected: Value) {
    let mut body = (*render_with(&object, Replicas::Template).body).clone();
    for field in ["apiVersion", "kind", "metadata"] {
        body.as_object_mut().unwrap().remove(field);
    }
    assert_eq!(body, expected);
}

#[test]
fn a_claims_binding_is_removed_from_its_annotations() {
    let mut claim = object("v1", "PersistentVolumeClaim", &json!({}));
    claim["metadata"]["annotations"] = json!({"pv.kubernetes.io/bind-completed": "yes", "team": "a"});
    let intent = render_with(&claim, Replicas::Template);
    let annotations = intent.body["metadata"]["annotations"].as_object().unwrap();
    assert!(annotations.contains_key("team") && !annotations.contains_key("pv.kubernetes.io/bind-completed"));
}

#[rstest]
#[case::the_templates(Replicas::Template, Some(3))]
#[case::the_plans(Replicas::Exactly(7), Some(7))]
#[case::the_autoscalers(Replicas::Autoscaler, None)]
fn replicas_are_who_says_so(#[case] replicas: Replicas, #[case] expected: Option<i64>) {
    let intent = render_with(&deployment(), replicas);
    assert_eq!(
        intent.body["spec"].get("replicas").and_then(Value::as_i64),
        expected
    );
}

#[test]
fn an_older_version_is_used_where_the_member_serves_no_other() {
    let template = template(&object("example.com/v2", "Widget", &json!({})));
    let mut context = Context {
        hub: "h",
        binding: &ObjectName::parse("b").unwrap(),
        template: None,
        tenant: "shop",
        member: &member("example.com", "Widget", &["v1", "v1beta1"]),
        replicas: Replicas::Template,
        scale: None,
        overrides: &[],
    };
    let intent = render(&template, &context).unwrap();
    assert_eq!(intent.body["apiVersion"], "example.com/v1");
    let without = member("", "ConfigMap", &["v1"]);
    context.member = &without;
    assert!(matches!(
        render(&template, &context),
        Err(Error::KindUnknown { certain: true, .. })
    ));
}

fn widgets() -> Schemas {
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "size": {"type": "integer"},
        "env": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
            "items": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}},
    }}}});
    let crd = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "widgets.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": {"kind": "Widget", "plural": "widgets"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}]},
    });
    Schemas::from_crd(&crd).unwrap()
}

#[rstest]
#[case::known(json!({"size": 1}), true, Ok(true))]
#[case::a_default_of_a_newer_version(json!({"size": 1, "shiny": true}), false, Ok(false))]
#[case::a_field_that_somebody_set(json!({"size": 1, "shiny": true}), true, Err("shiny"))]
#[case::the_same_name_twice(json!({"env": [{"name": "A"}, {"name": "A"}]}), false, Err("env"))]
fn an_intent_is_fitted_to_what_the_member_knows(
    #[case] spec: Value,
    #[case] was_set: bool,
    #[case] expected: Result<bool, &str>,
) {
    let schema = widgets().kind("example.com", "v1", "Widget").unwrap();
    let intent = render_with(
        &object("example.com/v1", "Widget", &json!({"spec": spec})),
        Replicas::Template,
    );
    match (fit(intent.clone(), &schema, &|_| was_set), expected) {
        (Ok(fitted), Ok(unchanged)) => {
            assert_eq!(fitted == intent, unchanged);
            assert_eq!(fitted.body["spec"], json!({"size": 1}));
            assert_eq!(
                fitted.body["metadata"]["annotations"][mark::INTENT],
                fitted.hash.to_string()
            );
        }
        (Err(error), Err(path)) => assert!(error.to_string().contains(path), "{error}"),
        (found, _) => panic!("{found:?}"),
    }
}

proptest! {
    #[test]
    fn rendering_is_deterministic_and_rendering_its_own_result_changes_nothing(
        replicas in 0..50i64,
        node_port in proptest::option::of(30000..32767u16),
        labels in proptest::collection::btree_map("[a-z]{1,5}", "[a-z]{0,5}", 0..4),
    ) {
        let mut deployment = deployment();
        deployment["spec"]["replicas"] = replicas.into();
        deployment["metadata"]["labels"] = json!(labels);
        let mut service = object("v1", "Service", &json!({"spec": {"clusterIP": "10.0.0.1", "ports": [{"port": 80}]}}));
        if let Some(port) = node_port {
            service["spec"]["ports"][0]["nodePort"] = port.into();
        }
        for object in [deployment, service] {
            let once = render_with(&object, Replicas::Template);
            prop_assert_eq!(once.body.to_string(), render_with(&object, Replicas::Template).body.to_string());
            prop_assert_eq!(&render_with(&once.body, Replicas::Template), &once);
        }
    }
}
