//! Kinds that are not built in: what the hub knows of them by `KindRule`s, by their scale, and by convention.
//!
//! No controller of these kinds runs in the fleets: the scenario writes what they would.

use std::time::Duration;

use futures::future::join_all;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
use serde_json::{Value, json};

use crate::harness::{ControlPlane, Federation, Fleet, NotYet, eventually};
use crate::scenario::Scenario;
use crate::shop::{SOON, Shop, condition_of, create, everywhere_kind, value};

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::federated(
            "kinds_that_are_not_built_in_are_judged_and_summed_by_their_rules",
            rules,
        ),
        Scenario::federated("a_rule_that_is_wrong_says_so_and_guesses_nothing", wrong_rules),
        Scenario::federated("objects_that_need_each_other_come_and_go_together", circle),
    ]
}

/// A custom resource of a scenario.
#[expect(
    clippy::struct_field_names,
    reason = "the kind of a kind is called so in manifests"
)]
struct Kind {
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
    /// `specReplicasPath`
    scale: Option<&'static str>,
    /// Whether the hub API knows less of its status than the members, and one field as another type.
    narrow: bool,
}

const ROLLOUT: Kind = Kind {
    group: "argoproj.io",
    version: "v1alpha1",
    kind: "Rollout",
    plural: "rollouts",
    scale: Some(".spec.replicas"),
    narrow: false,
};
const KNATIVE: Kind = Kind {
    group: "serving.knative.dev",
    version: "v1",
    kind: "Service",
    plural: "services",
    scale: None,
    narrow: false,
};
const PROMETHEUS: Kind = Kind {
    group: "monitoring.coreos.com",
    version: "v1",
    kind: "Prometheus",
    plural: "prometheuses",
    scale: Some(".spec.shards"),
    narrow: false,
};
const GADGET: Kind = Kind {
    group: "rules.example.dev",
    version: "v1",
    kind: "Gadget",
    plural: "gadgets",
    scale: None,
    narrow: true,
};

impl Kind {
    fn definition(&self, narrow: bool) -> Value {
        let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        let status = if narrow {
            json!({"type": "object", "properties": {"count": {"type": "string"}, "observedGeneration": {"type": "integer"}}})
        } else {
            open.clone()
        };
        let mut subresources = json!({"status": {}});
        if let Some(path) = self.scale {
            subresources["scale"] =
                json!({"specReplicasPath": path, "statusReplicasPath": ".status.replicas"});
        }
        json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{}.{}", self.plural, self.group)},
            "spec": {
                "group": self.group, "scope": "Namespaced",
                "names": {"kind": self.kind, "plural": self.plural, "singular": self.kind.to_lowercase()},
                "versions": [{"name": self.version, "served": true, "storage": true, "subresources": subresources, "schema": {
                    "openAPIV3Schema": {"type": "object", "properties": {"spec": open, "status": status}},
                }}],
            },
        })
    }

    /// What the administrator of a member grants: tenants may write it, the hub may read it.
    fn role(&self) -> Value {
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": format!("scenario-{}", self.plural), "labels": {
                "rbac.authorization.k8s.io/aggregate-to-view": "true", "hanse.dev/aggregate-to-tenant": "true",
            }},
            "rules": [{"apiGroups": [self.group], "resources": [self.plural], "verbs": ["get", "list", "watch", "create", "update", "patch", "delete"]}],
        })
    }

    fn objects(&self, plane: &ControlPlane, namespace: &str) -> Api<DynamicObject> {
        let gvk = GroupVersionKind::gvk(self.group, self.version, self.kind);
        let resource = ApiResource::from_gvk_with_plural(&gvk, self.plural);
        Api::namespaced_with(plane.admin(), namespace, &resource)
    }

    fn manifest(&self, name: &str, spec: Value) -> Value {
        json!({"apiVersion": format!("{}/{}", self.group, self.version), "kind": self.kind, "metadata": {"name": name}, "spec": spec})
    }

    async fn define(&self, fleet: &Fleet) {
        let at_hub = std::iter::once((fleet.hub(), self.narrow));
        let planes = at_hub.chain(fleet.members().iter().map(|member| (member, false)));
        join_all(planes.map(|(plane, narrow)| async move {
            let definitions = everywhere_kind(plane.admin(), "CustomResourceDefinition");
            create(&definitions, self.definition(narrow)).await;
        }))
        .await;
        for member in fleet.members() {
            create(&everywhere_kind(member.admin(), "ClusterRole"), self.role()).await;
        }
    }

    /// What the kind's controller in a member would write. `{generation}` stands for the object's own; Argo writes it as
    /// text.
    async fn report(&self, shop: &Shop<'_>, number: usize, name: &str, status: Value) {
        let objects = self.objects(&shop.fleet.members()[number], &shop.name);
        let live = objects.get(name).await.unwrap();
        let generation = live.metadata.generation.unwrap();
        let text = status
            .to_string()
            .replace("\"{generation}\"", &generation.to_string())
            .replace("{generation as text}", &generation.to_string());
        let status: Value = serde_json::from_str(&text).unwrap();
        let patch = Patch::Merge(json!({"status": status}));
        let params = PatchParams {
            field_manager: Some("controller".to_owned()),
            ..PatchParams::default()
        };
        objects.patch_status(name, &params, &patch).await.unwrap();
    }

    async fn arrives(&self, shop: &Shop<'_>, members: &[usize], name: &str) {
        for number in members {
            let objects = self.objects(&shop.fleet.members()[*number], &shop.name);
            eventually(Duration::from_secs(30), &format!("{name} arrives"), async || {
                objects
                    .get_opt(name)
                    .await?
                    .map(|_| ())
                    .ok_or_else(|| NotYet::from("not there"))
            })
            .await;
        }
    }
}

/// Applies until the hub API serves the kinds.
async fn submit(shop: &Shop<'_>, manifests: &[Value]) {
    eventually(SOON * 2, "the hub API serves the kinds", async || {
        let answer = shop.try_apply(manifests, &[]).await;
        if answer.code == 0 {
            Ok(())
        } else {
            Err(NotYet(answer.stderr))
        }
    })
    .await;
}

async fn health(shop: &Shop<'_>, kind: &str, name: &str, expected: &[(&str, &str)]) -> Value {
    eventually(SOON, &format!("{name} does {expected:?}"), async || {
        let binding = shop
            .binding(kind, name)
            .await
            .ok_or_else(|| NotYet::from("no binding"))?;
        let clusters = binding["status"]["clusters"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let found: Vec<(&str, &str)> = clusters
            .iter()
            .filter_map(|cluster| Some((cluster["name"].as_str()?, cluster["health"].as_str()?)))
            .collect();
        if found == expected {
            Ok(binding.clone())
        } else {
            Err(NotYet(binding["status"].to_string()))
        }
    })
    .await
}

/// Waits until a rule's Ready has this status and reason; its message.
async fn told(fleet: &Fleet, rule: &str, status: &str, reason: &str) -> String {
    let rules = everywhere_kind(fleet.hub().admin(), "KindRule");
    eventually(
        SOON * 4,
        &format!("KindRule {rule} is Ready={status} ({reason})"),
        async || {
            let live = value(&rules.get(rule).await?);
            let ready = condition_of(&live, "Ready");
            // What was said of the rule as it was before does not count.
            let current = ready["observedGeneration"] == live["metadata"]["generation"];
            if current && ready["status"] == status && ready["reason"] == reason {
                Ok(ready["message"].as_str().unwrap_or_default().to_owned())
            } else {
                Err(NotYet(live["status"].to_string()))
            }
        },
    )
    .await
}

/// The rule of an example; what grants its sums comes after it.
fn example(name: &str) -> Value {
    let path = format!("{}/examples/kinds/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    serde_saphyr::from_str(text.split("\n---\n").next().unwrap()).unwrap()
}

const UP: &str = "Healthy";

async fn rules(fleet: &Fleet, federation: &Federation) {
    for kind in [&ROLLOUT, &KNATIVE, &PROMETHEUS] {
        kind.define(fleet).await;
    }
    let policy = json!({
        "resourceSelectors": [
            {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout"},
            {"apiVersion": "serving.knative.dev/v1", "kind": "Service"},
            {"apiVersion": "monitoring.coreos.com/v1", "kind": "Prometheus"},
        ],
        "placement": {"terms": [{"clusters": {"names": ["member-1", "member-2"]}}]},
        "dependencies": "Follow",
    });
    let shop = Shop::open_with(fleet, &federation.hub, "rules", policy).await;
    let [rollouts, knative, prometheus] = ["rollout", "knative-service", "prometheus"].map(example);
    shop.apply(&[rollouts, knative, prometheus]).await;
    let needed = ["db", "unneeded"].map(|name| {
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"a": "b"}})
    });
    let services = ["stable", "canary"].map(crate::shop::service);
    shop.apply(&needed).await;
    shop.apply(&services).await;
    let pods = json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [
        {"name": "app", "image": "example.dev/app:1", "envFrom": [{"secretRef": {"name": "db"}}]},
    ]}});
    let web = ROLLOUT.manifest(
        "web",
        json!({"replicas": 3, "template": pods, "strategy": {"canary": {"stableService": "stable", "canaryService": "canary"}}}),
    );
    let hello = KNATIVE.manifest(
        "hello",
        json!({"template": {"spec": {"containers": [{"image": "example.dev/app:1"}]}}}),
    );
    let metrics = PROMETHEUS.manifest("metrics", json!({"replicas": 2, "shards": 1}));
    submit(&shop, &[web, hello, metrics]).await;
    let here = [0, 1];
    ROLLOUT.arrives(&shop, &here, "web").await;
    KNATIVE.arrives(&shop, &here, "hello").await;
    PROMETHEUS.arrives(&shop, &here, "metrics").await;

    // What the pod template and the rule name follows; what nobody names does not.
    for (kind, name) in [("Secret", "db"), ("Service", "stable"), ("Service", "canary")] {
        shop.within(SOON, &here, kind, name, "it follows", |_| true).await;
    }
    shop.nowhere(&here, "Secret", "unneeded").await;

    // Nobody has said anything yet.
    health(
        &shop,
        "Rollout",
        "web",
        &[("member-1", "Progressing"), ("member-2", "Progressing")],
    )
    .await;
    let well = |ready: u32| json!({"observedGeneration": "{generation as text}", "phase": UP, "replicas": 3, "readyReplicas": ready});
    for number in here {
        ROLLOUT
            .report(&shop, number, "web", well(3 - u32::try_from(number).unwrap()))
            .await;
    }
    let binding = health(&shop, "Rollout", "web", &[("member-1", UP), ("member-2", UP)]).await;
    assert_eq!(binding["status"]["clusters"][1]["readyReplicas"], 2);
    shop.condition("Rollout", "web", "Available", "True", "Available")
        .await;

    let on_hub = ROLLOUT.objects(fleet.hub(), &shop.name);
    eventually(SOON * 6, "the sums are at the hub", async || {
        let live = value(&on_hub.get("web").await?);
        let status = &live["status"];
        if status["readyReplicas"] == 5 && status["replicas"] == 6 && status.get("phase").is_none() {
            Ok(())
        } else {
            Err(NotYet(status.to_string()))
        }
    })
    .await;
    told(fleet, "rollouts.argoproj.io", "True", "AsDesired").await;

    // One of them fails, in its own words.
    let aborted =
        json!({"phase": "Degraded", "message": "RolloutAborted: metric failed", "readyReplicas": 1});
    ROLLOUT.report(&shop, 1, "web", aborted).await;
    health(
        &shop,
        "Rollout",
        "web",
        &[("member-1", UP), ("member-2", "Degraded")],
    )
    .await;
    let message = shop
        .condition("Rollout", "web", "Available", "False", "Degraded")
        .await;
    assert!(
        message.contains("member-2: RolloutAborted: metric failed"),
        "{message}"
    );

    // After a change nothing that was said before counts.
    let patch = Patch::Merge(json!({"spec": {"replicas": 4}}));
    on_hub
        .patch("web", &PatchParams::default(), &patch)
        .await
        .unwrap();
    health(
        &shop,
        "Rollout",
        "web",
        &[("member-1", "Progressing"), ("member-2", "Progressing")],
    )
    .await;
    for number in here {
        ROLLOUT
            .report(
                &shop,
                number,
                "web",
                json!({"observedGeneration": "{generation}", "phase": UP, "readyReplicas": 4}),
            )
            .await;
    }
    health(&shop, "Rollout", "web", &[("member-1", UP), ("member-2", UP)]).await;

    let ready = |status: &str| json!({"observedGeneration": "{generation}", "conditions": [{"type": "Ready", "status": status, "reason": "Said"}]});
    KNATIVE.report(&shop, 0, "hello", ready("True")).await;
    KNATIVE.report(&shop, 1, "hello", ready("False")).await;
    health(
        &shop,
        "Service",
        "hello",
        &[("member-1", UP), ("member-2", "Degraded")],
    )
    .await;
    KNATIVE.report(&shop, 1, "hello", ready("Unknown")).await;
    health(
        &shop,
        "Service",
        "hello",
        &[("member-1", UP), ("member-2", "Progressing")],
    )
    .await;

    let available = |status: &str| json!({"replicas": 2, "conditions": [{"type": "Available", "status": status, "observedGeneration": "{generation}"}]});
    PROMETHEUS.report(&shop, 0, "metrics", available("True")).await;
    PROMETHEUS
        .report(&shop, 1, "metrics", available("Degraded"))
        .await;
    health(
        &shop,
        "Prometheus",
        "metrics",
        &[("member-1", UP), ("member-2", "Degraded")],
    )
    .await;

    let table = shop.run(&["get", "kindrules"]).await.success();
    for part in ["rollouts.argoproj.io", "argoproj.io", "Rollout", "True"] {
        assert!(table.contains(part), "no {part} in {table}");
    }
    let rules = everywhere_kind(fleet.hub().admin(), "KindRule");
    for name in [
        "rollouts.argoproj.io",
        "services.serving.knative.dev",
        "prometheuses.monitoring.coreos.com",
    ] {
        rules
            .delete(name, &kube::api::DeleteParams::default())
            .await
            .unwrap();
    }
    // Without its rule a Knative Service is judged by convention.
    KNATIVE.report(&shop, 1, "hello", ready("False")).await;
    health(
        &shop,
        "Service",
        "hello",
        &[("member-1", UP), ("member-2", "Progressing")],
    )
    .await;
    shop.close().await;
}

fn rule(name: &str, more: Value) -> Value {
    let mut spec = json!({"group": GADGET.group, "kind": GADGET.kind});
    json_patch::merge(&mut spec, &more);
    json!({"apiVersion": "hanse.dev/v1alpha1", "kind": "KindRule", "metadata": {"name": name}, "spec": spec})
}

async fn wrong_rules(fleet: &Fleet, federation: &Federation) {
    GADGET.define(fleet).await;
    let policy = json!({
        "resourceSelectors": [{"apiVersion": "rules.example.dev/v1", "kind": "Gadget"}],
        "placement": {"terms": [{"clusters": {"names": ["member-1"]}}]},
    });
    let shop = Shop::open_with(fleet, &federation.hub, "wrong-rules", policy).await;
    submit(&shop, &[GADGET.manifest("g", json!({"size": 3}))]).await;
    GADGET.arrives(&shop, &[0], "g").await;
    let well = json!({"observedGeneration": "{generation}", "phase": "Up", "conditions": [{"type": "Ready", "status": "True"}]});
    GADGET.report(&shop, 0, "g", well).await;
    health(&shop, "Gadget", "g", &[("member-1", UP)]).await;

    // What does not compile is refused by `hub apply`; past it, it is said on the rule, and health is not guessed.
    let broken = rule("gadgets", json!({"health": "object.status.phase =="}));
    let answer = shop.try_apply(std::slice::from_ref(&broken), &[]).await;
    assert_ne!(answer.code, 0);
    assert!(answer.stderr.contains("HUB0114"), "{}", answer.stderr);
    let rules = everywhere_kind(fleet.hub().admin(), "KindRule");
    create(&rules, broken).await;
    let message = told(fleet, "gadgets", "False", "RuleInvalid").await;
    assert!(message.starts_with("spec.health: "), "{message}");
    health(&shop, "Gadget", "g", &[("member-1", "Unknown")]).await;
    shop.condition("Gadget", "g", "Available", "Unknown", "HealthUnknown")
        .await;

    // What fails on an object.
    let change = async |health: &str| {
        let patch = Patch::Merge(json!({"spec": {"health": health}}));
        rules
            .patch("gadgets", &PatchParams::default(), &patch)
            .await
            .unwrap();
    };
    change("object.status.absent == 'Up' ? 'Healthy' : 'Degraded'").await;
    let message = told(fleet, "gadgets", "False", "RuleFailed").await;
    assert!(
        message.contains("/g in member-1: ") && message.contains("no such key: absent"),
        "{message}"
    );
    let binding = health(&shop, "Gadget", "g", &[("member-1", "Unknown")]).await;
    let message = binding["status"]["clusters"][0]["message"].to_string();
    assert!(message.contains("KindRule gadgets: spec.health: "), "{message}");

    change("object.status.phase == 'Up' && object.spec.size == 3 ? 'Healthy' : 'Degraded'").await;
    told(fleet, "gadgets", "True", "AsDesired").await;
    health(&shop, "Gadget", "g", &[("member-1", UP)]).await;

    // What the hub API does not take of the sums is said, and not written over and over.
    let sum = async |field: &str| {
        let patch = Patch::Merge(json!({"spec": {"status": {"sum": [format!("/status/{field}")]}}}));
        rules
            .patch("gadgets", &PatchParams::default(), &patch)
            .await
            .unwrap();
    };
    GADGET
        .report(&shop, 0, "g", json!({"count": 3, "unknown": 4}))
        .await;
    sum("count").await;
    let message = told(fleet, "gadgets", "False", "SumRefused").await;
    assert!(
        message.contains("refuses the sums") && message.contains("count"),
        "{message}"
    );
    sum("unknown").await;
    eventually(SOON * 4, "what has no room is said", async || {
        let message = told(fleet, "gadgets", "False", "SumRefused").await;
        if message.contains("no room") {
            Ok(())
        } else {
            Err(NotYet(message))
        }
    })
    .await;
    let on_hub = GADGET.objects(fleet.hub(), &shop.name);
    let before = on_hub.get("g").await.unwrap().metadata.resource_version;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(on_hub.get("g").await.unwrap().metadata.resource_version, before);
    let patch = Patch::Merge(json!({"spec": {"status": null}}));
    rules
        .patch("gadgets", &PatchParams::default(), &patch)
        .await
        .unwrap();
    told(fleet, "gadgets", "True", "AsDesired").await;

    // A second one for the same kind changes nothing until the first is gone.
    create(&rules, rule("gadgets-too", json!({"health": "'Degraded'"}))).await;
    let message = told(fleet, "gadgets-too", "False", "RuleSuperseded").await;
    assert!(message.contains("KindRule gadgets is about"), "{message}");
    health(&shop, "Gadget", "g", &[("member-1", UP)]).await;
    rules
        .delete("gadgets", &kube::api::DeleteParams::default())
        .await
        .unwrap();
    told(fleet, "gadgets-too", "True", "AsDesired").await;
    health(&shop, "Gadget", "g", &[("member-1", "Degraded")]).await;
    rules
        .delete("gadgets-too", &kube::api::DeleteParams::default())
        .await
        .unwrap();
    shop.close().await;
}

const HEN: Kind = Kind {
    group: "farm.example.dev",
    version: "v1",
    kind: "Hen",
    plural: "hens",
    scale: None,
    narrow: false,
};
const EGG: Kind = Kind {
    kind: "Egg",
    plural: "eggs",
    ..HEN
};

/// A hen needs the egg it came from, and that the hen that laid it.
async fn circle(fleet: &Fleet, federation: &Federation) {
    for kind in [&HEN, &EGG] {
        kind.define(fleet).await;
    }
    let policy = json!({
        "resourceSelectors": [{"apiVersion": "farm.example.dev/v1", "kind": "Hen"}],
        "placement": {"terms": [{"clusters": {"names": ["member-1", "member-2"]}}]},
        "dependencies": "Follow",
        "deletion": {"policy": "Delete"},
    });
    let shop = Shop::open_with(fleet, &federation.hub, "circle", policy).await;
    let rule = |kind: &Kind, needs: &str, field: &str| {
        let needs =
            format!("[{{'group': 'farm.example.dev', 'kind': '{needs}', 'name': object.spec.{field}}}]");
        json!({
            "apiVersion": "hanse.dev/v1alpha1", "kind": "KindRule", "metadata": {"name": kind.plural},
            "spec": {"group": kind.group, "kind": kind.kind, "dependencies": needs},
        })
    };
    shop.apply(&[rule(&HEN, "Egg", "from"), rule(&EGG, "Hen", "by")])
        .await;
    let egg = EGG.manifest("first", json!({"by": "berta"}));
    submit(&shop, &[HEN.manifest("berta", json!({"from": "first"})), egg]).await;
    HEN.arrives(&shop, &[0, 1], "berta").await;
    EGG.arrives(&shop, &[0, 1], "first").await;

    // What is needed goes where that goes, which needs it, and stays nowhere for its own sake.
    let here = |members: &'static [usize], what: &'static str| {
        let shop = &shop;
        async move {
            eventually(SOON * 2, what, async || {
                for (kind, name) in [(&HEN, "berta"), (&EGG, "first")] {
                    for (number, member) in fleet.members().iter().enumerate() {
                        let there = kind.objects(member, &shop.name).get_opt(name).await?.is_some();
                        if there != members.contains(&number) {
                            return Err(NotYet(format!("{name} in {}: {there}", member.name())));
                        }
                    }
                }
                Ok(())
            })
            .await;
        }
    };
    here(&[0, 1], "both are where the policy says").await;
    let terms = json!([{"clusters": {"names": ["member-1"]}}]);
    shop.edit(
        "PropagationPolicy",
        &shop.name,
        json!({"spec": {"placement": {"terms": terms}}}),
    )
    .await;
    here(&[0], "both left a member").await;
    shop.delete("PropagationPolicy", &shop.name).await;
    here(&[], "none keeps the other").await;
    for rule in ["hens", "eggs"] {
        let rules = everywhere_kind(fleet.hub().admin(), "KindRule");
        rules
            .delete(rule, &kube::api::DeleteParams::default())
            .await
            .unwrap();
    }
    shop.close().await;
}
