//! Who watches the members and judges the hub by what it did there. Knows nothing of the hub's code: it sees objects
//! through the API servers, and who wrote what through their audit.
//!
//! What must hold, in both worlds and whatever happens on the way:
//! - the hub changes and deletes nothing but objects that bore its mark at some time;
//! - no member has more replicas of a workload than its template asked for at some time;
//! - all members together have no more of a workload whose replicas are divided and that never moves (label
//!   `share: divided`) than its template asked for at some time.
//!
//! Quota and guests join when they exist.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use kube::api::{ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::watcher;
use kube::{Api, Client};
use parking_lot::Mutex;
use tokio::task::JoinSet;

use crate::Write;

/// Who the hub is in a member.
const HUB: &str = "system:serviceaccount:hanse-system:hub";

/// Group, version, kind and plural of what is watched.
const KINDS: &[(&str, &str, &str, &str)] = &[
    ("apps", "v1", "Deployment", "deployments"),
    ("apps", "v1", "StatefulSet", "statefulsets"),
    ("apps", "v1", "DaemonSet", "daemonsets"),
    ("batch", "v1", "Job", "jobs"),
    ("", "v1", "ConfigMap", "configmaps"),
    ("", "v1", "Secret", "secrets"),
    ("", "v1", "Service", "services"),
    ("", "v1", "ServiceAccount", "serviceaccounts"),
    ("", "v1", "Namespace", "namespaces"),
];

/// Resource, namespace, name.
type Key = (&'static str, String, String);

#[derive(Debug, Default)]
struct Seen {
    /// By member: what bore the hub's mark at some time.
    marked: BTreeMap<String, BTreeSet<Key>>,
    /// By member: the most replicas a Deployment was ever to have there.
    placed: BTreeMap<String, BTreeMap<(String, String), i64>>,
    /// The most its template ever asked for.
    asked: BTreeMap<(String, String), i64>,
    /// By divided Deployment and member: the replicas it has there now.
    shares: BTreeMap<(String, String), BTreeMap<String, i64>>,
    /// The most that all members together ever had of it.
    most: BTreeMap<(String, String), i64>,
}

/// Watches until it is dropped.
pub(crate) struct Observer {
    seen: Arc<Mutex<Seen>>,
    _watches: JoinSet<()>,
}

impl Observer {
    /// Begins to watch a hub API and members, as their administrator.
    pub(crate) fn start(hub: Client, members: impl IntoIterator<Item = (String, Client)>) -> Self {
        let seen = Arc::<Mutex<Seen>>::default();
        let mut watches = JoinSet::new();
        watches.spawn(asked(hub, seen.clone()));
        for (member, client) in members {
            for kind in KINDS {
                watches.spawn(marked(client.clone(), member.clone(), kind, seen.clone()));
            }
        }
        Self {
            seen,
            _watches: watches,
        }
    }

    /// What was done to a member that must not be done; its audit is given from the beginning.
    pub(crate) fn judge(&self, member: &str, writes: impl IntoIterator<Item = Write>) -> Vec<String> {
        let seen = self.seen.lock();
        let marked = seen.marked.get(member);
        let mut wrong = Vec::new();
        for write in writes {
            let is_change = matches!(
                write.verb.as_str(),
                "patch" | "update" | "delete" | "deletecollection"
            );
            let watched = |(group, .., plural): &&(&str, &str, &str, &str)| {
                *group == write.group && *plural == write.resource
            };
            let Some((.., plural)) = KINDS.iter().find(watched) else {
                continue;
            };
            if write.user != HUB || !is_change || !write.succeeded() || write.subresource.is_some() {
                continue;
            }
            let namespace = match write.resource.as_str() {
                "namespaces" => String::new(),
                _ => write.namespace.clone().unwrap_or_default(),
            };
            let key = (*plural, namespace, write.name.clone().unwrap_or_default());
            if !marked.is_some_and(|marked| marked.contains(&key)) {
                wrong.push(format!(
                    "{member}: the hub wrote what never was its own: {write:?}"
                ));
            }
        }
        for (name, placed) in seen.placed.get(member).into_iter().flatten() {
            if let Some(asked) = seen.asked.get(name)
                && placed > asked
            {
                wrong.push(format!(
                    "{member}: {name:?} has {placed} replicas, its template asked for {asked} at most"
                ));
            }
        }
        for (name, most) in &seen.most {
            if let Some(asked) = seen.asked.get(name)
                && most > asked
            {
                wrong.push(format!(
                    "{name:?} had {most} replicas in all, its template asked for {asked} at most"
                ));
            }
        }
        wrong
    }
}

fn api(client: Client, kind: &(&str, &str, &str, &str)) -> Api<DynamicObject> {
    let (group, version, kind, _) = *kind;
    Api::all_with(
        client,
        &ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind)),
    )
}

fn replicas(object: &DynamicObject) -> i64 {
    object.data["spec"]["replicas"].as_i64().unwrap_or(1)
}

/// Whether the hub says how many there are: not where an autoscaler does, or the manager that keeps its word.
fn hub_says_replicas(object: &DynamicObject) -> bool {
    let entries = object.metadata.managed_fields.iter().flatten();
    let mut of_hub = entries.filter(|entry| {
        let manager = entry.manager.as_deref().unwrap_or_default();
        manager.starts_with("hanse-") && !manager.ends_with("-ignored")
    });
    of_hub.any(|entry| {
        let fields = entry.fields_v1.as_ref().map(|fields| &fields.0);
        fields.is_some_and(|fields| !fields["f:spec"]["f:replicas"].is_null())
    })
}

fn place(object: &DynamicObject) -> (String, String) {
    let metadata = &object.metadata;
    (
        metadata.namespace.clone().unwrap_or_default(),
        metadata.name.clone().unwrap_or_default(),
    )
}

fn is_divided(object: &DynamicObject) -> bool {
    let labels = object.metadata.labels.as_ref();
    labels.is_some_and(|labels| labels.get("share").is_some_and(|share| share == "divided"))
}

impl Seen {
    /// Counts what a member has of a divided workload, and what all have.
    fn share(&mut self, member: &str, of: (String, String), replicas: i64) {
        let shares = self.shares.entry(of.clone()).or_default();
        shares.insert(member.to_owned(), replicas);
        let all: i64 = shares.values().sum();
        let most = self.most.entry(of).or_default();
        *most = all.max(*most);
    }
}

/// Follows objects for ever; a watch that breaks begins again. Told are what is there, and whether it is gone.
async fn follow(objects: Api<DynamicObject>, mut note: impl FnMut(&DynamicObject, bool)) {
    let events = watcher(objects, watcher::Config::default()).into_stream();
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.next().await {
        match event {
            Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object)) => note(&object, false),
            Ok(watcher::Event::Delete(object)) => note(&object, true),
            Ok(_) => {}
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(200)).await,
        }
    }
}

async fn asked(hub: Client, seen: Arc<Mutex<Seen>>) {
    follow(api(hub, &KINDS[0]), |object, _| {
        let mut seen = seen.lock();
        let most = seen.asked.entry(place(object)).or_default();
        *most = replicas(object).max(*most);
    })
    .await;
}

async fn marked(
    client: Client,
    member: String,
    kind: &'static (&'static str, &'static str, &'static str, &'static str),
    seen: Arc<Mutex<Seen>>,
) {
    follow(api(client, kind), |object, is_gone| {
        let labels = object.metadata.labels.as_ref();
        let is_marked = labels.is_some_and(|labels| {
            labels.get("hanse.dev/managed-by").is_some_and(|by| by == "hanse")
                || labels.contains_key("hanse.dev/tenant")
        });
        if !is_marked {
            return;
        }
        let (namespace, name) = place(object);
        let mut seen = seen.lock();
        if kind.2 == "Deployment" && is_divided(object) && (is_gone || hub_says_replicas(object)) {
            let replicas = if is_gone { 0 } else { replicas(object) };
            seen.share(&member, (namespace.clone(), name.clone()), replicas);
        }
        if kind.2 == "Deployment" && hub_says_replicas(object) {
            let of_member = seen.placed.entry(member.clone()).or_default();
            let most = of_member.entry((namespace.clone(), name.clone())).or_default();
            *most = replicas(object).max(*most);
        }
        seen.marked
            .entry(member.clone())
            .or_default()
            .insert((kind.3, namespace, name));
    })
    .await;
}
