//! A hub that ends in any way, and another that goes on: DESIGN §2, PROTOCOL §6.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::harness::{Federation, Fleet, FleetOptions, NotYet, Write, eventually};
use crate::scenario::Scenario;
use crate::shop::{
    SOON, Shop, condition_of, config_map, create, deployment, everywhere_kind, hub_entry, merge, objects,
    service, value,
};

pub(crate) fn scenarios() -> Vec<Scenario> {
    let two_audited = FleetOptions {
        members: 2,
        audited: true,
        ..FleetOptions::default()
    };
    vec![Scenario::alone(
        "at_rest_and_after_a_restart_nothing_is_written_and_a_standby_takes_over",
        two_audited,
        whole,
    )]
}

async fn whole(fleet: Fleet) {
    let mut federation = Federation::start(&fleet, env!("CARGO_BIN_EXE_hub"), &[])
        .await
        .unwrap();
    let shop = Shop::open(&fleet, &federation, "rest").await;
    let secret =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}, "stringData": {"p": "q"}});
    let mut scaled = deployment("scaled");
    scaled["spec"]["replicas"] = json!(2);
    let autoscaler = json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "scaled"},
        "spec": {"minReplicas": 1, "maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "scaled"}},
    });
    let all = [
        deployment("web"),
        service("web"),
        config_map("text", "one"),
        secret,
        scaled,
        // What is said of a member by its nodes is not known at once after a start.
        json!({"apiVersion": "hanse.dev/v1alpha1", "kind": "OverridePolicy", "metadata": {"name": "places"}, "spec": {
            "resourceSelectors": [{"apiVersion": "*", "kind": "*"}],
            "rules": [{
                "clusters": {"cel": "cluster.status.nodes.ready >= 1 && has(cluster.spec.region)"},
                "annotations": {"set": {"example.dev/place": "${cluster.name} in ${cluster.region}"}},
            }],
        }}),
        json!({"apiVersion": "hanse.dev/v1alpha1", "kind": "PropagationPolicy", "metadata": {"name": "bundles"},
               "spec": {"resourceSelectors": [{"apiVersion": "hanse.dev/v1alpha1", "kind": "Bundle"}]}}),
        json!({"apiVersion": "hanse.dev/v1alpha1", "kind": "Bundle", "metadata": {"name": "many"}, "spec": {
            "manifests": [deployment("carried"), config_map("carried", "one"), service("carried")],
            "secrets": [{"name": "key"}],
        }}),
    ];
    shop.apply_and_wait(&all).await;
    // Without metrics it is Degraded, so that is not waited for.
    shop.apply(&[autoscaler]).await;
    shop.condition("HorizontalPodAutoscaler", "scaled", "Applied", "True", "Applied")
        .await;

    nothing_at_rest(&fleet).await;
    nothing_after_a_restart(&fleet, &mut federation, &shop).await;
    one_leads(&fleet, &mut federation, &shop).await;
    made_again_unrecorded(&fleet, &mut federation, &shop).await;
    kept_namespace(&fleet, &federation).await;
    leave(&fleet, &federation, &shop).await;
}

/// A namespace that may hold what nobody lets the hub see stays, and the Cluster says why and what to do.
async fn kept_namespace(fleet: &Fleet, federation: &Federation) {
    let member = &fleet.members()[0];
    let gadgets = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "gadgets.example.dev"},
        "spec": {
            "group": "example.dev", "scope": "Namespaced", "names": {"kind": "Gadget", "plural": "gadgets", "singular": "gadget"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}],
        },
    });
    create(
        &everywhere_kind(member.admin(), "CustomResourceDefinition"),
        gadgets,
    )
    .await;
    // As soon as the hub knows of the kind, which the API server serves a moment later.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let shop = Shop::open(fleet, federation, "kept").await;
    let name = shop.name.clone();
    shop.apply_and_wait(&[config_map("text", "x")]).await;
    shop.close().await;
    let clusters = everywhere_kind(fleet.hub().admin(), "Cluster");
    let kept = async |status: &str| {
        let live = value(&clusters.get(member.name()).await?);
        let found = condition_of(&live, "NamespacesKept");
        if found["status"] == status {
            Ok(found["message"].as_str().unwrap_or_default().to_owned())
        } else {
            Err(NotYet(live["status"]["conditions"].to_string()))
        }
    };
    let message = eventually(SOON * 2, "the namespace is kept, and the Cluster says so", || {
        kept("True")
    })
    .await;
    assert!(
        message.contains(&name) && message.contains("gadgets.example.dev"),
        "{message}"
    );
    let status = federation.hub.run(&["status"]).await.unwrap();
    assert!(
        status.stdout.contains("kubectl create clusterrole"),
        "{}",
        status.stdout
    );
    let looking = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": "gadgets-view", "labels": {"rbac.authorization.k8s.io/aggregate-to-view": "true"}},
        "rules": [{"apiGroups": ["example.dev"], "resources": ["gadgets"], "verbs": ["get", "list", "watch"]}],
    });
    create(&everywhere_kind(member.admin(), "ClusterRole"), looking).await;
    // The hub looks again once a minute, or when a tenant comes or goes.
    Shop::open(fleet, federation, "sweep").await.close().await;
    let bound = Duration::from_secs(90);
    eventually(
        bound,
        "the namespace is gone, and the Cluster says that none is kept",
        || kept("False"),
    )
    .await;
    let namespaces = everywhere_kind(member.admin(), "Namespace");
    assert!(
        namespaces
            .get_opt(&name)
            .await
            .unwrap()
            .is_none_or(|live| live.metadata.deletion_timestamp.is_some())
    );
}

/// The hub dies between making a deleted object again and recording it, and then the template goes: the record names
/// an object that is gone. The new one is the hub's and goes too; what somebody else put in its place stays.
async fn made_again_unrecorded(fleet: &Fleet, federation: &mut Federation, shop: &Shop<'_>) {
    shop.apply_and_wait(&[config_map("remade", "x"), config_map("replaced", "x")])
        .await;
    let (old, _) = leader(fleet).await;
    federation.serve.kill();
    let objects = shop.in_member(0, "ConfigMap");
    for name in ["remade", "replaced"] {
        let live = shop.seen(0, "ConfigMap", name).await;
        let manager = hub_entry(&live).unwrap()["manager"].as_str().unwrap().to_owned();
        objects.delete(name, &DeleteParams::default()).await.unwrap();
        let same = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "data": live["data"],
            "metadata": {"name": name, "labels": live["metadata"]["labels"], "annotations": live["metadata"]["annotations"]},
        });
        if name == "remade" {
            let params = PatchParams::apply(&manager);
            objects.patch(name, &params, &Patch::Apply(&same)).await.unwrap();
        } else {
            create(&objects, same).await;
        }
        shop.delete("ConfigMap", name).await;
    }
    federation.serve.restart().await.unwrap();
    another_leads(fleet, Duration::from_secs(12), "the hub leads again", &old).await;
    shop.nowhere(&[0, 1], "ConfigMap", "remade").await;
    shop.nowhere(&[1], "ConfigMap", "replaced").await;
    eventually(SOON, "nothing is left to remove", async || {
        match shop.binding("ConfigMap", "replaced").await {
            None => Ok(()),
            Some(binding) => Err(NotYet(binding.to_string())),
        }
    })
    .await;
    assert_eq!(shop.seen(0, "ConfigMap", "replaced").await["data"]["text"], "x");
}

/// How far the audit log of each control plane was read.
struct Seen<'a> {
    fleet: &'a Fleet,
    marks: Vec<Cell<usize>>,
}

impl<'a> Seen<'a> {
    fn now(fleet: &'a Fleet) -> Self {
        let marks = fleet
            .control_planes()
            .map(|plane| Cell::new(plane.writes().len()))
            .collect();
        Self { fleet, marks }
    }

    /// What the hub has written since the last look, and how often, but for the leader's Lease; and how often that.
    /// On its own API the hub is the administrator, whom nobody else uses meanwhile.
    fn news(&self) -> (BTreeMap<String, usize>, usize) {
        let (mut counts, mut renewals) = (BTreeMap::new(), 0);
        for (plane, mark) in self.fleet.control_planes().zip(&self.marks) {
            let all = plane.writes();
            let fresh = mark.replace(all.len());
            for write in &all[fresh..] {
                if write.user != "admin" && write.user != "system:serviceaccount:hanse-system:hub" {
                    continue;
                }
                if write.resource == "leases" && write.name.as_deref() == Some("hub-leader") {
                    renewals += 1;
                    continue;
                }
                let Write {
                    verb,
                    resource,
                    subresource,
                    name,
                    status,
                    ..
                } = write;
                let what = format!(
                    "{}: {verb} {resource}/{subresource:?} {name:?} ({status})",
                    plane.name()
                );
                *counts.entry(what).or_default() += 1;
            }
        }
        (counts, renewals)
    }
}

/// What is still on its way is let arrive first: numbers of a Cluster follow 30 s after the last ones, so a shorter
/// silence proves nothing.
async fn nothing_at_rest(fleet: &Fleet) {
    let seen = Seen::now(fleet);
    let window = Duration::from_secs(32);
    eventually(
        window * 3,
        "32 s pass in which only the Lease is written",
        async || {
            tokio::time::sleep(window).await;
            let (fresh, renewals) = seen.news();
            assert!(renewals > 0, "the Lease was not renewed");
            if fresh.is_empty() {
                Ok(())
            } else {
                Err(NotYet(format!("{fresh:#?}")))
            }
        },
    )
    .await;
}

async fn leader(fleet: &Fleet) -> (String, i64) {
    let leases = objects(fleet.hub().admin(), "hanse-system", "Lease");
    let lease = value(&leases.get("hub-leader").await.unwrap());
    let holder = lease["spec"]["holderIdentity"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    (
        holder,
        lease["spec"]["leaseTransitions"].as_i64().unwrap_or_default(),
    )
}

/// Waits for another leader than `old`.
pub(crate) async fn another_leads(fleet: &Fleet, bound: Duration, what: &str, old: &str) -> String {
    eventually(bound, what, async || {
        let (holder, _) = leader(fleet).await;
        if holder.is_empty() || holder == old {
            Err(NotYet(format!("{holder:?} leads")))
        } else {
            Ok(holder)
        }
    })
    .await
}

async fn nothing_after_a_restart(fleet: &Fleet, federation: &mut Federation, shop: &Shop<'_>) {
    let seen = Seen::now(fleet);
    let (old, _) = leader(fleet).await;
    federation.serve.kill();
    federation.serve.restart().await.unwrap();
    another_leads(fleet, Duration::from_secs(12), "the restarted hub leads", &old).await;
    // Everything is looked at within this time: the first look is what would write.
    tokio::time::sleep(Duration::from_secs(10)).await;
    let (fresh, _) = seen.news();
    assert!(
        fresh.is_empty(),
        "a restart with nothing changed wrote {fresh:#?}"
    );
    // And it works.
    shop.edit("ConfigMap", "text", json!({"data": {"text": "two"}}))
        .await;
    shop.everywhere("ConfigMap", "text", "the restarted hub works", |live| {
        live["data"]["text"] == "two"
    })
    .await;
}

async fn one_leads(fleet: &Fleet, federation: &mut Federation, shop: &Shop<'_>) {
    let standby = federation
        .hub
        .serve("standby", fleet.folder(), &[])
        .await
        .unwrap();
    let (old, _) = leader(fleet).await;
    shop.apply_and_wait(&[config_map("one-leads", "x")]).await;
    assert_eq!(
        leader(fleet).await.0,
        old,
        "a standby takes nothing from a leader that lives"
    );

    federation.serve.kill();
    shop.apply(&[config_map("orphaned", "x")]).await;
    // 9 s until the Lease is stale, 3 s for writes of the dead leader, and the margin.
    let second = another_leads(
        fleet,
        Duration::from_secs(11),
        "the standby leads after a kill",
        &old,
    )
    .await;
    shop.within(
        SOON,
        &[0, 1],
        "ConfigMap",
        "orphaned",
        "the standby finishes",
        |_| true,
    )
    .await;

    federation.serve.restart().await.unwrap();
    let mut standby = standby;
    let started = std::time::Instant::now();
    let status = standby.terminate(Duration::from_secs(10)).await.unwrap();
    eprintln!("    a hub ends on SIGTERM: {:.1?} of 10s", started.elapsed());
    assert_eq!(status, 0, "{}", standby.last_words());
    another_leads(
        fleet,
        Duration::from_secs(3),
        "the other leads at once after SIGTERM",
        &second,
    )
    .await;
    shop.apply(&[config_map("handed-over", "x")]).await;
    shop.within(
        SOON,
        &[0, 1],
        "ConfigMap",
        "handed-over",
        "the next leader works",
        |_| true,
    )
    .await;
}

/// A member leaves while the hub runs: its objects go, then all that join made, and the others keep theirs.
async fn leave(fleet: &Fleet, federation: &Federation, shop: &Shop<'_>) {
    let member = &fleet.members()[1];
    let kubeconfig = member.kubeconfig().to_string_lossy();
    let arguments = [
        "leave",
        member.name(),
        "--member-kubeconfig",
        &kubeconfig,
        "--timeout",
        "60s",
    ];
    // Something that Kubernetes waits for keeps a namespace from ending for a while.
    let namespaces = everywhere_kind(member.admin(), "Namespace");
    let hold = async |finalizers: Value| {
        let patch = json!({"metadata": {"finalizers": finalizers}});
        merge(&namespaces, "hanse-system", "owner", patch).await;
    };
    hold(json!(["example.dev/hold"])).await;
    federation.hub.run(&arguments).await.unwrap().success();
    let (joined, ()) = tokio::join!(federation.join(member), async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        hold(json!(null)).await;
    });
    let words = joined.unwrap().stderr;
    let waited = "waiting until namespace hanse-system of the member has ended";
    assert_eq!(words.matches(waited).count(), 1, "{words}");
    federation.wait_until_all_are_ready(fleet).await.unwrap();
    shop.within(
        Duration::from_secs(30),
        &[1],
        "Deployment",
        "web",
        "it is back at once",
        |_| true,
    )
    .await;
    federation.hub.run(&arguments).await.unwrap().success();
    let ours = |live: &Value| {
        let name = live["metadata"]["name"].as_str().unwrap_or_default();
        name.starts_with("hanse") || live["metadata"]["labels"]["hanse.dev/tenant"].is_string()
    };
    for kind in ["Namespace", "ClusterRole"] {
        eventually(SOON * 2, &format!("no {kind} of ours is left"), async || {
            let all = everywhere_kind(member.admin(), kind)
                .list(&ListParams::default())
                .await?;
            let left: Vec<_> = all
                .iter()
                .map(value)
                .filter(ours)
                .map(|live| live["metadata"]["name"].to_string())
                .collect();
            if left.is_empty() {
                Ok(())
            } else {
                Err(NotYet(left.join(", ")))
            }
        })
        .await;
    }
    let binding = shop.binding("Deployment", "web").await.unwrap();
    assert_eq!(
        binding["spec"]["clusters"].as_array().unwrap().len(),
        1,
        "{binding}"
    );
    assert!(
        shop.in_member(0, "Deployment")
            .get_opt("web")
            .await
            .unwrap()
            .is_some()
    );
}
