//! Overrides: kept by watches, and told whether they can be made.

use std::sync::Arc;

use kube::{
    Api, Resource,
    api::{Patch, PatchParams},
};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{
    engine::{Engine, GATED},
    error::Error,
    follow::{Sink, Synced, follow},
    sinks::To,
};
use crate::{
    act::wire::Error as WireError,
    decide::{
        policy::{Override, OverrideId},
        render,
    },
    model::{
        api::{
            ClusterOverridePolicy, ConditionStatus, ConditionType, OverridePolicy, OverridePolicyStatus,
            Reason, set_condition,
        },
        fleet::BindingKey,
    },
};

impl Engine {
    /// Starts the watches of both kinds. Nothing is decided before their first lists are complete: without an override
    /// members would be given other bytes than they have.
    pub(super) fn follow_overrides(self: &Arc<Self>) -> Result<[(&'static str, Synced); 2], WireError> {
        let (hub, tasks) = (&self.hub, &self.tasks);
        let sink = || {
            Arc::new(To {
                engine: Arc::downgrade(self),
                of: OverrideObjects,
            })
        };
        Ok([
            (
                "override policies",
                follow::<OverridePolicy, _>(hub, tasks, Api::all, sink())?,
            ),
            (
                "cluster override policies",
                follow::<ClusterOverridePolicy, _>(hub, tasks, Api::all, sink())?,
            ),
        ])
    }

    fn take_override(&self, newer: Override) -> OverrideId {
        let id = newer.id.clone();
        let had = self.index.overrides.load().get(&id).cloned();
        if had.as_ref().is_some_and(|had| had.version == newer.version) {
            return id; // only its status moved
        }
        let before = self.index.change_overrides(|overrides| overrides.upsert(newer));
        let now = self.index.overrides.load().get(&id).cloned();
        self.overrides.add(id.clone());
        self.override_changed(before.as_deref(), now.as_deref());
        id
    }

    fn lose_override(&self, id: &OverrideId) {
        let before = self.index.change_overrides(|overrides| overrides.remove(id));
        self.override_changed(before.as_deref(), None);
    }

    /// Has exactly those templates decided anew that it changed or changes now.
    fn override_changed(&self, before: Option<&Override>, now: Option<&Override>) {
        let concerned: Vec<BindingKey> = self
            .index
            .templates
            .iter()
            .filter(|held| {
                let mut either = [before, now].into_iter().flatten();
                either.any(|policy| {
                    let mut items = held.template.items().iter();
                    items.any(|item| policy.selects(item) != Some(false))
                })
            })
            .map(|held| held.key().clone())
            .collect();
        for key in concerned {
            self.queue.add(key);
        }
    }

    /// Handles overrides until stopped.
    pub(super) async fn overrides_loop(self: Arc<Self>) {
        loop {
            let work = self.overrides.next().await;
            self.until_active().await;
            match self.write_override_status(work.key()).await {
                Ok(()) => self.overrides.forget(work.key()),
                Err(error) if error.is_not_leader() => self.overrides.add_after(work.key().clone(), GATED),
                Err(error) => {
                    tracing::debug!(policy = %work.key(), %error, "failed to write the status of the override; trying again");
                    self.overrides.retry(work.key().clone());
                }
            }
        }
    }

    async fn write_override_status(&self, id: &OverrideId) -> Result<(), Error> {
        let Some(policy) = self.index.overrides.load().get(id).cloned() else {
            return Ok(());
        };
        if let Some(namespace) = &id.namespace {
            let api: Api<OverridePolicy> = Api::namespaced(self.hub.client(), namespace);
            self.patch_override(&api, &policy).await
        } else {
            let api: Api<ClusterOverridePolicy> = Api::all(self.hub.client());
            self.patch_override(&api, &policy).await
        }
    }

    async fn patch_override<K>(&self, api: &Api<K>, policy: &Override) -> Result<(), Error>
    where
        K: OverrideObject,
    {
        let failed =
            |verb: &str, source| WireError::call(format!("{verb} the status of {}", policy.id), source);
        let live = api
            .get_opt(&policy.id.name)
            .await
            .map_err(|source| failed("read", source))?;
        let Some(live) = live else { return Ok(()) };
        let before = live.status();
        let mut after = before.clone();
        let spec = serde_json::to_value(&*policy.spec).unwrap_or_default();
        let faults = render::lint(&spec);
        let problems = policy.problems.iter().cloned();
        let problems: Vec<String> = problems.chain(faults.iter().map(render::Fault::words)).collect();
        let (holds, reason) = if problems.is_empty() {
            (ConditionStatus::True, Reason::AsDesired)
        } else {
            (ConditionStatus::False, Reason::PolicyInvalid)
        };
        set_condition(
            &mut after.conditions,
            ConditionType::Ready,
            holds,
            reason,
            &problems.join("; "),
            Some(policy.version.1),
            self.clock.now(),
        );
        if after == before {
            return Ok(());
        }
        let params = PatchParams {
            field_manager: Some(self.me.manager.clone()),
            ..PatchParams::default()
        };
        let patch = Patch::Merge(json!({"status": after}));
        match api.patch_status(&policy.id.name, &params, &patch).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(source) => Err(failed("write", source).into()),
        }
    }
}

#[derive(Debug)]
struct OverrideObjects;

/// Both kinds of overrides.
trait OverrideObject: Resource + Clone + DeserializeOwned + std::fmt::Debug {
    const NAMESPACED: bool;
    fn compiled(&self) -> Option<Override>;
    fn status(&self) -> OverridePolicyStatus;
}

impl OverrideObject for OverridePolicy {
    const NAMESPACED: bool = true;
    fn compiled(&self) -> Option<Override> {
        Override::of(self).ok()
    }
    fn status(&self) -> OverridePolicyStatus {
        self.status.clone().unwrap_or_default()
    }
}

impl OverrideObject for ClusterOverridePolicy {
    const NAMESPACED: bool = false;
    fn compiled(&self) -> Option<Override> {
        Override::of_cluster(self).ok()
    }
    fn status(&self) -> OverridePolicyStatus {
        self.status.clone().unwrap_or_default()
    }
}

impl<K: OverrideObject> Sink<K> for To<OverrideObjects> {
    type Key = OverrideId;

    fn seen(&self, object: K) -> Option<OverrideId> {
        Some(self.engine.upgrade()?.take_override(object.compiled()?))
    }

    fn key(&self, object: &K) -> Option<OverrideId> {
        object.compiled().map(|policy| policy.id)
    }

    fn known(&self) -> Vec<OverrideId> {
        let Some(engine) = self.engine.upgrade() else {
            return Vec::new();
        };
        let overrides = engine.index.overrides.load();
        let ids = overrides.iter().map(|policy| policy.id.clone());
        ids.filter(|id| id.namespace.is_some() == K::NAMESPACED).collect()
    }

    fn lose(&self, id: &OverrideId) {
        if let Some(engine) = self.engine.upgrade() {
            engine.lose_override(id);
        }
    }
}
