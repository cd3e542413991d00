//! Who scales what: `HorizontalPodAutoscalers` and KEDA `ScaledObjects` of a member, of any owner.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use kube::{Api, runtime::watcher::Event};
use parking_lot::Mutex;

use super::{
    context::Change,
    member::{Core, Wire, resource},
    objects::key_of,
    watch::{Ended, Fold, Subject, follow},
};
use crate::{
    act::wire::Observed,
    model::name::{GroupKind, ObjectKey},
};

/// Group and kind of what scales.
const SCALERS: [(&str, &str); 2] = [
    ("autoscaling", "HorizontalPodAutoscaler"),
    ("keda.sh", "ScaledObject"),
];
const RETRY: std::time::Duration = std::time::Duration::from_secs(30);

#[derive(Debug, Default)]
pub(super) struct Scalers(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// By the scaler; its target.
    targets: HashMap<ObjectKey, ObjectKey>,
    /// The kinds whose list was complete, or of which surely none exists or may be seen.
    synced: BTreeSet<GroupKind>,
}

impl Scalers {
    pub(super) fn targets(&self, workload: &ObjectKey) -> bool {
        self.0.lock().targets.values().any(|target| target == workload)
    }

    /// Whether Kubernetes' own autoscalers were listed. KEDA makes one of those for each of its objects, so a
    /// member whose KEDA can't be asked is known well enough.
    pub(super) fn is_synced(&self) -> bool {
        self.0
            .lock()
            .synced
            .contains(&GroupKind::new(SCALERS[0].0, SCALERS[0].1))
    }

    pub(super) fn unsync_all(&self) {
        self.0.lock().synced.clear();
    }

    fn is_asked(&self, kind: &GroupKind) {
        self.0.lock().synced.insert(kind.clone());
    }

    fn set(&self, scaler: ObjectKey, target: Option<ObjectKey>) -> Vec<ObjectKey> {
        let mut state = self.0.lock();
        let old = match &target {
            Some(target) => state.targets.insert(scaler, target.clone()),
            None => state.targets.remove(&scaler),
        };
        if old == target {
            Vec::new()
        } else {
            old.into_iter().chain(target).collect()
        }
    }
}

/// Follows both kinds for as long as the connection lives.
pub(super) fn start(core: &Arc<Core>, wire: &Arc<Wire>) {
    for (group, kind) in SCALERS {
        let kind = GroupKind::new(group, kind);
        wire.tasks
            .spawn("autoscalers", run(core.clone(), wire.clone(), kind));
    }
}

async fn run(core: Arc<Core>, wire: Arc<Wire>, kind: GroupKind) {
    let mut fold = ScalerFold {
        core: core.clone(),
        kind: kind.clone(),
        listed: None,
    };
    let subject = Subject {
        what: kind.to_string(),
        ..Subject::default()
    };
    loop {
        let apis = core.apis.load_full();
        if let Some(resource) = resource(&apis, &kind, None) {
            let ended = follow(
                &core,
                &wire,
                &subject,
                |client| Api::<Observed>::all_with(client, &resource),
                &mut fold,
            )
            .await;
            if ended == Ended::Stopped {
                return;
            }
            // Nothing more will be known of it, and workloads must not wait for it for ever.
            tracing::warn!(cluster = %core.name, %kind, "autoscalers may not be watched");
            core.scalers.is_asked(&kind);
        } else if apis.complete {
            // Surely none of a kind that is not served.
            core.scalers.is_asked(&kind);
        }
        tokio::time::sleep(if apis.complete {
            RETRY
        } else {
            std::time::Duration::from_secs(1)
        })
        .await;
    }
}

struct ScalerFold {
    core: Arc<Core>,
    kind: GroupKind,
    /// What the running list has shown.
    listed: Option<HashSet<ObjectKey>>,
}

impl ScalerFold {
    async fn set(&self, scaler: ObjectKey, target: Option<ObjectKey>) {
        for key in self.core.scalers.set(scaler, target) {
            self.core
                .send(Change::Autoscaled {
                    cluster: self.core.name.clone(),
                    key,
                })
                .await;
        }
    }
}

impl Fold<Observed> for ScalerFold {
    async fn fold(&mut self, event: Event<Observed>) {
        match event {
            Event::Init => self.listed = Some(HashSet::new()),
            Event::InitApply(observed) | Event::Apply(observed) => {
                let Some(key) = key_of(&self.kind, &observed) else {
                    return;
                };
                if let Some(listed) = &mut self.listed {
                    listed.insert(key.clone());
                }
                let target = target_of(&observed, &key);
                self.set(key, target).await;
            }
            Event::Delete(observed) => {
                if let Some(key) = key_of(&self.kind, &observed) {
                    self.set(key, None).await;
                }
            }
            Event::InitDone => {
                let listed = self.listed.take().unwrap_or_default();
                let is_ours = |key: &&ObjectKey| key.group_kind() == self.kind && !listed.contains(*key);
                let gone: Vec<_> = self
                    .core
                    .scalers
                    .0
                    .lock()
                    .targets
                    .keys()
                    .filter(is_ours)
                    .cloned()
                    .collect();
                for key in gone {
                    self.set(key, None).await;
                }
                self.core.scalers.is_asked(&self.kind);
            }
        }
    }
}

fn target_of(observed: &Observed, scaler: &ObjectKey) -> Option<ObjectKey> {
    let target = observed.spec.scale_target_ref.as_ref()?;
    let group = match target.api_version.split_once('/') {
        Some((group, _)) => group,
        None if target.api_version.is_empty() => "apps",
        None => "",
    };
    let namespace = scaler
        .namespace
        .as_ref()
        .map_or("", |namespace| namespace.as_str());
    ObjectKey::parse(
        &GroupKind::new(group, target.kind.as_str()),
        namespace,
        &target.name,
    )
    .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_nobody_scales_is_believed_once_kubernetes_own_autoscalers_were_listed() {
        let scalers = Scalers::default();
        scalers.is_asked(&GroupKind::new("keda.sh", "ScaledObject"));
        assert!(!scalers.is_synced());
        scalers.is_asked(&GroupKind::new("autoscaling", "HorizontalPodAutoscaler"));
        assert!(scalers.is_synced());
        scalers.unsync_all();
        assert!(!scalers.is_synced());
    }
}
