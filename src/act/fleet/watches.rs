//! Which watches run: the wanted kinds, each everywhere as the hub, or per namespace as a tenant.
//!
//! Secrets are never watched as the hub, which may not read them, and never whole. A kind that the hub itself
//! may not read (403: its role lacks `aggregate-to-view`) is watched as the tenants who hold one.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use kube::{Api, runtime::watcher::Event};
use tokio::task::JoinHandle;

use super::{
    context::Change,
    member::{Core, Wire, resource},
    objects::{Folded, Stream, key_of, row_of},
    watch::{Ended, Fold, Subject, follow},
};
use crate::{
    act::wire::{ActAs, Observed},
    model::name::{GroupKind, NamespaceName},
};

/// After the first refusal, or a missing kind; doubled each time: rights that were just given take a moment.
const FIRST_RETRY: std::time::Duration = std::time::Duration::from_millis(250);
const LAST_RETRY: std::time::Duration = std::time::Duration::from_secs(30);
const LABELS: &str = "hanse.dev/managed-by=hanse";

/// Where a kind is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchScope {
    /// Everywhere, as the hub itself.
    AllNamespaces,
    /// Where it is enough to look, and who may. Kinds that the hub may read are still watched everywhere, with
    /// one watch; the others in each of these namespaces.
    Namespaces(BTreeMap<NamespaceName, ActAs>),
}

impl WatchScope {
    /// These namespaces, each as its tenant.
    pub fn of_tenants(namespaces: impl IntoIterator<Item = NamespaceName>) -> Self {
        let with_tenant = |namespace: NamespaceName| {
            let tenant = ActAs::tenant(&namespace);
            (namespace, tenant)
        };
        Self::Namespaces(namespaces.into_iter().map(with_tenant).collect())
    }

    /// Adds what the other one has. Whether that changed anything.
    pub(super) fn widen(&mut self, more: Self) -> bool {
        match (&mut *self, more) {
            (Self::Namespaces(here), Self::Namespaces(more)) => {
                let before = here.len();
                let mut changed = false;
                for (namespace, who) in more {
                    changed |= here.insert(namespace, who.clone()).is_some_and(|old| old != who);
                }
                changed || here.len() != before
            }
            // Who may look in which namespace stays known: the hub itself may turn out not to.
            (Self::Namespaces(_) | Self::AllNamespaces, Self::AllNamespaces) => false,
            (Self::AllNamespaces, more @ Self::Namespaces(_)) => {
                *self = more;
                true
            }
        }
    }
}

/// The watches of one connection.
#[derive(Debug, Default)]
pub(super) struct Watches {
    running: HashMap<Stream, JoinHandle<()>>,
    /// Kinds that the hub itself may not read here.
    forbidden: HashSet<GroupKind>,
}

impl Watches {
    pub(super) fn running(&self) -> impl Iterator<Item = &Stream> {
        self.running.keys()
    }
}

/// Begins what is wanted and missing, ends what is not wanted.
pub(super) fn arrange(core: &Arc<Core>, wire: &Arc<Wire>) {
    let wanted = core.wanted.lock().clone();
    let mut watches = wire.watches.lock();
    if wire.tasks.is_stopping() {
        return;
    }
    let mut streams: HashMap<Stream, Option<ActAs>> = HashMap::new();
    for (kind, scope) in wanted {
        let per_namespace = is_secret(&kind) || watches.forbidden.contains(&kind);
        match scope {
            // What has no namespaces is looked at everywhere or nowhere.
            WatchScope::Namespaces(mut namespaces) if per_namespace && !is_scoped(core, &kind) => {
                let who = namespaces.pop_first().map(|(_, who)| who);
                let everywhere = Stream {
                    kind,
                    namespace: None,
                };
                streams.insert(everywhere, who);
            }
            WatchScope::Namespaces(namespaces) if per_namespace => {
                let one = |(namespace, who)| {
                    (
                        Stream {
                            kind: kind.clone(),
                            namespace: Some(namespace),
                        },
                        Some(who),
                    )
                };
                streams.extend(namespaces.into_iter().map(one));
            }
            _ if is_secret(&kind) => {}
            _ => {
                streams.insert(
                    Stream {
                        kind,
                        namespace: None,
                    },
                    None,
                );
            }
        }
    }
    watches.running.retain(|stream, task| {
        let keep = streams.contains_key(stream) && !task.is_finished();
        if !keep {
            task.abort();
            if !streams.contains_key(stream) {
                core.objects.forget(stream);
            }
        }
        keep
    });
    for (stream, who) in streams {
        watches.running.entry(stream).or_insert_with_key(|stream| {
            let task = run(core.clone(), wire.clone(), stream.clone(), who);
            wire.tasks.spawn("watch", task)
        });
    }
}

/// Whether objects of the kind are in namespaces, as far as the member's discovery tells.
fn is_scoped(core: &Core, kind: &GroupKind) -> bool {
    let apis = core.apis.load();
    apis.kind(kind).is_none_or(|served| served.namespaced)
}

fn is_secret(kind: &GroupKind) -> bool {
    kind.group.is_empty() && &*kind.kind == "Secret"
}

async fn run(core: Arc<Core>, wire: Arc<Wire>, stream: Stream, who: Option<ActAs>) {
    let mut fold = ObjectFold {
        core: core.clone(),
        wire: wire.clone(),
        stream: stream.clone(),
        who: who.clone(),
    };
    let mut retry = FIRST_RETRY;
    loop {
        let began = tokio::time::Instant::now();
        let Some(resource) = resource(&core.apis.load(), &stream.kind, None) else {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            continue;
        };
        let subject = Subject {
            what: stream.kind.to_string(),
            who: who.clone(),
            labels: Some(LABELS),
            metadata_only: is_secret(&stream.kind),
        };
        let api = |client| match &stream.namespace {
            Some(namespace) => Api::<Observed>::namespaced_with(client, namespace, &resource),
            None => Api::<Observed>::all_with(client, &resource),
        };
        let ended = follow(&core, &wire, &subject, api, &mut fold).await;
        core.objects.unsync(&stream);
        match ended {
            Ended::Stopped => return,
            Ended::Forbidden if who.is_none() => {
                tracing::info!(cluster = %core.name, kind = %stream.kind, "may not be watched as the hub, so as its tenants");
                wire.watches.lock().forbidden.insert(stream.kind.clone());
                // From another task: this one is among those that are rearranged.
                let (again, at) = (core.clone(), wire.clone());
                wire.tasks.spawn("arrange", async move { arrange(&again, &at) });
                return;
            }
            Ended::Forbidden | Ended::NotServed => {
                tracing::debug!(cluster = %core.name, kind = %stream.kind, "can't be watched now");
                tokio::time::sleep(retry.mul_f64(1.0 + 0.1 * core.jitter(0))).await;
                retry = if began.elapsed() > LAST_RETRY * 2 {
                    FIRST_RETRY
                } else {
                    (retry * 2).min(LAST_RETRY)
                };
            }
        }
    }
}

struct ObjectFold {
    core: Arc<Core>,
    wire: Arc<Wire>,
    stream: Stream,
    who: Option<ActAs>,
}

impl Fold<Observed> for ObjectFold {
    async fn fold(&mut self, event: Event<Observed>) {
        let core = &self.core;
        match event {
            Event::Init => core.objects.begin(&self.stream),
            Event::InitApply(observed) | Event::Apply(observed) => {
                let Some(key) = key_of(&self.stream.kind, &observed) else {
                    return;
                };
                let row = row_of(&self.stream.kind, &observed, &core.context.manager);
                if let Some(folded) = core.objects.saw(&self.stream, key, row, observed.managers.others) {
                    self.tell(folded).await;
                }
            }
            Event::Delete(observed) => {
                let Some(key) = key_of(&self.stream.kind, &observed) else {
                    return;
                };
                let version = observed.metadata.resource_version.as_deref().unwrap_or_default();
                if let Some(folded) = core.objects.lost(&key, version) {
                    self.tell(folded).await;
                }
            }
            Event::InitDone => {
                let (gone, unsure) = core.objects.finish(&self.stream);
                for folded in gone {
                    self.tell(folded).await;
                }
                for key in unsure {
                    self.look(&key).await;
                }
                let synced = Change::Synced {
                    cluster: core.name.clone(),
                    kind: self.stream.kind.clone(),
                };
                core.send(synced).await;
            }
        }
    }
}

impl ObjectFold {
    async fn tell(&self, folded: Folded) {
        let Folded {
            key,
            binding,
            gone,
            status_only,
        } = folded;
        self.core
            .send(Change::Object {
                cluster: self.core.name.clone(),
                key,
                binding,
                gone,
                status_only,
            })
            .await;
    }

    /// Asks for one object that was written while a list was made that does not have it.
    async fn look(&self, key: &crate::model::name::ObjectKey) {
        let Some(row) = self.core.objects.row(key) else {
            return;
        };
        let Some(resource) = resource(&self.core.apis.load(), &self.stream.kind, None) else {
            return;
        };
        let client = match &self.who {
            Some(who) => self.wire.stack.acting_as(who),
            None => Ok(self.wire.stack.client()),
        };
        let Ok(client) = client else { return };
        let api: Api<kube::core::PartialObjectMeta<kube::api::DynamicObject>> = match &key.namespace {
            Some(namespace) => Api::namespaced_with(client, namespace, &resource),
            None => Api::all_with(client, &resource),
        };
        if let Ok(found) = api.get_metadata_opt(&key.name).await
            && found.is_none_or(|found| found.metadata.uid.as_deref() != Some(&row.uid))
            && let Some(folded) = self.core.objects.absent(key, &row.uid)
        {
            self.tell(folded).await;
        }
    }
}

/// The label that every watch of objects asks for.
#[cfg(test)]
#[test]
fn watches_ask_for_what_the_hub_labels() {
    use crate::model::mark;
    assert_eq!(LABELS, format!("{}={}", mark::MANAGED_BY, mark::HANSE));
}
