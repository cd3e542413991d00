//! A tenant with a few objects in a federation of this process, and what must hold of it in the end.

use std::collections::BTreeMap;
use std::time::Duration;

use hanse::face::cli::embedded::{Embedded, Options, tokio_clock};
use hanse::sandbox::Cluster;
use kube::api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::Write;
use crate::observer::Observer;

/// The tenant, and its namespace.
pub(crate) const SHOP: &str = "shop";
/// Everything ends within this virtual time, faults and lost Leases included.
pub(crate) const SOON: Duration = Duration::from_mins(5);

/// The seed of this run: given, or drawn; printed, so that it can be given. With `RUST_LOG` the hub's log is shown too.
pub(crate) fn seed() -> u64 {
    if std::env::var_os("RUST_LOG").is_some() {
        let _ = hanse::telemetry::init(hanse::telemetry::LogFormat::Text, "");
    }
    let seed = match std::env::var("HANSE_SEED") {
        Ok(text) => text.parse().expect("HANSE_SEED is a number"),
        Err(_) => fastrand::u64(0..1_000_000),
    };
    eprintln!("HANSE_SEED={seed}");
    seed
}

/// A federation of three members whose hub serves.
pub(crate) async fn federation(seed: u64) -> Embedded {
    let mut federation = Embedded::start(&Options {
        seed,
        clock: tokio_clock(),
        ..Options::default()
    });
    federation.federate(|_| {}).await.unwrap();
    federation
}

/// Watches what the hub does in the members; as from outside, so without their faults.
pub(crate) fn observe(federation: &Embedded) -> Observer {
    let members = federation.members().iter();
    Observer::start(
        federation.hub().unfaulted(),
        members.map(|member| (member.name().to_owned(), member.unfaulted())),
    )
}

/// Nothing was done that must not be.
pub(crate) fn judge(federation: &Embedded, observer: &Observer) {
    for member in federation.members() {
        let writes = member.writes().into_iter().map(Write::from);
        assert_eq!(observer.judge(member.name(), writes), Vec::<String>::new());
    }
}

/// Objects of somebody else, one of them with the name of a template, in a namespace that the hub uses too.
pub(crate) async fn plant_foreign(member: &Cluster) {
    for name in ["foreign", "text"] {
        let map = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": SHOP},
            "data": {"whose": "theirs"},
        });
        let started = Instant::now();
        let params = PatchParams::apply("somebody");
        while let Err(error) = api(member.unfaulted(), "ConfigMap")
            .patch(name, &params, &Patch::Apply(&map))
            .await
        {
            assert!(started.elapsed() < SOON, "{error}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn kind(of: &str) -> (ApiResource, bool) {
    let (group, version, namespaced) = match of {
        "Deployment" | "ReplicaSet" => ("apps", "v1", true),
        "RoleBinding" => ("rbac.authorization.k8s.io", "v1", true),
        "Tenant" | "Cluster" => ("hanse.dev", "v1alpha1", false),
        "PropagationPolicy" | "OverridePolicy" | "WorkloadBinding" => ("hanse.dev", "v1alpha1", true),
        "Namespace" | "Node" => ("", "v1", false),
        _ => ("", "v1", true),
    };
    (
        ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, of)),
        namespaced,
    )
}

/// The objects of a kind, in the shop's namespace if they are in one.
pub(crate) fn api(client: Client, of: &str) -> Api<DynamicObject> {
    match kind(of) {
        (resource, true) => Api::namespaced_with(client, SHOP, &resource),
        (resource, false) => Api::all_with(client, &resource),
    }
}

pub(crate) fn tenant() -> Value {
    json!({
        "apiVersion": "hanse.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": SHOP},
        "spec": {"owners": [{"kind": "User", "name": "ana"}], "namespaces": [SHOP]},
    })
}

pub(crate) fn policy() -> Value {
    json!({
        "apiVersion": "hanse.dev/v1alpha1", "kind": "PropagationPolicy", "metadata": {"name": "everywhere", "namespace": SHOP},
        "spec": {"resourceSelectors": [{"apiVersion": "*", "kind": "*"}]},
    })
}

/// Four objects of three kinds.
pub(crate) fn templates() -> Vec<Value> {
    vec![
        deployment("web", 2),
        deployment("cart", 1),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "text", "namespace": SHOP}, "data": {"a": "1"}}),
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": SHOP},
            "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]},
        }),
    ]
}

pub(crate) fn deployment(name: &str, replicas: i32) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": SHOP},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{
                    "name": "app", "image": "example.dev/app:1",
                    "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
                }]},
            },
        },
    })
}

/// Applies as the administrator of the hub API, again and again until it is taken: namespaces come a moment later,
/// and what goes wrong on the way is no reason to give up.
pub(crate) async fn apply(hub: &Cluster, object: &Value) {
    let of = object["kind"].as_str().unwrap();
    let name = object["metadata"]["name"].as_str().unwrap();
    let started = Instant::now();
    loop {
        let params = PatchParams::apply("ana").force();
        match api(hub.admin(), of)
            .patch(name, &params, &Patch::Apply(object))
            .await
        {
            Ok(_) => return,
            Err(error) if started.elapsed() > SOON => panic!("{of} {name}: {error}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

pub(crate) async fn apply_all(hub: &Cluster) {
    apply(hub, &tenant()).await;
    apply(hub, &policy()).await;
    for object in templates() {
        apply(hub, &object).await;
    }
}

pub(crate) async fn delete(hub: &Cluster, of: &str, name: &str) {
    let started = Instant::now();
    loop {
        match api(hub.admin(), of)
            .delete(name, &DeleteParams::background())
            .await
        {
            Ok(_) => return,
            Err(kube::Error::Api(status)) if status.code == 404 => return,
            Err(error) if started.elapsed() > SOON => panic!("{of} {name}: {error}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Waits, in virtual time, until something is so.
pub(crate) async fn until(what: &str, mut look: impl AsyncFnMut() -> Result<(), String>) {
    let started = Instant::now();
    loop {
        match look().await {
            Ok(()) => return,
            Err(seen) if started.elapsed() > SOON => {
                panic!("{what}: not so after {SOON:?}; last seen: {seen}")
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// What a member holds of the shop, without what differs from run to run. Asks until it is told, faults or not.
pub(crate) async fn held(member: &Cluster) -> BTreeMap<String, Value> {
    let mut held = BTreeMap::new();
    for of in ["Deployment", "ConfigMap", "Service", "RoleBinding"] {
        let objects = api(member.admin(), of);
        let found = loop {
            match objects.list(&ListParams::default()).await {
                Ok(found) => break found.items,
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        };
        for object in found {
            let name = object.metadata.name.clone().unwrap_or_default();
            if name == "kube-root-ca.crt" {
                continue;
            }
            let mut spec = object.data["spec"].clone();
            if of == "Service" {
                let spec = spec.as_object_mut().unwrap();
                spec.remove("clusterIP");
                spec.remove("clusterIPs");
            }
            let seen = json!({"spec": spec, "data": object.data["data"], "ready": object.data["status"]["readyReplicas"]});
            held.insert(format!("{of}/{name}"), seen);
        }
    }
    held
}

/// Waits until all templates run in every member, all bindings say so, and nothing else is there.
pub(crate) async fn settled(federation: &Embedded) -> Vec<BTreeMap<String, Value>> {
    let bindings = api(federation.admin(), "WorkloadBinding");
    until("every binding is Applied and Available", async || {
        let all = bindings
            .list(&ListParams::default())
            .await
            .map_err(|error| error.to_string())?
            .items;
        let is_so = |binding: &DynamicObject| {
            let conditions = binding.data["status"]["conditions"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            ["Applied", "Available"].iter().all(|wanted| {
                conditions
                    .iter()
                    .any(|condition| condition["type"] == *wanted && condition["status"] == "True")
            })
        };
        if all.len() == templates().len() && all.iter().all(is_so) {
            return Ok(());
        }
        Err(serde_json::to_string(&all).unwrap_or_default())
    })
    .await;
    let mut held_by_all = Vec::new();
    for member in federation.members() {
        held_by_all.push(held(member).await);
    }
    held_by_all
}

/// Waits until the shop's namespace is left in none of these.
pub(crate) async fn gone(clusters: &[&Cluster]) {
    for cluster in clusters {
        until(
            &format!("the shop's namespace ends in {}", cluster.name()),
            async || match api(cluster.admin(), "Namespace").get_opt(SHOP).await {
                Ok(None) => Ok(()),
                Ok(Some(namespace)) => Err(serde_json::to_string(&namespace).unwrap_or_default()),
                Err(error) => Err(error.to_string()),
            },
        )
        .await;
    }
}
