//! `Bundle`: many objects that go to members as one template.

use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use crate::harness::{Federation, Fleet, NotYet, eventually};
use crate::scenario::Scenario;
use crate::shop::{
    SOON, Shop, condition_of, config_map, deployment, everywhere_kind, hub_entry, service, value,
};

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::federated(
            "bundled_objects_go_together_and_each_is_looked_after",
            one_template,
        ),
        Scenario::federated(
            "bundled_objects_that_leave_are_taken_away_and_the_last_takes_all",
            pruned,
        ),
        Scenario::federated(
            "bundled_objects_that_two_name_belong_to_the_older_until_that_lets_go",
            rivals,
        ),
        Scenario::federated("bundles_that_cannot_be_propagated_change_nothing", unusable),
        Scenario::federated(
            "bundled_definitions_are_administrators_and_their_objects_wait_for_them",
            definitions,
        ),
    ]
}

fn bundle(name: &str, manifests: &[Value]) -> Value {
    json!({
        "apiVersion": "hanse.dev/v1alpha1", "kind": "Bundle", "metadata": {"name": name},
        "spec": {"manifests": manifests},
    })
}

fn selecting(more: Value) -> Value {
    let mut spec = json!({
        "resourceSelectors": [{"apiVersion": "hanse.dev/v1alpha1", "kind": "Bundle"}],
        "placement": {"terms": [{"clusters": {"names": ["member-1", "member-2"]}}]},
    });
    json_patch::merge(&mut spec, &more);
    spec
}

/// Everything that a small shop has, in no good order.
fn everything() -> Vec<Value> {
    let mut web = deployment("web");
    web["spec"]["template"]["spec"]["serviceAccountName"] = json!("runner");
    web["spec"]["template"]["spec"]["containers"][0]["envFrom"] =
        json!([{"configMapRef": {"name": "settings"}}, {"secretRef": {"name": "password"}}]);
    vec![
        json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"},
               "spec": {"maxReplicas": 5, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}}),
        json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web"},
               "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "web"}}}}),
        web,
        service("web"),
        config_map("settings", "one"),
        config_map("page", "one"),
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "runner"}}),
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "disk"},
               "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}),
    ]
}

const KINDS: [(&str, &str); 6] = [
    ("ServiceAccount", "runner"),
    ("ConfigMap", "settings"),
    ("ConfigMap", "page"),
    ("PersistentVolumeClaim", "disk"),
    ("Service", "web"),
    ("Deployment", "web"),
];

/// Waits until the binding says so.
async fn bound(shop: &Shop<'_>, name: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    eventually(SOON, &format!("{name}: {what}"), async || {
        let binding = shop
            .binding("Bundle", name)
            .await
            .ok_or_else(|| NotYet::from("no binding"))?;
        if holds(&binding) {
            Ok(binding)
        } else {
            Err(NotYet(binding.to_string()))
        }
    })
    .await
}

fn names(list: &Value) -> Vec<String> {
    let name = |object: &Value| {
        let text = |field: &str| object[field].as_str().unwrap_or_default().to_owned();
        format!("{}/{}", text("kind"), text("name"))
    };
    list.as_array().into_iter().flatten().map(name).collect()
}

async fn one_template(fleet: &Fleet, federation: &Federation) {
    let shop = Shop::open_with(fleet, &federation.hub, "bundled", selecting(json!({}))).await;
    let mut all = bundle("all", &everything());
    all["spec"]["secrets"] = json!([{"name": "password"}]);
    shop.apply(&[all]).await;
    let why = shop
        .condition("Bundle", "all", "Applied", "False", "DependencyMissing")
        .await;
    assert!(why.contains("password"), "{why}");
    shop.nowhere(&[0, 1], "Deployment", "web").await;
    shop.apply(&[json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "password"}, "stringData": {"p": "x"}})])
        .await;
    for (kind, name) in KINDS.into_iter().chain([("Secret", "password")]) {
        shop.within(SOON, &[0, 1], kind, name, "it is there", |live| {
            hub_entry(live).is_some()
        })
        .await;
        shop.nowhere(&[2], kind, name).await;
    }
    // No metrics are here, so its autoscaler is the worst of it.
    let binding = bound(&shop, "all", "it is as the worst of it", |binding| {
        let message = condition_of(binding, "Available")["message"].to_string();
        condition_of(binding, "Applied")["status"] == "True"
            && message.contains("HorizontalPodAutoscaler web: ")
    })
    .await;
    let order = names(&binding["spec"]["items"]);
    assert_eq!(order[0], "ServiceAccount/runner");
    assert_eq!(order[5], "Deployment/web");
    assert_eq!(order.len(), 8);
    for cluster in binding["status"]["clusters"].as_array().unwrap() {
        let objects = cluster["objects"].as_array().unwrap();
        assert_eq!(objects.len(), 8);
        assert!(
            objects.iter().all(|object| object["uid"].is_string()),
            "{objects:?}"
        );
        let mut maps = objects.iter().filter(|object| object["kind"] == "ConfigMap");
        assert!(maps.all(|object| object["health"] == "Healthy"), "{objects:?}");
    }
    // One binding for all of it, and one for the Secret that travels.
    let bindings = shop.on_hub("WorkloadBinding");
    let bindings = bindings.list(&kube::api::ListParams::default()).await.unwrap();
    assert_eq!(bindings.items.len(), 2);
    // Its own status says the same.
    eventually(SOON, "the Bundle says so", async || {
        let live = value(&shop.on_hub("Bundle").get("all").await?);
        let holds = condition_of(&live, "Applied")["status"] == "True"
            && live["status"]["observedGeneration"] == live["metadata"]["generation"]
            && live["status"]["placed"] == "2/2";
        if holds {
            Ok(())
        } else {
            Err(NotYet(live["status"].to_string()))
        }
    })
    .await;

    // Drift is repaired object by object.
    shop.meddle(0, "ConfigMap", "settings", json!({"data": {"text": "theirs"}}))
        .await;
    shop.within(SOON, &[0], "ConfigMap", "settings", "it is repaired", |live| {
        live["data"]["text"] == "one"
    })
    .await;
    let note = shop.event("all", "DriftCorrected", "member-1").await;
    assert!(note.contains("ConfigMap settings: "), "{note}");
    let before = shop.seen(1, "Service", "web").await["metadata"]["uid"].clone();
    shop.in_member(1, "Service")
        .delete("web", &DeleteParams::default())
        .await
        .unwrap();
    shop.within(SOON, &[1], "Service", "web", "it is made again", |live| {
        live["metadata"]["uid"] != before
    })
    .await;
    // What the autoscaler in it sets is the member's.
    shop.meddle(0, "Deployment", "web", json!({"spec": {"replicas": 3}}))
        .await;
    let mut changed = everything();
    changed[2]["spec"]["template"]["spec"]["containers"][0]["image"] = json!("example.dev/app:2");
    let mut fewer = changed.clone();
    fewer.retain(|object| object["metadata"]["name"] != "page");
    let mut fewer = bundle("all", &fewer);
    fewer["spec"]["secrets"] = json!([{"name": "password"}]);
    let diff = ["diff", "-n", &shop.name, "-f", "-"];
    let answer = shop.hub.run_with_input(&diff, &fewer.to_string()).await.unwrap();
    assert_eq!(answer.code, 1, "{}", answer.stderr);
    for part in [
        "member-1/deployment.apps/web (would run)",
        "example.dev/app:2",
        "member-2/configmap/page (runs)",
    ] {
        assert!(
            answer.stdout.contains(part),
            "{part} is not in\n{}",
            answer.stdout
        );
    }
    assert!(!answer.stdout.contains("configmap/settings"), "{}", answer.stdout);
    let mut all = bundle("all", &changed);
    all["spec"]["secrets"] = json!([{"name": "password"}]);
    // An override is for the objects in it.
    shop.apply(&[
        all,
        json!({
            "apiVersion": "hanse.dev/v1alpha1", "kind": "OverridePolicy", "metadata": {"name": "elsewhere"},
            "spec": {
                "resourceSelectors": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "page"}],
                "rules": [{"clusters": {"names": ["member-2"]}, "patch": [{"op": "replace", "path": "/data/text", "value": "${cluster.name}"}]}],
            },
        }),
    ])
    .await;
    shop.within(SOON, &[1], "ConfigMap", "page", "it is changed there", |live| {
        live["data"]["text"] == "member-2"
    })
    .await;
    assert_eq!(shop.seen(0, "ConfigMap", "page").await["data"]["text"], "one");
    assert_eq!(shop.seen(1, "ConfigMap", "settings").await["data"]["text"], "one");
    shop.within(
        SOON,
        &[0, 1],
        "Deployment",
        "web",
        "the new image comes",
        |live| live["spec"]["template"]["spec"]["containers"][0]["image"] == "example.dev/app:2",
    )
    .await;
    assert_eq!(shop.seen(0, "Deployment", "web").await["spec"]["replicas"], 3);

    shop.delete("Bundle", "all").await;
    for (kind, name) in KINDS.into_iter().chain([("Secret", "password")]) {
        shop.nowhere(&[0, 1], kind, name).await;
    }
    shop.close().await;
}

async fn pruned(fleet: &Fleet, federation: &Federation) {
    let shop = Shop::open_with(fleet, &federation.hub, "pruned", selecting(json!({}))).await;
    shop.apply(&[bundle("all", &everything())]).await;
    shop.condition("Bundle", "all", "Applied", "True", "Applied")
        .await;
    let settings = shop.seen(0, "ConfigMap", "settings").await["metadata"]["uid"].clone();
    let mut less = everything();
    less.retain(|object| object["metadata"]["name"] != "page" && object["kind"] != "Service");
    shop.apply(&[bundle("all", &less)]).await;
    shop.nowhere(&[0, 1], "ConfigMap", "page").await;
    shop.nowhere(&[0, 1], "Service", "web").await;
    assert_eq!(
        shop.seen(0, "ConfigMap", "settings").await["metadata"]["uid"],
        settings
    );
    let binding = bound(&shop, "all", "it forgets what is gone", |binding| {
        names(&binding["spec"]["items"]).len() == 6
            && binding["status"]["clusters"].as_array().is_some_and(|clusters| {
                clusters
                    .iter()
                    .all(|cluster| names(&cluster["objects"]).len() == 6)
            })
    })
    .await;
    assert_eq!(condition_of(&binding, "Applied")["status"], "True");
    // What takes its place fails: what is there stays.
    let mut wrong = less.clone();
    wrong.retain(|object| object["kind"] != "ServiceAccount");
    let web = wrong
        .iter_mut()
        .find(|object| object["kind"] == "Deployment")
        .unwrap();
    web["spec"]["selector"]["matchLabels"] = json!({"app": "other"});
    web["spec"]["template"]["metadata"]["labels"] = json!({"app": "other"});
    shop.apply(&[bundle("all", &wrong)]).await;
    let why = shop
        .condition("Bundle", "all", "Applied", "False", "ImmutableField")
        .await;
    assert!(why.contains("Deployment web: spec.selector"), "{why}");
    shop.within(SOON, &[0, 1], "ServiceAccount", "runner", "it stays", |_| true)
        .await;
    // A policy that leaves what it placed leaves all of it.
    shop.edit(
        "PropagationPolicy",
        &shop.name,
        json!({"spec": {"deletion": {"template": "Orphan"}}}),
    )
    .await;
    bound(&shop, "all", "the binding knows", |binding| {
        binding["spec"]["deletion"]["template"] == "Orphan"
    })
    .await;
    shop.delete("Bundle", "all").await;
    for (kind, name) in [
        ("ConfigMap", "settings"),
        ("Deployment", "web"),
        ("ServiceAccount", "runner"),
    ] {
        shop.within(SOON, &[0, 1], kind, name, "it stays without our marks", |live| {
            hub_entry(live).is_none() && live["metadata"]["labels"].get("hanse.dev/managed-by").is_none()
        })
        .await;
    }
    shop.close().await;
}

async fn rivals(fleet: &Fleet, federation: &Federation) {
    let mut more = selecting(json!({}));
    more["resourceSelectors"] = json!([
        {"apiVersion": "hanse.dev/v1alpha1", "kind": "Bundle"}, {"apiVersion": "v1", "kind": "ConfigMap"},
    ]);
    let shop = Shop::open_with(fleet, &federation.hub, "rivals", more).await;
    shop.apply_and_wait(&[bundle(
        "older",
        &[config_map("shared", "older"), config_map("first", "x")],
    )])
    .await;
    let uid = shop.seen(0, "ConfigMap", "shared").await["metadata"]["uid"].clone();
    // Bindings are made in whole seconds.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    shop.apply(&[
        bundle(
            "newer",
            &[config_map("shared", "newer"), config_map("second", "x")],
        ),
        config_map("first", "template"),
    ])
    .await;
    let why = shop
        .condition("Bundle", "newer", "Applied", "False", "Conflict")
        .await;
    assert!(why.contains("Bundle older") && why.contains("shared"), "{why}");
    let why = shop
        .condition("ConfigMap", "first", "Applied", "False", "Conflict")
        .await;
    assert!(why.contains("Bundle older"), "{why}");
    shop.within(
        SOON,
        &[0, 1],
        "ConfigMap",
        "second",
        "the rest of it is there",
        |_| true,
    )
    .await;
    shop.condition("Bundle", "older", "Applied", "True", "Applied")
        .await;
    assert_eq!(shop.seen(0, "ConfigMap", "shared").await["data"]["text"], "older");
    assert_eq!(shop.seen(0, "ConfigMap", "first").await["data"]["text"], "x");
    // What the older lets go of the other takes over as it is.
    shop.apply(&[bundle("older", &[config_map("first", "x")])]).await;
    shop.within(
        SOON,
        &[0, 1],
        "ConfigMap",
        "shared",
        "it is the other's",
        |live| live["data"]["text"] == "newer",
    )
    .await;
    assert_eq!(shop.seen(0, "ConfigMap", "shared").await["metadata"]["uid"], uid);
    shop.condition("Bundle", "newer", "Applied", "True", "Applied")
        .await;
    let first = shop.seen(0, "ConfigMap", "first").await["metadata"]["uid"].clone();
    shop.delete("Bundle", "older").await;
    shop.within(
        SOON,
        &[0, 1],
        "ConfigMap",
        "first",
        "the template has it",
        |live| live["data"]["text"] == "template",
    )
    .await;
    assert_eq!(shop.seen(0, "ConfigMap", "first").await["metadata"]["uid"], first);
    shop.delete("Bundle", "newer").await;
    shop.nowhere(&[0, 1], "ConfigMap", "shared").await;
    shop.close().await;
}

async fn unusable(fleet: &Fleet, federation: &Federation) {
    // "*" does not mean Bundles.
    let shop = Shop::open(fleet, federation, "unusable").await;
    shop.apply(&[bundle("all", &[config_map("text", "one")])]).await;
    shop.apply_and_wait(&[config_map("other", "x")]).await;
    shop.nowhere(&[0, 1, 2], "ConfigMap", "text").await;
    assert!(shop.binding("Bundle", "all").await.is_none());
    shop.apply(&[json!({
        "apiVersion": "hanse.dev/v1alpha1", "kind": "PropagationPolicy", "metadata": {"name": "bundles"},
        "spec": selecting(json!({})),
    })])
    .await;
    shop.within(SOON, &[0, 1], "ConfigMap", "text", "it comes", |_| true)
        .await;
    // Past `hub apply`, as kubectl would write it.
    let bundles = shop.on_hub("Bundle");
    let refused = async |manifest: Value, part: &str| {
        let patch = json!({"spec": {"manifests": [manifest]}});
        let answer = bundles
            .patch("all", &PatchParams::default(), &Patch::Merge(&patch))
            .await;
        let words = answer.expect_err("it is refused").to_string();
        assert!(words.contains(part), "{words}");
    };
    refused(
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}}),
        "name it in spec.secrets",
    )
    .await;
    refused(bundle("b", &[]), "holds no other Bundle").await;
    refused(json!({"apiVersion": "v1", "kind": "ConfigMap"}), "metadata").await;
    shop.edit(
        "Bundle",
        "all",
        json!({"spec": {"manifests": [
            config_map("text", "two"),
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "elsewhere"}},
        ]}}),
    )
    .await;
    let why = shop
        .condition("Bundle", "all", "Scheduled", "False", "BundleInvalid")
        .await;
    assert!(
        why.contains("spec.manifests[1]: it is in namespace elsewhere"),
        "{why}"
    );
    assert_eq!(shop.seen(0, "ConfigMap", "text").await["data"]["text"], "one");
    // Nothing of it is divided.
    shop.edit(
        "Bundle",
        "all",
        json!({"spec": {"manifests": [config_map("text", "three")]}}),
    )
    .await;
    shop.within(SOON, &[0, 1], "ConfigMap", "text", "it is mended", |live| {
        live["data"]["text"] == "three"
    })
    .await;
    shop.edit(
        "PropagationPolicy",
        "bundles",
        json!({"spec": {"placement": {"replicas": {"mode": "Divided", "divide": {"packed": {}}}}}}),
    )
    .await;
    let why = shop
        .condition("Bundle", "all", "Scheduled", "False", "ReplicasUnknown")
        .await;
    assert!(why.contains("copied whole"), "{why}");
    shop.close().await;
}

fn definition(kind: &str) -> Value {
    let (plural, singular) = (format!("{}s", kind.to_lowercase()), kind.to_lowercase());
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.bundled.example.dev")},
        "spec": {
            "group": "bundled.example.dev", "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": singular, "listKind": format!("{kind}List")},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "properties": {"spec": {"type": "object", "properties": {"text": {"type": "string"}}}},
            }}}],
        },
    })
}

fn part(kind: &str, name: &str) -> Value {
    json!({"apiVersion": "bundled.example.dev/v1", "kind": kind, "metadata": {"name": name}, "spec": {"text": "x"}})
}

const VERBS: [&str; 7] = ["get", "list", "watch", "create", "update", "patch", "delete"];

async fn server_side_apply(api: &Api<DynamicObject>, object: Value) {
    let name = object["metadata"]["name"].as_str().unwrap().to_owned();
    api.patch(
        &name,
        &PatchParams::apply("owner").force(),
        &Patch::Apply(&object),
    )
    .await
    .unwrap();
}

async fn definitions(fleet: &Fleet, federation: &Federation) {
    // A tenant's definition is refused, in words, and the rest of its Bundle is there.
    let shop = Shop::open_with(fleet, &federation.hub, "definer", selecting(json!({}))).await;
    shop.apply(&[bundle("mine", &[definition("Gizmo"), config_map("text", "x")])])
        .await;
    let why = shop
        .condition("Bundle", "mine", "Applied", "False", "KindRefused")
        .await;
    assert!(why.contains("cluster-scoped: for administrators only"), "{why}");
    shop.within(SOON, &[0, 1], "ConfigMap", "text", "the rest is there", |_| true)
        .await;

    // Administrators' definitions come first, and what they define when the member serves it.
    let name = fleet.namespace("platform");
    let namespaces = everywhere_kind(fleet.hub().admin(), "Namespace");
    server_side_apply(
        &namespaces,
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"hanse.dev/tenant": "hanse-admin"}}}),
    )
    .await;
    for member in &fleet.members()[..2] {
        server_side_apply(
            &everywhere_kind(member.admin(), "ClusterRole"),
            json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
                "metadata": {"name": "bundled-definitions", "labels": {
                    "hanse.dev/aggregate-to-admin": "true", "rbac.authorization.k8s.io/aggregate-to-view": "true",
                }},
                "rules": [
                    {"apiGroups": ["apiextensions.k8s.io"], "resources": ["customresourcedefinitions"], "verbs": VERBS},
                    {"apiGroups": ["scheduling.k8s.io"], "resources": ["priorityclasses"], "verbs": VERBS},
                    {"apiGroups": ["bundled.example.dev"], "resources": ["gadgets"], "verbs": VERBS},
                    {"apiGroups": [""], "resources": ["configmaps"], "verbs": VERBS},
                ],
            }),
        )
        .await;
    }
    let platform = Shop {
        fleet,
        hub: federation.hub.clone(),
        name: name.clone(),
    };
    let policies = everywhere_kind(fleet.hub().admin(), "ClusterPropagationPolicy");
    let mut spec = selecting(json!({}));
    spec["resourceSelectors"][0]["name"] = json!("platform");
    server_side_apply(
        &policies,
        json!({"apiVersion": "hanse.dev/v1alpha1", "kind": "ClusterPropagationPolicy", "metadata": {"name": name}, "spec": spec}),
    )
    .await;
    let class = json!({
        "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": format!("{name}-low")},
        "value": -5, "preemptionPolicy": "Never",
    });
    let all = [
        part("Gadget", "one"),
        definition("Gadget"),
        config_map("text", "x"),
        class.clone(),
    ];
    platform.apply_and_wait(&[bundle("platform", &all)]).await;
    let gadgets = |number: usize| {
        let kind = kube::api::GroupVersionKind::gvk("bundled.example.dev", "v1", "Gadget");
        let resource = kube::api::ApiResource::from_gvk(&kind);
        let client = fleet.members()[number].admin();
        Api::<DynamicObject>::namespaced_with(client, &name, &resource)
    };
    for number in [0, 1] {
        let live = value(&gadgets(number).get("one").await.unwrap());
        assert!(hub_entry(&live).is_some(), "{live}");
        let definitions = everywhere_kind(fleet.members()[number].admin(), "CustomResourceDefinition");
        let live = value(&definitions.get("gadgets.bundled.example.dev").await.unwrap());
        assert!(hub_entry(&live).is_some());
        assert_eq!(
            live["metadata"]["annotations"]["hanse.dev/object"],
            "apiextensions.k8s.io/CustomResourceDefinition//gadgets.bundled.example.dev"
        );
    }
    let binding = bound(&platform, "platform", "it is healthy", |binding| {
        condition_of(binding, "Available")["status"] == "True"
    })
    .await;
    assert_eq!(
        binding["status"]["clusters"][0]["objects"]
            .as_array()
            .unwrap()
            .len(),
        4
    );
    // What is left goes, a definition after what it defines.
    platform.delete("Bundle", "platform").await;
    for number in [0, 1] {
        let client = fleet.members()[number].admin();
        let definitions = everywhere_kind(client.clone(), "CustomResourceDefinition");
        let classes: Api<DynamicObject> = Api::all_with(
            client,
            &kube::api::ApiResource::from_gvk_with_plural(
                &kube::api::GroupVersionKind::gvk("scheduling.k8s.io", "v1", "PriorityClass"),
                "priorityclasses",
            ),
        );
        eventually(SOON * 2, "the definition is gone", async || {
            let there = definitions
                .get_opt("gadgets.bundled.example.dev")
                .await?
                .is_some()
                || classes.get_opt(&format!("{name}-low")).await?.is_some();
            if there {
                Err(NotYet::from("it is there"))
            } else {
                Ok(())
            }
        })
        .await;
    }
    let _ = policies.delete(&name, &DeleteParams::default()).await;
    let _ = namespaces.delete(&name, &DeleteParams::default()).await;
    shop.close().await;
}
