//! The custom resources on a real API server: what it accepts, and the words with which it refuses.

use std::time::Duration;

use hanse::model::api;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::{Client, CustomResourceExt};
use serde_json::{Value, json};

use crate::harness::{Fleet, FleetOptions, NotYet, eventually};
use crate::scenario::Scenario;

pub(crate) fn scenarios() -> Vec<Scenario> {
    let hub_alone = FleetOptions {
        members: 0,
        ..FleetOptions::default()
    };
    vec![Scenario::alone(
        "custom_resources_accept_what_is_built_and_refuse_the_rest_by_name",
        hub_alone,
        accept_and_refuse,
    )]
}

/// What is built: every row is accepted as it is.
const ACCEPTED: &[(&str, &str)] = &[
    (
        "Cluster",
        "{connection: {kubeconfigSecret: {namespace: hanse-system, name: member-eu-1}}}",
    ),
    (
        "Cluster",
        "{connection: {kubeconfigSecret: {namespace: hanse-system, name: member-eu-1, key: kubeconfig}}, \
         region: eu-west, zone: a, provider: aws, cordoned: false, taints: []}",
    ),
    ("Tenant", "{}"),
    (
        "Tenant",
        "{owners: [{kind: User, name: ana}, {kind: Group, name: shop-devs}, {kind: ServiceAccount, namespace: ci, \
         name: deployer}], namespaces: [shop, shop-staging], clusters: {selector: {matchLabels: {env: prod}, \
         matchExpressions: [{key: example.com/tier, operator: NotIn, values: [edge]}, {key: gpu, operator: Exists}]}}, \
         isolation: {podSecurity: baseline, network: None}, overflow: {borrow: false}}",
    ),
    (
        "PropagationPolicy",
        "{resourceSelectors: [{apiVersion: '*', kind: '*'}]}",
    ),
    (
        "PropagationPolicy",
        "{priority: 7, takeover: Always, dependencies: Follow, deletion: {template: Orphan, policy: Delete}, \
         resourceSelectors: [{apiVersion: apps/v1, kind: Deployment, name: web, labelSelector: {matchLabels: {a: b}}}, \
         {apiVersion: v1, kind: ConfigMap}, {apiVersion: example.com/v1beta1, kind: Widget}], \
         placement: {terms: [{clusters: {names: [eu-1, eu-2], exclude: [], selector: {matchLabels: {env: prod}}, \
         cel: 'cluster.status.nodes.ready >= 3'}}], fallback: Whole, return: Never, replicas: {mode: Duplicated}}, \
         conflict: Abort, drift: {mode: Correct, scope: Owned}, \
         suspend: {scheduling: false, applying: false, clusters: []}}",
    ),
    (
        "ClusterPropagationPolicy",
        "{resourceSelectors: [{apiVersion: apps/v1, kind: '*'}], placement: {}}",
    ),
    ("PropagationPolicy", POLICY_OF_ALL),
    ("ClusterPropagationPolicy", POLICY_OF_ALL),
    (
        "PropagationPolicy",
        "{resourceSelectors: [{apiVersion: v1, kind: ConfigMap}], ignoreFields: [{kind: Deployment, pointers: \
         [/spec/template/spec/containers/name=app/image, /metadata/annotations/example.dev~1a]}, \
         {kind: ConfigMap, pointers: [/data/8080, /data/a.b]}]}",
    ),
    (
        "PropagationPolicy",
        "{resourceSelectors: [{apiVersion: hanse.dev/v1alpha1, kind: Bundle}]}",
    ),
    (
        "Bundle",
        "{manifests: [{apiVersion: apps/v1, kind: Deployment, metadata: {name: a, labels: {b: c}}, spec: {any: thing}}, \
         {apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {k: v}}], secrets: [{name: db}]}",
    ),
    (
        "KindRule",
        "{group: example.dev, kind: Widget, replicasPath: /spec/replicas}",
    ),
    (
        "KindRule",
        "{group: gateway.networking.k8s.io, kind: Gateway, health: \"'Healthy'\", podTemplatePath: /spec/a~1b/template, \
         dependencies: '[]', status: {sum: [/status/replicas, /status/deep/count]}}",
    ),
];

/// What an API server says of a rule, and `hub check` before it.
const KIND_RULES_INVALID: &[(&str, &str, &str)] = &[
    (
        "KindRule",
        "{group: apps, kind: Deployment, health: x}",
        "kinds that Kubernetes builds in",
    ),
    (
        "KindRule",
        "{group: networking.k8s.io, kind: Ingress, health: x}",
        "have their own rules, which stand",
    ),
    (
        "KindRule",
        "{group: hanse.dev, kind: Tenant, health: x}",
        "have their own rules, which stand",
    ),
    (
        "KindRule",
        "{group: example.dev, kind: 'Wid*', health: x}",
        "kind is a kind like Rollout",
    ),
    (
        "KindRule",
        "{group: example.dev, kind: Widget}",
        "says at least one of health",
    ),
    (
        "KindRule",
        "{group: example.dev, kind: Widget, replicasPath: .spec.replicas}",
        "replicasPath is a JSON pointer below /spec",
    ),
    (
        "KindRule",
        "{group: example.dev, kind: Widget, replicasPath: '/spec/a~2'}",
        "replicasPath is a JSON pointer below /spec",
    ),
    (
        "KindRule",
        "{group: example.dev, kind: Widget, podTemplatePath: /metadata}",
        "podTemplatePath is a JSON pointer below /spec",
    ),
    (
        "KindRule",
        "{group: example.dev, kind: Widget, status: {sum: [/spec/replicas]}}",
        "JSON pointer below /status",
    ),
    (
        "KindRule",
        "{group: example.dev, kind: Widget, health: ''}",
        "spec.health",
    ),
];

/// What an API server says of a Bundle, and `hub check` before it.
const BUNDLES_INVALID: &[(&str, &str, &str)] = &[
    ("Bundle", "{manifests: []}", "should have at least 1 items"),
    (
        "Bundle",
        "{manifests: [{apiVersion: v1, kind: Secret, metadata: {name: a}}]}",
        "name it in spec.secrets",
    ),
    (
        "Bundle",
        "{manifests: [{apiVersion: hanse.dev/v1alpha1, kind: Bundle, metadata: {name: a}}]}",
        "holds no other Bundle",
    ),
    (
        "Bundle",
        "{manifests: [{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}, {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}]}",
        "stands in the Bundle once",
    ),
    (
        "Bundle",
        "{manifests: [{apiVersion: v1, kind: ConfigMap}]}",
        "metadata: Required value",
    ),
    (
        "Bundle",
        "{manifests: [{apiVersion: v1, kind: configmap, metadata: {name: a}}]}",
        "kind is a kind like Deployment",
    ),
    (
        "Bundle",
        "{manifests: [{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}], secrets: [{name: db}, {name: db}]}",
        "Duplicate value",
    ),
    (
        "OverridePolicy",
        "{resourceSelectors: [{apiVersion: hanse.dev/v1alpha1, kind: Bundle}], rules: [{labels: {}}]}",
        "what is in a Bundle is selected by its own kinds",
    ),
];

/// Declared and not built: the server must name each field with the words of `not_implemented`.
const NOT_IMPLEMENTED: &[(&str, &str)] = &[
    ("Cluster", "{connection: {inCluster: {}}}"),
    (
        "Cluster",
        "{connection: {agent: {}}, taints: [{key: a, effect: NoExecute}], lending: {enabled: false}, cordoned: true}",
    ),
    (
        "Tenant",
        "{quota: {weight: 2}, defaults: {requests: {cpu: 1}}, isolation: {podSecurity: restricted, network: Tenant}, \
         guardrails: {nodePorts: false}, cordoned: true, overflow: {borrow: true}}",
    ),
];

const POLICY_OF_ALL: &str = "{resourceSelectors: [{apiVersion: v1, kind: ConfigMap}], \
    placement: {terms: [{}, {}], fallback: Spill, return: WhenRoom, tolerations: [{key: a, operator: Exists}], \
    spread: [{by: region, minGroups: 2}], \
    replicas: {mode: Divided, divide: {packed: {}}, minPerCluster: 1, maxPerCluster: 2}}, \
    conflict: Adopt, drift: {mode: Report, scope: Whole}, ignoreFields: [{kind: Deployment, pointers: [/spec/x]}], \
    failover: {after: 2m}, suspend: {scheduling: true, applying: true, clusters: [eu-1]}}";

/// Wrong by itself: a part of the server's answer that says why.
const INVALID: &[(&str, &str, &str)] = &[
    (
        "Cluster",
        "{connection: {}}",
        "exactly one of kubeconfigSecret, inCluster and agent",
    ),
    ("Cluster", "{}", "spec.connection: Required value"),
    (
        "Tenant",
        "{owners: [{kind: ServiceAccount, name: x}]}",
        "an owner of kind ServiceAccount needs a namespace",
    ),
    (
        "Tenant",
        "{owners: [{kind: User, name: x, namespace: ci}]}",
        "a User or Group has none",
    ),
    (
        "Tenant",
        "{owners: [{kind: Robot, name: x}]}",
        "supported values: \"User\", \"Group\", \"ServiceAccount\"",
    ),
    ("Tenant", "{namespaces: [kube-system]}", "belong to no tenant"),
    ("Tenant", "{namespaces: [default]}", "belong to no tenant"),
    ("Tenant", "{namespaces: [hanse-system]}", "belong to no tenant"),
    ("Tenant", "{namespaces: [Shop]}", "spec.namespaces[0]"),
    (
        "Tenant",
        "{namespaces: [shop, shop]}",
        "Duplicate value: \"shop\"",
    ),
    (
        "Tenant",
        "{clusters: {selector: {matchLabels: {'-x': b}}}}",
        "every key is a label key",
    ),
    (
        "Tenant",
        "{clusters: {selector: {matchExpressions: [{key: a, operator: In}]}}}",
        "In and NotIn need values",
    ),
    (
        "Tenant",
        "{clusters: {selector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}}}",
        "Exists and DoesNotExist have none",
    ),
    (
        "Tenant",
        "{nameSpaces: [shop]}",
        "unknown field \"spec.nameSpaces\"",
    ),
    (
        "PropagationPolicy",
        "{resourceSelectors: []}",
        "should have at least 1 items",
    ),
    (
        "PropagationPolicy",
        "{resourceSelectors: [{kind: ConfigMap}]}",
        "apiVersion: Required value",
    ),
    (
        "PropagationPolicy",
        "{resourceSelectors: [{apiVersion: v1, kind: 'Dep*'}]}",
        "kind is a kind like Deployment",
    ),
    (
        "PropagationPolicy",
        "{resourceSelectors: [{apiVersion: a/b/c, kind: X}]}",
        "apiVersion is group/version",
    ),
    (
        "PropagationPolicy",
        "{resourceSelectors: [{apiVersion: hanse.dev/v1alpha1, kind: Tenant}]}",
        "kinds of the hub are never propagated",
    ),
    (
        "PropagationPolicy",
        "{resourceSelectors: [{apiVersion: v1, kind: X}], placement: {replicas: {minPerCluster: 1}}}",
        "go with mode Divided only",
    ),
    (
        "PropagationPolicy",
        "{resourceSelectors: [{apiVersion: v1, kind: X}], conflict: Steal}",
        "supported values: \"Abort\", \"Adopt\"",
    ),
    (
        "PropagationPolicy",
        "{resourceSelectors: [{apiVersion: v1, kind: X}], drift: {scope: All}}",
        "supported values: \"Owned\", \"Whole\"",
    ),
    (
        "PropagationPolicy",
        "{resourceSelectors: [{apiVersion: v1, kind: X}], suspend: {clusters: [Not_A_Name]}}",
        "spec.suspend.clusters[0]",
    ),
    (
        "PropagationPolicy",
        "{resourceSelectors: [{apiVersion: v1, kind: X}], ignoreFields: [{kind: X, pointers: [spec/x]}]}",
        "a pointer is a JSON pointer",
    ),
    (
        "PropagationPolicy",
        "{resourceSelectors: [{apiVersion: v1, kind: X}], ignoreFields: [{kind: X, pointers: [/metadata/name]}]}",
        "only single fields can be left",
    ),
    (
        "ClusterPropagationPolicy",
        "{resourceSelectors: [{apiVersion: v1, kind: X}], ignoreFields: [{kind: X, pointers: [/spec/rules/0/host]}]}",
        "named by its key",
    ),
];

async fn accept_and_refuse(fleet: Fleet) {
    let client = fleet.hub().admin();
    install(&client).await;

    for (kind, spec) in ACCEPTED {
        if let Err(answer) = submit(&client, kind, "accepted", spec).await {
            panic!("{kind} {spec}: {answer}");
        }
    }
    for (kind, spec) in NOT_IMPLEMENTED {
        let answer = submit(&client, kind, "refused", spec).await.expect_err(spec);
        let expected = api::not_implemented(kind, &json!({"spec": read(spec)}));
        assert!(!expected.is_empty(), "{spec}");
        for wish in expected {
            assert!(
                answer.contains(&wish.message),
                "{kind}: no {:?} in {answer}",
                wish.message
            );
        }
    }
    for (kind, spec, part) in INVALID.iter().chain(KIND_RULES_INVALID).chain(BUNDLES_INVALID) {
        let answer = submit(&client, kind, "invalid", spec).await.expect_err(spec);
        assert!(answer.contains(part), "{kind} {spec}: no {part:?} in {answer}");
    }
    names_are_judged(&client).await;
    a_binding_keeps_its_template(&client).await;
}

/// The API server takes all of them and serves them: the rules compile and stay under its cost limits.
async fn install(client: &Client) {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    for crd in api::crds() {
        let name = crd.metadata.name.clone().unwrap();
        definitions
            .patch(&name, &PatchParams::apply("scenario"), &Patch::Apply(&crd))
            .await
            .unwrap();
        eventually(Duration::from_secs(10), "the kind is served", async || {
            let conditions = definitions
                .get(&name)
                .await?
                .status
                .and_then(|status| status.conditions);
            if conditions
                .iter()
                .flatten()
                .any(|c| c.type_ == "Established" && c.status == "True")
            {
                Ok(())
            } else {
                Err(NotYet(format!("{name}: {conditions:?}")))
            }
        })
        .await;
    }
}

async fn names_are_judged(client: &Client) {
    let connection = "{connection: {kubeconfigSecret: {namespace: a, name: b}}}";
    assert_eq!(
        submit(client, "Cluster", &"a".repeat(57), connection).await,
        Ok(())
    );
    for name in ["a.b", &"a".repeat(58)] {
        let answer = submit(client, "Cluster", name, connection).await.expect_err(name);
        assert!(answer.contains("at most 57 characters and no dots"), "{answer}");
    }
    for (name, part) in [
        ("a.b", "no dots"),
        ("hanse-admin", "stands for the administrators"),
    ] {
        let answer = submit(client, "Tenant", name, "{}").await.expect_err(name);
        assert!(answer.contains(part), "{answer}");
    }
}

async fn a_binding_keeps_its_template(client: &Client) {
    let bindings: Api<api::WorkloadBinding> = Api::namespaced(client.clone(), "default");
    let spec =
        json!({"template": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "1"}});
    let binding = serde_json::from_value(json!({
        "apiVersion": "hanse.dev/v1alpha1", "kind": "WorkloadBinding", "metadata": {"name": "web"}, "spec": spec,
    }))
    .unwrap();
    bindings.create(&PostParams::default(), &binding).await.unwrap();
    let change = async |template: Value| {
        let patch = Patch::Merge(json!({"spec": {"template": template}}));
        bindings
            .patch("web", &PatchParams::default(), &patch)
            .await
            .map(|_| ())
    };
    change(json!({"uid": "2"}))
        .await
        .expect("a template made again keeps its binding");
    change(json!({"apiVersion": "apps/v1beta1"}))
        .await
        .expect("its version may change");
    for other in [
        json!({"name": "api"}),
        json!({"kind": "StatefulSet"}),
        json!({"apiVersion": "v1"}),
    ] {
        let answer = change(other).await.expect_err("another template").to_string();
        assert!(
            answer.contains("a binding never changes its template"),
            "{answer}"
        );
    }
}

/// Creates an object for show, as strictly as kubectl does, and returns the server's words when it refuses.
async fn submit(client: &Client, kind: &str, name: &str, spec: &str) -> Result<(), String> {
    let (resource, namespaced) = match kind {
        "Cluster" => (api::Cluster::api_resource(), false),
        "Tenant" => (api::Tenant::api_resource(), false),
        "PropagationPolicy" => (api::PropagationPolicy::api_resource(), true),
        "ClusterPropagationPolicy" => (api::ClusterPropagationPolicy::api_resource(), false),
        "KindRule" => (api::KindRule::api_resource(), false),
        "Bundle" => (api::Bundle::api_resource(), true),
        "OverridePolicy" => (api::OverridePolicy::api_resource(), true),
        other => panic!("no table row is a {other}"),
    };
    let url = dynamic(client, &resource, namespaced).resource_url().to_owned();
    let object = DynamicObject::new(name, &resource).data(json!({"spec": read(spec)}));
    let body = serde_json::to_vec(&object).unwrap();
    let request = http::Request::post(format!("{url}?dryRun=All&fieldValidation=Strict"))
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(body)
        .unwrap();
    match client.request::<Value>(request).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) => Err(status.message.clone()),
        Err(error) => panic!("{kind} {spec}: {error}"),
    }
}

fn dynamic(client: &Client, resource: &ApiResource, namespaced: bool) -> Api<DynamicObject> {
    if namespaced {
        Api::namespaced_with(client.clone(), "default", resource)
    } else {
        Api::all_with(client.clone(), resource)
    }
}

fn read(spec: &str) -> Value {
    serde_saphyr::from_str(spec).unwrap()
}
