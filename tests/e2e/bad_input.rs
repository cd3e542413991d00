//! What can't be meant: refused by `hub apply`, by the API server, or said on the object; and no member sees a write.

use kube::api::{DynamicObject, PostParams};
use serde_json::{Value, json};

use crate::harness::{ControlPlane, Federation, Fleet, NotYet, eventually};
use crate::scenario::Scenario;
use crate::shop::{SOON, Shop, condition_of, config_map, deployment, everywhere_kind, merge, value};

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::federated("bad_input_is_refused_before_anything_is_written", refused),
        Scenario::federated("what_only_the_fleet_can_tell_is_said_and_changes_nothing", said),
    ]
}

/// Of a policy: what it says, the words of `hub apply`, and those of the API server.
const REFUSED: &[(&str, &str, &str)] = &[
    (
        "{placement: {spread: [{by: region, minGroups: 3, maxGroups: 2}]}}",
        "minGroups is at most maxGroups",
        "minGroups is at most maxGroups",
    ),
    (
        "{placement: {spread: [{by: region, minGroups: 0}]}}",
        "must be at least 1",
        "minGroups",
    ),
    (
        "{placement: {spread: [{by: region, maxGroups: 5000}]}}",
        "must be at most 1000",
        "maxGroups",
    ),
    (
        "{placement: {spread: [{by: rack, minGroups: 1}]}}",
        "by is region, zone",
        "by is region, zone",
    ),
    (
        "{placement: {spread: [{by: zone}]}}",
        "minGroups, maxGroups or both",
        "minGroups, maxGroups or both",
    ),
    (
        "{placement: {replicas: {mode: Divided, divide: {weighted: [{weight: 0}]}}}}",
        "at least one weight",
        "at least one weight",
    ),
    (
        "{placement: {replicas: {mode: Divided, divide: {weighted: [{weight: -1}]}}}}",
        "must be at least 0",
        "weight",
    ),
    (
        "{placement: {replicas: {mode: Divided, divide: {weighted: [{weight: 1000001}]}}}}",
        "must be at most 1000000",
        "weight",
    ),
    (
        "{placement: {replicas: {mode: Divided, divide: {weighted: [{weight: 50%}]}}}}",
        "must be an integer",
        "weight",
    ),
    (
        "{placement: {replicas: {mode: Divided, divide: {capacity: {}, packed: {}}}}}",
        "exactly one of capacity",
        "exactly one of capacity",
    ),
    (
        "{placement: {replicas: {mode: Divided, divide: {capacity: {}}, minPerCluster: 7, maxPerCluster: 3}}}",
        "minPerCluster is at most maxPerCluster",
        "minPerCluster is at most maxPerCluster",
    ),
    (
        "{placement: {replicas: {mode: Divided, divide: {capacity: {}}, maxPerCluster: 0}}}",
        "must be at least 1",
        "maxPerCluster",
    ),
    (
        "{placement: {replicas: {minPerCluster: 1}}}",
        "go with mode Divided only",
        "go with mode Divided only",
    ),
    (
        "{placement: {fallback: Spill}}",
        "fallback Spill goes with",
        "fallback Spill goes with",
    ),
    (
        "{placement: {tolerations: [{key: a, operator: Exists, effect: NoExecute, tolerationSeconds: -1}]}}",
        "must be at least 0",
        "tolerationSeconds",
    ),
    (
        "{placement: {tolerations: [{key: a, operator: Exists, effect: NoSchedule, tolerationSeconds: 1}]}}",
        "goes with effect NoExecute",
        "goes with effect NoExecute",
    ),
    ("{failover: {after: 0s}}", "longer than 0s", "longer than 0s"),
    (
        "{failover: {after: -2m}}",
        "does not match",
        "spec.failover.after",
    ),
    (
        "{failover: {after: two minutes}}",
        "does not match",
        "spec.failover.after",
    ),
    (
        "{failover: {after: 99999999999999h}}",
        "at most 8760h",
        "spec.failover.after",
    ),
    (
        "{failover: {after: 9999999h}}",
        "at most 8760h",
        "spec.failover.after",
    ),
    (
        "{failover: {stateful: Sometimes}}",
        "must be one of",
        "spec.failover.stateful",
    ),
    (
        "{priority: 3000000000}",
        "must be at most 2147483647",
        "spec.priority",
    ),
];

/// Expressions in a policy, and what is said of them: `hub apply` refuses, and the hub tells of what came another way.
const EXPRESSIONS: &[(&str, &str)] = &[
    ("cluster.name ==", "failed to compile the expression"),
    ("nodes.ready > 1", "there is no variable \"nodes\""),
    ("cluster.metadata.name", "it gives a string, not true or false"),
    (
        "cluster.metadata.labels.all(a, cluster.metadata.labels.all(b, cluster.metadata.labels.all(c, a != b + c)))",
        "at most 1000000 are allowed",
    ),
];

fn policy(shop: &Shop<'_>, name: &str, spec: &str) -> Value {
    let mut spec: Value = serde_saphyr::from_str(spec).unwrap();
    spec["resourceSelectors"] = json!([{"apiVersion": "*", "kind": "*"}]);
    let meta = json!({"name": name, "namespace": shop.name});
    json!({"apiVersion": "hanse.dev/v1alpha1", "kind": "PropagationPolicy", "metadata": meta, "spec": spec})
}

/// Writes to objects of the shop in all members.
fn writes(shop: &Shop<'_>) -> usize {
    let all = shop.fleet.members().iter().flat_map(ControlPlane::writes);
    all.filter(|write| write.namespace.as_deref() == Some(shop.name.as_str()))
        // Kubernetes' own controllers write there, too.
        .filter(|write| write.as_user.is_some())
        .count()
}

async fn refused(fleet: &Fleet, federation: &Federation) {
    let shop = Shop::open(fleet, federation, "refused").await;
    shop.apply_and_wait(&[deployment("web")]).await;
    let before = writes(&shop);
    let policies = shop.on_hub("PropagationPolicy");
    for (spec, words, admission) in REFUSED {
        let manifest = policy(&shop, "bad", spec);
        let answer = shop.try_apply(std::slice::from_ref(&manifest), &[]).await;
        assert!(
            answer.code == 1 && answer.stderr.contains(words) && answer.stderr.contains("hint: "),
            "{spec}: {answer:?}"
        );
        let object: DynamicObject = serde_json::from_value(manifest).unwrap();
        let Err(error) = policies.create(&PostParams::default(), &object).await else {
            panic!("{spec} was accepted");
        };
        assert!(error.to_string().contains(admission), "{spec}: {error}");
    }
    for (cel, words) in EXPRESSIONS {
        let spec = json!({"placement": {"terms": [{"clusters": {"cel": cel}}]}}).to_string();
        let answer = shop.try_apply(&[policy(&shop, "bad", &spec)], &[]).await;
        assert!(
            answer.code == 1 && answer.stderr.contains(words) && answer.stderr.contains("hint: "),
            "{cel}: {answer:?}"
        );
    }
    assert!(policies.get_opt("bad").await.unwrap().is_none());
    assert_eq!(writes(&shop), before, "members were written to");
    shop.close().await;
}

/// Waits until `Ready` of an object of the hub has this status, and says these words.
async fn ready(objects: &kube::Api<DynamicObject>, name: &str, status: &str, words: &str) {
    let what = format!("{name} is Ready={status}: {words}");
    eventually(SOON, &what, async || {
        let object = value(&objects.get(name).await?);
        let found = condition_of(&object, "Ready");
        let current = found["observedGeneration"] == object["metadata"]["generation"];
        let said = found["message"]
            .as_str()
            .is_some_and(|message| message.contains(words));
        if current && found["status"] == status && said {
            Ok(())
        } else {
            Err(NotYet(found.to_string()))
        }
    })
    .await;
}

async fn said(fleet: &Fleet, federation: &Federation) {
    let shop = Shop::open(fleet, federation, "said").await;
    let policies = shop.on_hub("PropagationPolicy");
    shop.apply_and_wait(&[deployment("web"), config_map("text", "x")])
        .await;
    let before = writes(&shop);
    let live = shop.seen(0, "Deployment", "web").await["spec"].clone();

    // More groups than there are.
    let spread = |spread: Value| json!({"spec": {"placement": {"spread": spread}}});
    let wanted = json!([{"by": "region", "minGroups": 9}]);
    shop.edit("PropagationPolicy", &shop.name, spread(wanted)).await;
    let message = shop
        .condition("Deployment", "web", "Scheduled", "False", "Unschedulable")
        .await;
    assert!(message.contains("region needs 9 groups"), "{message}");
    shop.edit("PropagationPolicy", &shop.name, spread(Value::Null))
        .await;
    shop.condition("Deployment", "web", "Scheduled", "True", "Decided")
        .await;

    // Expressions that nobody looked over before they came.
    let terms = |cel: &str| json!({"spec": {"placement": {"terms": [{"clusters": {"cel": cel}}]}}});
    for (cel, words) in EXPRESSIONS {
        shop.edit("PropagationPolicy", &shop.name, terms(cel)).await;
        ready(&policies, &shop.name, "False", words).await;
        ready(
            &policies,
            &shop.name,
            "False",
            "spec.placement.terms[0].clusters.cel: ",
        )
        .await;
    }
    // One that fails only when it is asked of a member: what is there stays, and nothing comes.
    shop.edit(
        "PropagationPolicy",
        &shop.name,
        terms("cluster.metadata.labels['nope'] == 'x'"),
    )
    .await;
    ready(&policies, &shop.name, "False", "member-1: ").await;
    shop.apply(&[config_map("fresh", "x")]).await;
    shop.condition("ConfigMap", "fresh", "Scheduled", "False", "NoMatchingCluster")
        .await;
    let told = shop.run(&["explain", "configmap/fresh"]).await.success();
    assert!(told.contains("nope"), "{told}");
    shop.delete("ConfigMap", "fresh").await;
    let none = json!({"spec": {"placement": {"terms": null}}});
    shop.edit("PropagationPolicy", &shop.name, none).await;
    ready(&policies, &shop.name, "True", "").await;

    // Of the tenant.
    let tenants = everywhere_kind(fleet.hub().admin(), "Tenant");
    let clusters = |cel: Value| json!({"spec": {"clusters": {"cel": cel}}});
    merge(&tenants, &shop.name, "owner", clusters(json!("cluster.name =="))).await;
    ready(
        &tenants,
        &shop.name,
        "False",
        "spec.clusters.cel: failed to compile",
    )
    .await;
    merge(&tenants, &shop.name, "owner", clusters(Value::Null)).await;
    ready(&tenants, &shop.name, "True", "").await;

    // Overrides of what is not there, and by what can't be told.
    let overriding = |name: &str, rule: Value| {
        let selectors = json!([{"apiVersion": "apps/v1", "kind": "Deployment"}]);
        let meta = json!({"name": name, "namespace": shop.name});
        let spec = json!({"resourceSelectors": selectors, "rules": [rule]});
        json!({"apiVersion": "hanse.dev/v1alpha1", "kind": "OverridePolicy", "metadata": meta, "spec": spec})
    };
    let path = "/spec/template/spec/priorityClassName";
    let missing = overriding(
        "missing",
        json!({"patch": [{"op": "replace", "path": path, "value": "high"}]}),
    );
    shop.apply(&[missing]).await;
    shop.condition("Deployment", "web", "Applied", "False", "OverrideFailed")
        .await;
    let binding = shop.binding("Deployment", "web").await.unwrap()["status"].to_string();
    assert!(
        binding.contains(&format!("there is nothing at {path}")),
        "{binding}"
    );
    shop.delete("OverridePolicy", "missing").await;
    shop.condition("Deployment", "web", "Applied", "True", "Applied")
        .await;
    let broken = overriding(
        "broken",
        json!({"clusters": {"cel": "cluster.name =="}, "labels": {"set": {"a": "b"}}}),
    );
    let overrides = shop.on_hub("OverridePolicy");
    let object: DynamicObject = serde_json::from_value(broken).unwrap();
    overrides.create(&PostParams::default(), &object).await.unwrap();
    ready(&overrides, "broken", "False", "spec.rules[0].clusters.cel").await;
    shop.condition("Deployment", "web", "Applied", "False", "OverrideFailed")
        .await;
    shop.delete("OverridePolicy", "broken").await;
    shop.condition("Deployment", "web", "Applied", "True", "Applied")
        .await;

    assert_eq!(writes(&shop), before, "members were written to");
    assert_eq!(shop.seen(0, "Deployment", "web").await["spec"], live);
    shop.close().await;
}
