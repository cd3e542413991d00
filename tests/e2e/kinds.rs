//! Kinds of all sorts, and input that cannot be applied (DESIGN §5, PROTOCOL §3.4, §3.8).

use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};

use crate::harness::{ControlPlane, Federation, Fleet, NotYet, eventually};
use crate::scenario::Scenario;
use crate::shop::{SOON, Shop, config_map, create, deployment, everywhere_kind, hub_entry, service, value};

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::federated(
            "a_custom_resource_is_applied_once_tenants_may_use_its_kind",
            custom_kind,
        ),
        Scenario::federated(
            "jobs_stateful_sets_and_services_bring_their_status_back",
            statuses,
        ),
        Scenario::federated(
            "kinds_that_bear_privilege_are_refused_with_a_reason",
            refused_kinds,
        ),
        Scenario::federated("what_a_member_cannot_take_is_said_and_changes_nothing", unfit),
        Scenario::federated(
            "long_names_and_large_templates_arrive_or_are_refused_clearly",
            sizes,
        ),
    ]
}

fn widgets(more: Value) -> Value {
    let mut properties = json!({"size": {"type": "integer"}});
    json_patch::merge(&mut properties, &more);
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "widgets.example.dev"},
        "spec": {
            "group": "example.dev", "scope": "Namespaced", "names": {"kind": "Widget", "plural": "widgets", "singular": "widget"},
            "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}}, "schema": {"openAPIV3Schema": {
                "type": "object", "properties": {"spec": {"type": "object", "properties": properties}, "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
            }}}],
        },
    })
}

async fn define(plane: &ControlPlane, more: Value) {
    create(
        &everywhere_kind(plane.admin(), "CustomResourceDefinition"),
        widgets(more),
    )
    .await;
}

async fn custom_kind(fleet: &Fleet, federation: &Federation) {
    // The hub's members know a newer version than the third, which lacks a field.
    join_all(
        [fleet.hub(), &fleet.members()[0], &fleet.members()[1]]
            .map(|plane| define(plane, json!({"colour": {"type": "string"}}))),
    )
    .await;
    define(&fleet.members()[2], json!({})).await;
    // Without it nobody could see whether a namespace that the hub made is empty, and all would stay.
    let looking = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": "widgets-view", "labels": {"rbac.authorization.k8s.io/aggregate-to-view": "true"}},
        "rules": [{"apiGroups": ["example.dev"], "resources": ["widgets"], "verbs": ["get", "list", "watch"]}],
    });
    for member in fleet.members() {
        create(&everywhere_kind(member.admin(), "ClusterRole"), looking.clone()).await;
    }
    let shop = Shop::open(fleet, federation, "custom").await;
    let widget = json!({"apiVersion": "example.dev/v1", "kind": "Widget", "metadata": {"name": "gear"}, "spec": {"size": 3}});
    eventually(SOON * 2, "the hub API serves the kind", async || {
        let answer = shop.try_apply(std::slice::from_ref(&widget), &[]).await;
        if answer.code == 0 {
            Ok(())
        } else {
            Err(NotYet(answer.stderr))
        }
    })
    .await;
    let message = shop
        .condition("Widget", "gear", "Applied", "False", "Forbidden")
        .await;
    for part in [
        "kind: ClusterRole",
        "hanse.dev/aggregate-to-tenant: \"true\"",
        "aggregate-to-view: \"true\"",
        "widgets",
    ] {
        assert!(message.contains(part), "no {part} in {message}");
    }
    // The message is followed to the letter.
    let role = message
        .split_once("<<'EOF'\n")
        .unwrap()
        .1
        .rsplit_once("\nEOF")
        .unwrap()
        .0;
    let role: Value = serde_saphyr::from_str(role).unwrap();
    for member in fleet.members() {
        create(&everywhere_kind(member.admin(), "ClusterRole"), role.clone()).await;
    }
    shop.within(
        Duration::from_secs(30),
        &[0, 1, 2],
        "Widget",
        "gear",
        "it is applied with the role",
        |live| live["spec"]["size"] == 3,
    )
    .await;
    shop.condition("Widget", "gear", "Applied", "True", "Applied")
        .await;
    shop.meddle(0, "Widget", "gear", json!({"spec": {"size": 4}}))
        .await;
    shop.within(SOON, &[0], "Widget", "gear", "an edit is repaired", |live| {
        live["spec"]["size"] == 3
    })
    .await;
    // A field that one member does not know, and that the user set.
    shop.edit("Widget", "gear", json!({"spec": {"colour": "red"}}))
        .await;
    let message = shop
        .condition("Widget", "gear", "Applied", "False", "InvalidForMember")
        .await;
    assert!(
        message.contains("member-3") && message.contains("colour"),
        "{message}"
    );
    shop.within(SOON, &[0, 1], "Widget", "gear", "the others have it", |live| {
        live["spec"]["colour"] == "red"
    })
    .await;
    assert!(
        shop.seen(2, "Widget", "gear").await["spec"]
            .get("colour")
            .is_none()
    );
    shop.edit("Widget", "gear", json!({"spec": {"colour": null}}))
        .await;
    shop.condition("Widget", "gear", "Applied", "True", "Applied")
        .await;
    shop.delete("Widget", "gear").await;
    shop.nowhere(&[0, 1, 2], "Widget", "gear").await;
    shop.close().await;
}

async fn statuses(fleet: &Fleet, federation: &Federation) {
    let shop = Shop::open(fleet, federation, "statuses").await;
    let pod =
        json!({"restartPolicy": "Never", "containers": [{"name": "app", "image": "example.dev/app:1"}]});
    let set = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"},
        "spec": {
            "serviceName": "db", "replicas": 2, "selector": {"matchLabels": {"app": "db"}},
            "template": {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "app", "image": "example.dev/db:1"}]}},
        },
    });
    let headless = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "db"},
        "spec": {"clusterIP": "None", "selector": {"app": "db"}, "ports": [{"port": 80}]},
    });
    let balancer = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "front"},
        "spec": {"type": "LoadBalancer", "selector": {"app": "web"}, "ports": [{"port": 80}]},
    });
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once"}, "spec": {"template": {"spec": pod}}});
    let daemons = {
        let mut daemons = set.clone();
        daemons["kind"] = json!("DaemonSet");
        daemons["metadata"]["name"] = json!("agent");
        daemons["spec"]
            .as_object_mut()
            .unwrap()
            .retain(|field, _| field == "selector" || field == "template");
        daemons
    };
    shop.apply_and_wait(&[set, headless, balancer, job, daemons, service("web")])
        .await;

    let hub = async |kind: &str, name: &str, what: &str, holds: &dyn Fn(&Value) -> bool| {
        eventually(SOON * 2, &format!("{kind} {name}: {what}"), async || {
            let live = value(&shop.on_hub(kind).get(name).await?);
            if holds(&live["status"]) {
                Ok(())
            } else {
                Err(NotYet(live["status"].to_string()))
            }
        })
        .await;
    };
    hub("StatefulSet", "db", "6 are ready", &|status| {
        status["readyReplicas"] == 6 && status["observedGeneration"] == 1
    })
    .await;
    hub("DaemonSet", "agent", "9 are ready", &|status| {
        status["numberReady"] == 9 && status["desiredNumberScheduled"] == 9
    })
    .await;
    hub("Job", "once", "it is complete", &|status| {
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        let holds = |kind: &str| {
            conditions
                .iter()
                .any(|c| c["type"] == kind && c["status"] == "True")
        };
        status["succeeded"] == 3 && holds("Complete") && holds("SuccessCriteriaMet")
    })
    .await;
    // Where a member's load balancer stands, the template says so.
    let objects = shop.in_member(0, "Service");
    let status = json!({"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}]}}});
    objects
        .patch_status(
            "front",
            &kube::api::PatchParams::default(),
            &kube::api::Patch::Merge(status),
        )
        .await
        .unwrap();
    hub("Service", "front", "the member's address is shown", &|status| {
        status["loadBalancer"]["ingress"]
            .as_array()
            .is_some_and(|all| all.iter().any(|one| one["ip"] == "192.0.2.7"))
    })
    .await;
    // Scaling up reaches every member, and a rollout's count comes back.
    shop.edit("StatefulSet", "db", json!({"spec": {"replicas": 1}}))
        .await;
    hub("StatefulSet", "db", "3 are ready", &|status| {
        status["readyReplicas"] == 3 && status["observedGeneration"] == 2
    })
    .await;
    for number in 0..3 {
        let live = shop.seen(number, "Service", "front").await;
        assert!(
            hub_entry(&live).unwrap()["fieldsV1"]["f:spec"]
                .get("f:clusterIP")
                .is_none(),
            "{live}"
        );
        let (first, last) = fleet.members()[number].node_ports();
        let port = live["spec"]["ports"][0]["nodePort"].as_u64().unwrap();
        assert!((u64::from(first)..=u64::from(last)).contains(&port), "{port}");
    }
    shop.close().await;
}

async fn refused_kinds(fleet: &Fleet, federation: &Federation) {
    let shop = Shop::open(fleet, federation, "refused").await;
    let selected = ["Role", "ResourceQuota"].map(|kind| {
        let version = if kind == "Role" {
            "rbac.authorization.k8s.io/v1"
        } else {
            "v1"
        };
        json!({"apiVersion": version, "kind": kind})
    });
    let mut selectors = selected.to_vec();
    selectors.push(json!({"apiVersion": "*", "kind": "*"}));
    let answer = shop.try_apply(&[json!({
        "apiVersion": "hanse.dev/v1alpha1", "kind": "PropagationPolicy", "metadata": {"name": shop.name}, "spec": {"resourceSelectors": selectors},
    })], &[]).await;
    answer.success();
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "all"},
                      "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]});
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": {"pods": "1000"}}});
    shop.apply(&[role, quota]).await;
    // After them, as a mark that the hub has seen all three.
    shop.apply_and_wait(&[config_map("text", "x")]).await;
    for (kind, name) in [("Role", "all"), ("ResourceQuota", "none")] {
        for condition in ["Scheduled", "Applied"] {
            let message = shop
                .condition(kind, name, condition, "False", "KindRefused")
                .await;
            assert!(message.contains(&shop.name), "the policy is named: {message}");
        }
        let binding = shop.binding(kind, name).await.unwrap();
        assert_eq!(
            binding["spec"]["clusters"].as_array().map_or(0, Vec::len),
            0,
            "{binding}"
        );
        shop.nowhere(&[0, 1, 2], kind, name).await;
    }
    // Nobody asked for those that only "*" selects, nor for those that the hub made.
    let limits = json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "small"},
                        "spec": {"limits": [{"type": "Container", "default": {"cpu": "1"}}]}});
    shop.apply(&[limits]).await;
    shop.apply_and_wait(&[config_map("more", "x")]).await;
    for (kind, name) in [("LimitRange", "small"), ("RoleBinding", "hanse-owners")] {
        assert!(shop.binding(kind, name).await.is_none(), "{kind} {name}");
    }
    // A kind without namespaces has no template on whose binding to say so: the policy does.
    let add = json!([{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole"}]);
    selectors.extend(add.as_array().unwrap().clone());
    shop.edit(
        "PropagationPolicy",
        &shop.name,
        json!({"spec": {"resourceSelectors": selectors}}),
    )
    .await;
    eventually(SOON * 2, "the policy says what it selects in vain", async || {
        let policy = value(&shop.on_hub("PropagationPolicy").get(&shop.name).await?);
        let text = policy["status"].to_string();
        if text.contains("KindRefused") && text.contains("ClusterRole") {
            Ok(())
        } else {
            Err(NotYet(text))
        }
    })
    .await;
    // Named no more, nothing is left to be told.
    shop.edit(
        "PropagationPolicy",
        &shop.name,
        json!({"spec": {"resourceSelectors": [{"apiVersion": "*", "kind": "*"}]}}),
    )
    .await;
    eventually(SOON * 2, "the bindings that refused are gone", async || {
        match (
            shop.binding("Role", "all").await,
            shop.binding("ResourceQuota", "none").await,
        ) {
            (None, None) => Ok(()),
            found => Err(NotYet(format!("{found:?}"))),
        }
    })
    .await;
    // What privileges a pod: pod security in the member judges it, and the reason comes back.
    let mut root = deployment("root");
    root["spec"]["template"]["spec"]["hostNetwork"] = json!(true);
    shop.apply(&[root]).await;
    eventually(
        SOON * 2,
        "no pod of it runs, and the binding says why",
        async || {
            let binding = shop
                .binding("Deployment", "root")
                .await
                .ok_or_else(|| NotYet::from("no binding"))?;
            let text = binding["status"].to_string();
            if text.contains("PodSecurity") {
                Ok(())
            } else {
                Err(NotYet(text))
            }
        },
    )
    .await;
    // The machinery's own objects are never templates.
    for number in 0..3 {
        let live = shop.seen(number, "ConfigMap", "kube-root-ca.crt").await;
        assert!(hub_entry(&live).is_none(), "{live}");
    }
    shop.close().await;
}

async fn unfit(fleet: &Fleet, federation: &Federation) {
    let shop = Shop::open(fleet, federation, "unfit").await;
    shop.apply_and_wait(&[deployment("web"), deployment("other")])
        .await;
    let before = shop.seen(0, "Deployment", "web").await;
    // Duplicate names of a list map are kept by an update at the hub, and refused by a server-side apply.
    let twice = json!({"spec": {"template": {"spec": {"containers": [{
        "name": "app", "image": "example.dev/app:1", "env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}],
    }]}}}});
    shop.edit("Deployment", "web", twice).await;
    let message = shop
        .condition("Deployment", "web", "Applied", "False", "InvalidForMember")
        .await;
    assert!(message.contains("env"), "{message}");
    let after = shop.seen(0, "Deployment", "web").await;
    assert_eq!(before["spec"], after["spec"], "nothing changed");
    shop.edit("Deployment", "web", crate::shop::image("example.dev/app:3"))
        .await;
    shop.condition("Deployment", "web", "Applied", "True", "Applied")
        .await;
    // A broken file changes nothing, and says where it is broken.
    let broken = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: broken}\ndata:\n  a: b\n  a: c\n";
    let arguments = ["apply", "-n", &shop.name, "-f", "-"];
    let answer = shop.hub.run_with_input(&arguments, broken).await.unwrap();
    assert_eq!(answer.code, 1, "{answer:?}");
    assert!(
        answer.stderr.contains("HUB0") && answer.stderr.contains(":6:"),
        "{}",
        answer.stderr
    );
    assert!(
        shop.on_hub("ConfigMap")
            .get_opt("broken")
            .await
            .unwrap()
            .is_none()
    );
    shop.close().await;
}

async fn sizes(fleet: &Fleet, federation: &Federation) {
    let shop = Shop::open(fleet, federation, "sizes").await;
    let long = format!("{}.{}", "a".repeat(126), "b".repeat(126));
    assert_eq!(long.len(), 253);
    let twin = format!("{}.{}c", "a".repeat(126), "b".repeat(125));
    let large = "x".repeat(900 * 1024);
    shop.apply_and_wait(&[
        config_map(&long, "long"),
        config_map(&twin, "twin"),
        config_map("large", &large),
    ])
    .await;
    shop.everywhere("ConfigMap", &long, "it is itself", |live| {
        live["data"]["text"] == "long"
    })
    .await;
    shop.everywhere("ConfigMap", &twin, "it is not its twin", |live| {
        live["data"]["text"] == "twin"
    })
    .await;
    shop.everywhere("ConfigMap", "large", "it is whole", |live| {
        live["data"]["text"]
            .as_str()
            .is_some_and(|text| text.len() == large.len())
    })
    .await;
    let binding = shop.binding("ConfigMap", &long).await.unwrap();
    assert!(
        binding["metadata"]["name"].as_str().unwrap().len() <= 63,
        "{}",
        binding["metadata"]["name"]
    );
    assert!(
        binding.to_string().len() < 16 * 1024,
        "a binding carries no template"
    );
    let answer = shop
        .try_apply(&[config_map("huge", &"x".repeat(1200 * 1024))], &[])
        .await;
    assert_eq!(answer.code, 1, "{}", answer.stderr);
    assert!(
        answer.stderr.contains("error[HUB")
            && answer.stderr.contains("hint:")
            && answer.stderr.len() < 8 * 1024,
        "{}",
        &answer.stderr[..answer.stderr.len().min(4000)]
    );
    shop.delete("ConfigMap", &long).await;
    shop.nowhere(&[0, 1, 2], "ConfigMap", &long).await;
    shop.everywhere("ConfigMap", &twin, "its twin stays", |_| true)
        .await;
    shop.close().await;
}
