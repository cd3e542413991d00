//! PROTOCOL §3.6: fields that are left to members, by a policy or to an autoscaler.

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use kube::api::{ListParams, Patch, PatchParams};
use kube::runtime::{WatchStreamExt, watcher};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::harness::{Federation, Fleet, eventually};
use crate::scenario::Scenario;
use crate::shop::{SOON, Shop, config_map, deployment, hub_entry, value};

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::federated(
            "a_field_that_is_ignored_is_written_once_and_then_the_members",
            ignored,
        ),
        Scenario::federated(
            "a_field_that_becomes_ignored_keeps_the_members_value",
            handed_over,
        ),
        Scenario::federated("what_cannot_be_ignored_is_refused_and_changes_nothing", refused),
        Scenario::federated(
            "an_autoscaler_sets_the_replicas_without_a_write_of_the_hub",
            scaled,
        ),
        Scenario::federated("an_autoscaler_that_is_added_never_starts_from_fewer", added),
        Scenario::federated(
            "an_autoscaler_of_a_divided_workload_gets_each_members_part",
            divided,
        ),
    ]
}

/// Writes of the shop's tenant to objects of a kind in a member.
fn writes(shop: &Shop<'_>, number: usize, resource: &str) -> usize {
    let all = shop.fleet.members()[number].writes();
    all.iter()
        .filter(|write| write.resource == resource && write.namespace.as_deref() == Some(shop.name.as_str()))
        .filter(|write| {
            write
                .as_user
                .as_deref()
                .is_some_and(|user| user.ends_with(&format!(":{}", shop.name)))
        })
        .count()
}

fn image_of(live: &Value) -> &Value {
    &live["spec"]["template"]["spec"]["containers"][0]["image"]
}

async fn ignored(fleet: &Fleet, federation: &Federation) {
    let more = json!({"ignoreFields": [
        {"kind": "Deployment", "pointers": [
            "/spec/template/metadata/annotations/note", "/spec/template/spec/containers/name=app/image", "/spec/paused",
        ]},
        {"kind": "ConfigMap", "pointers": ["/data/text"]},
    ]});
    let shop = Shop::open_with(fleet, &federation.hub, "ignored", more).await;
    let mut web = deployment("web");
    web["spec"]["template"]["metadata"]["annotations"] = json!({"note": "ours"});
    let mut map = config_map("text", "ours");
    map["data"]["other"] = json!("ours");
    shop.apply_and_wait(&[web, map]).await;
    // The first create carries the template's values, and then they are nobody's of the hub.
    for number in 0..3 {
        let live = shop.seen(number, "Deployment", "web").await;
        assert_eq!(image_of(&live), "example.dev/app:1");
        assert_eq!(
            live["spec"]["template"]["metadata"]["annotations"]["note"],
            "ours"
        );
        let owned = hub_entry(&live).unwrap()["fieldsV1"].to_string();
        assert!(!owned.contains("f:image") && !owned.contains("f:note"), "{owned}");
        assert_eq!(
            shop.seen(number, "ConfigMap", "text").await["data"]["text"],
            "ours"
        );
    }
    let before = (writes(&shop, 0, "deployments"), writes(&shop, 0, "configmaps"));
    let theirs = json!({"spec": {"template": {
        "metadata": {"annotations": {"note": "theirs"}},
        "spec": {"containers": [{"name": "app", "image": "example.dev/theirs:1", "env": [{"name": "A", "value": "1"}]}]},
    }}});
    shop.meddle(0, "Deployment", "web", theirs).await;
    shop.meddle(0, "ConfigMap", "text", json!({"data": {"text": "theirs"}}))
        .await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let after = (writes(&shop, 0, "deployments"), writes(&shop, 0, "configmaps"));
    assert_eq!(before, after, "the hub wrote where it was told to leave a field");
    for (kind, name) in [("Deployment", "web"), ("ConfigMap", "text")] {
        shop.condition(kind, name, "Drifted", "False", "AsDesired").await;
    }
    // The template's other fields go on as ever, and its ignored ones go nowhere.
    let change = json!({"spec": {"minReadySeconds": 1, "template": {"spec": {"containers": [
        {"name": "app", "image": "example.dev/app:2", "env": [{"name": "A", "value": "2"}]},
    ]}}}});
    shop.edit("Deployment", "web", change).await;
    shop.edit(
        "ConfigMap",
        "text",
        json!({"data": {"text": "newer", "other": "newer"}}),
    )
    .await;
    shop.everywhere("Deployment", "web", "the change arrives", |live| {
        live["spec"]["minReadySeconds"] == 1
            && live["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] == "2"
    })
    .await;
    shop.everywhere("ConfigMap", "text", "the change arrives", |live| {
        live["data"]["other"] == "newer"
    })
    .await;
    let live = shop.seen(0, "Deployment", "web").await;
    assert_eq!(image_of(&live), "example.dev/theirs:1");
    assert_eq!(
        live["spec"]["template"]["metadata"]["annotations"]["note"],
        "theirs"
    );
    assert_eq!(
        image_of(&shop.seen(1, "Deployment", "web").await),
        "example.dev/app:1"
    );
    assert_eq!(shop.seen(0, "ConfigMap", "text").await["data"]["text"], "theirs");
    // Ignored no longer, the template's values are everywhere, and the template's to drop.
    shop.edit(
        "PropagationPolicy",
        &shop.name,
        json!({"spec": {"ignoreFields": null}}),
    )
    .await;
    shop.everywhere("Deployment", "web", "the template's value is back", |live| {
        image_of(live) == "example.dev/app:2"
            && live["spec"]["template"]["metadata"]["annotations"]["note"] == "ours"
    })
    .await;
    shop.everywhere("ConfigMap", "text", "the template's value is back", |live| {
        live["data"]["text"] == "newer"
    })
    .await;
    shop.edit("ConfigMap", "text", json!({"data": {"text": null}}))
        .await;
    shop.everywhere("ConfigMap", "text", "the key goes", |live| {
        live["data"].get("text").is_none()
    })
    .await;
    shop.close().await;
}

async fn handed_over(fleet: &Fleet, federation: &Federation) {
    let shop = Shop::open(fleet, federation, "handed").await;
    let mut web = deployment("web");
    web["spec"]["replicas"] = json!(3);
    shop.apply_and_wait(&[web]).await;
    let ignore = json!([{"kind": "Deployment", "pointers": ["/spec/replicas"]}]);
    shop.edit(
        "PropagationPolicy",
        &shop.name,
        json!({"spec": {"ignoreFields": ignore}}),
    )
    .await;
    shop.everywhere("Deployment", "web", "the field is no longer the hub's", |live| {
        hub_entry(live).is_some_and(|entry| entry["fieldsV1"]["f:spec"].get("f:replicas").is_none())
    })
    .await;
    for number in 0..3 {
        assert_eq!(
            shop.seen(number, "Deployment", "web").await["spec"]["replicas"],
            3
        );
    }
    shop.meddle(0, "Deployment", "web", json!({"spec": {"replicas": 2}}))
        .await;
    shop.edit(
        "Deployment",
        "web",
        json!({"spec": {"replicas": 4, "minReadySeconds": 1}}),
    )
    .await;
    shop.everywhere("Deployment", "web", "the change arrives", |live| {
        live["spec"]["minReadySeconds"] == 1
    })
    .await;
    for (number, replicas) in [(0, 2), (1, 3), (2, 3)] {
        let live = shop.seen(number, "Deployment", "web").await;
        assert_eq!(live["spec"]["replicas"], replicas);
    }
    // Made anew, it begins with the template's value.
    shop.in_member(1, "Deployment")
        .delete("web", &kube::api::DeleteParams::default())
        .await
        .unwrap();
    shop.within(SOON, &[1], "Deployment", "web", "it is made again", |live| {
        live["spec"]["replicas"] == 4
            && hub_entry(live).is_some_and(|entry| entry["fieldsV1"]["f:spec"].get("f:replicas").is_none())
    })
    .await;
    shop.close().await;
}

async fn refused(fleet: &Fleet, federation: &Federation) {
    let shop = Shop::open(fleet, federation, "unignorable").await;
    shop.apply_and_wait(&[deployment("web")]).await;
    let before = shop.seen(0, "Deployment", "web").await;
    let policy = |pointer: &str| {
        json!({"apiVersion": "hanse.dev/v1alpha1", "kind": "PropagationPolicy", "metadata": {"name": shop.name}, "spec": {
            "resourceSelectors": [{"apiVersion": "*", "kind": "*"}],
            "ignoreFields": [{"kind": "Deployment", "pointers": [pointer]}],
        }})
    };
    for (pointer, words) in [
        ("/spec/template/spec/containers/0/image", "by its key"),
        ("/metadata/name", "only single fields"),
        ("/spec", "only single fields"),
        ("/metadata/labels/hanse.dev~1tenant", "only single fields"),
        ("/spec/replicas/", "JSON pointer"),
    ] {
        let answer = shop.try_apply(&[policy(pointer)], &[]).await;
        assert_eq!(answer.code, 1, "{pointer}: {answer:?}");
        assert!(answer.stderr.contains(words), "{pointer}: {}", answer.stderr);
    }
    // What only the kind's schema tells is said where it is applied.
    for (pointer, words) in [
        ("/spec/template", "/spec/template is required"),
        ("/spec/selector/matchLabels/app", "only applied as a whole"),
    ] {
        shop.apply(&[policy(pointer)]).await;
        shop.edit(
            "Deployment",
            "web",
            json!({"metadata": {"annotations": {"turn": pointer}}}),
        )
        .await;
        let message = shop
            .condition("Deployment", "web", "Applied", "False", "InvalidForMember")
            .await;
        eventually(SOON, "the message names the field", async || {
            let binding = shop.binding("Deployment", "web").await.unwrap()["status"].to_string();
            if binding.contains(words) {
                Ok(())
            } else {
                Err(crate::harness::NotYet(format!("{message}\n{binding}")))
            }
        })
        .await;
    }
    assert_eq!(shop.seen(0, "Deployment", "web").await["spec"], before["spec"]);
    shop.close().await;
}

fn autoscaler(name: &str, from: u32, to: u32) -> Value {
    json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": name},
        "spec": {
            "minReplicas": from, "maxReplicas": to,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
        },
    })
}

async fn scaled(fleet: &Fleet, federation: &Federation) {
    let shop = Shop::open(fleet, federation, "scaled").await;
    let mut podinfo = deployment("podinfo");
    podinfo["spec"]["replicas"] = json!(3);
    // Without metrics an autoscaler is Degraded, so that is not waited for.
    shop.apply_and_wait(&[podinfo]).await;
    shop.apply(&[autoscaler("podinfo", 1, 20)]).await;
    shop.everywhere(
        "Deployment",
        "podinfo",
        "its replicas are nobody's of the hub",
        |live| hub_entry(live).is_some_and(|entry| entry["fieldsV1"]["f:spec"].get("f:replicas").is_none()),
    )
    .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before: Vec<usize> = (0..3)
        .map(|number| writes(&shop, number, "deployments"))
        .collect();
    // 3 is also what the hub says.
    scale(&shop, "podinfo", &[4, 5, 3, 6, 2, 7, 1, 8, 4, 5]).await;
    let after: Vec<usize> = (0..3)
        .map(|number| writes(&shop, number, "deployments"))
        .collect();
    assert_eq!(before, after, "writes of the hub to Deployments of the members");
    assert_eq!(shop.seen(0, "Deployment", "podinfo").await["spec"]["replicas"], 5);
    let events = shop.on_hub("Event").list(&ListParams::default()).await.unwrap();
    let fought: Vec<String> = events
        .iter()
        .filter(|event| event.data["reason"] == "DriftCorrected")
        .map(|event| event.data["note"].to_string())
        .collect();
    assert!(fought.is_empty(), "the autoscaler was fought: {fought:?}");
    shop.close().await;
}

/// As the autoscaler of the first member does.
async fn scale(shop: &Shop<'_>, name: &str, counts: &[i64]) {
    let objects = shop.in_member(0, "Deployment");
    for count in counts {
        let params = PatchParams {
            field_manager: Some("kube-controller-manager".to_owned()),
            ..PatchParams::default()
        };
        let scale = json!({"spec": {"replicas": count}});
        objects
            .patch_scale(name, &params, &Patch::Merge(scale))
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        let live = shop.seen(0, "Deployment", name).await;
        assert_eq!(live["spec"]["replicas"], *count);
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
}

/// Every number of replicas that the members' API servers ever show, with the member.
struct Seen {
    all: Arc<Mutex<Vec<(usize, i64)>>>,
    watches: Vec<tokio::task::JoinHandle<()>>,
}

impl Seen {
    #[expect(clippy::disallowed_methods, reason = "the scenario ends what it starts")]
    async fn watch(shop: &Shop<'_>, members: &[usize]) -> Self {
        let all: Arc<Mutex<Vec<(usize, i64)>>> = Arc::default();
        let watch = |number: &usize| {
            let (number, objects, seen) = (*number, shop.in_member(*number, "Deployment"), all.clone());
            tokio::spawn(async move {
                let events = watcher(objects, watcher::Config::default())
                    .applied_objects()
                    .inspect_ok(|object| {
                        let replicas = value(object)["spec"]["replicas"].as_i64();
                        seen.lock().push((number, replicas.unwrap_or(1)));
                    });
                events.for_each(|_| async {}).await;
            })
        };
        let watches = members.iter().map(watch).collect();
        eventually(SOON, "the members are watched", async || {
            if all.lock().len() >= members.len() {
                Ok(())
            } else {
                Err(crate::harness::NotYet::from("not yet"))
            }
        })
        .await;
        Self { all, watches }
    }

    fn end(self) -> Vec<(usize, i64)> {
        self.watches.iter().for_each(tokio::task::JoinHandle::abort);
        let all = self.all.lock();
        all.clone()
    }
}

async fn added(fleet: &Fleet, federation: &Federation) {
    let shop = Shop::open(fleet, federation, "scaledlater").await;
    let mut web = deployment("web");
    web["spec"]["replicas"] = json!(6);
    shop.apply_and_wait(&[web]).await;
    let seen = Seen::watch(&shop, &[0, 1, 2]).await;
    shop.apply(&[autoscaler("web", 1, 20)]).await;
    shop.everywhere(
        "Deployment",
        "web",
        "its replicas are nobody's of the hub",
        |live| hub_entry(live).is_some_and(|entry| entry["fieldsV1"]["f:spec"].get("f:replicas").is_none()),
    )
    .await;
    shop.edit("Deployment", "web", json!({"spec": {"minReadySeconds": 1}}))
        .await;
    shop.everywhere("Deployment", "web", "the change arrives", |live| {
        live["spec"]["minReadySeconds"] == 1
    })
    .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let seen = seen.end();
    assert!(
        seen.len() > 3 && seen.iter().all(|(_, replicas)| *replicas == 6),
        "{seen:?}"
    );
    shop.close().await;
}

/// Fewest and most of the autoscaler in a member; `None` if there is none.
async fn range(shop: &Shop<'_>, member: usize, name: &str) -> Option<(i64, i64)> {
    let object = shop
        .in_member(member, "HorizontalPodAutoscaler")
        .get_opt(name)
        .await
        .unwrap()?;
    let spec = &value(&object)["spec"];
    Some((spec["minReplicas"].as_i64()?, spec["maxReplicas"].as_i64()?))
}

async fn ranges(shop: &Shop<'_>, what: &str, expected: [Option<(i64, i64)>; 3]) {
    eventually(SOON, what, async || {
        let mut found = [None; 3];
        for (member, found) in found.iter_mut().enumerate() {
            *found = range(shop, member, "podinfo").await;
        }
        if found == expected {
            Ok(())
        } else {
            Err(crate::harness::NotYet(format!("{found:?}")))
        }
    })
    .await;
}

async fn divided(fleet: &Fleet, federation: &Federation) {
    let weights = |weights: [u32; 3]| {
        let names = fleet.members().iter().map(crate::harness::ControlPlane::name);
        let weighted: Vec<Value> = names
            .zip(weights)
            .map(|(name, weight)| json!({"clusters": {"names": [name]}, "weight": weight}))
            .collect();
        json!({"placement": {"replicas": {"mode": "Divided", "divide": {"weighted": weighted}}}})
    };
    let shop = Shop::open_with(fleet, &federation.hub, "parts", weights([3, 1, 0])).await;
    let mut podinfo = deployment("podinfo");
    podinfo["spec"]["replicas"] = json!(8);
    shop.apply_and_wait(&[podinfo]).await;
    let seen = Seen::watch(&shop, &[0, 1]).await;
    shop.apply(&[autoscaler("podinfo", 4, 13)]).await;
    ranges(
        &shop,
        "each member with a share has its part",
        [Some((3, 10)), Some((1, 3)), None],
    )
    .await;
    shop.within(
        SOON,
        &[0, 1],
        "Deployment",
        "podinfo",
        "its replicas are nobody's of the hub",
        |live| hub_entry(live).is_some_and(|entry| entry["fieldsV1"]["f:spec"].get("f:replicas").is_none()),
    )
    .await;
    shop.edit("Deployment", "podinfo", json!({"spec": {"minReadySeconds": 1}}))
        .await;
    shop.within(
        SOON,
        &[0, 1],
        "Deployment",
        "podinfo",
        "the change arrives",
        |live| live["spec"]["minReadySeconds"] == 1,
    )
    .await;
    let told = shop
        .run(&["explain", "horizontalpodautoscaler/podinfo"])
        .await
        .success();
    assert!(
        told.contains("its part there is 3 to 10 replicas") && told.contains("has no replicas in member-3"),
        "{told}"
    );
    let diff = shop
        .try_apply(&[autoscaler("podinfo", 4, 13)], &["--dry-run"])
        .await;
    assert!(
        !diff.stdout.contains("maxReplicas"),
        "nothing would change: {diff:?}"
    );
    tokio::time::sleep(Duration::from_secs(1)).await;
    let shown = seen.end();
    let shares = [6, 2];
    assert!(
        shown
            .iter()
            .all(|(member, replicas)| *replicas == shares[*member]),
        "{shown:?}"
    );

    // What an autoscaler makes of it in one member moves nothing, there or elsewhere; 6 is also what the hub says.
    let counts = || {
        (0..3)
            .map(|number| writes(&shop, number, "deployments"))
            .collect::<Vec<_>>()
    };
    let before = counts();
    scale(&shop, "podinfo", &[4, 5, 6, 7, 3, 9, 8, 6, 5, 4]).await;
    assert_eq!(
        before,
        counts(),
        "writes of the hub to Deployments of the members"
    );
    let binding = shop.binding("Deployment", "podinfo").await.unwrap();
    let decided: Vec<_> = binding["spec"]["clusters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["replicas"].as_i64())
        .collect();
    assert_eq!(decided, [Some(6), Some(2)]);

    // Other shares: the autoscalers follow, and the Deployments that are there already stay their own.
    shop.edit(
        "PropagationPolicy",
        &shop.name,
        json!({"spec": weights([1, 1, 2])}),
    )
    .await;
    ranges(
        &shop,
        "the parts follow the shares",
        [Some((1, 3)), Some((1, 3)), Some((2, 7))],
    )
    .await;
    shop.within(
        SOON,
        &[2],
        "Deployment",
        "podinfo",
        "it begins with its share",
        |live| live["spec"]["replicas"] == 4,
    )
    .await;
    assert_eq!(
        before[..2],
        counts()[..2],
        "writes of the hub to Deployments of the members"
    );

    // Whole in every member again, its autoscaler is, too.
    shop.edit(
        "PropagationPolicy",
        &shop.name,
        json!({"spec": {"placement": {"replicas": {"mode": "Duplicated", "divide": null}}}}),
    )
    .await;
    ranges(&shop, "the whole range", [Some((4, 13)); 3]).await;
    shop.close().await;
}
