//! Writing status: of bindings and of templates, coalesced, behind applies, and only what differs.

use std::{collections::HashMap, sync::Arc, time::Duration};

use kube::{
    Api,
    api::{Patch, PatchParams},
};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::{
    engine::{Engine, GATED},
    error::Error,
    index::Held,
};
use crate::{
    act::{
        propagate::{
            Rows, Standings, binding_status, bundle_status, cleared_status, is_settled, template_status,
        },
        wire::{Error as WireError, Lane, Observed},
    },
    model::{
        api::{WorkloadBinding, WorkloadBindingStatus},
        fleet::{BindingKey, Reach},
        name::ObjectKey,
    },
    telemetry::Verb,
};

/// Looks at a time. Most of them wait: for applies to be done, or for a place among the writes.
pub(super) const WORKERS: usize = 64;
/// Changes that come together are written together.
pub(super) const DEBOUNCE: Duration = Duration::from_millis(25);
/// A state that is only passing is written when it has lasted this long,
const PASSING: Duration = Duration::from_millis(700);
/// and so much longer for each object that is on its way at the same time: in a burst, writing what will not be
/// true a moment later takes the CPU that would end it. It doubles with each time that it is written,
const PASSING_EACH: Duration = Duration::from_millis(150);
/// but is never longer than this.
const PASSING_AT_MOST: Duration = Duration::from_secs(30);
/// What was worked out so lately still holds.
const MOMENT: Duration = Duration::from_millis(2);
/// Between two looks at what was not heard of yet.
const UNKNOWN: Duration = Duration::from_millis(500);
/// A token bucket per object: one write a second, three in a row.
const BURST: f64 = 3.0;

/// When each object was written, so that none is written too often.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    state: Mutex<State>,
    /// Writes at a time.
    lane: Lane,
}

#[derive(Debug, Default)]
struct State {
    buckets: HashMap<BindingKey, Bucket>,
    /// How many of them are in a passing state.
    passing: u32,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
    /// Since when a state is passing that was not written.
    passing: Option<Instant>,
    /// How often a passing state was written since one last stood.
    told: u32,
}

/// What is to be written.
struct Due {
    binding: Arc<WorkloadBinding>,
    status: Option<WorkloadBindingStatus>,
    template: Option<(Held, Value)>,
    /// Whether it will stand; else it is only passing.
    settled: bool,
}

impl Buckets {
    /// How long the next write must wait; zero takes a token.
    fn take(&self, key: &BindingKey, settled: bool, now: Instant) -> Duration {
        let mut state = self.state.lock();
        let State { buckets, passing } = &mut *state;
        let bucket = buckets.entry(key.clone()).or_insert(Bucket {
            tokens: BURST,
            at: now,
            passing: None,
            told: 0,
        });
        bucket.tokens = (bucket.tokens + now.duration_since(bucket.at).as_secs_f64()).min(BURST);
        bucket.at = now;
        if settled {
            *passing -= u32::from(bucket.passing.take().is_some());
            bucket.told = 0;
        } else {
            *passing += u32::from(bucket.passing.is_none());
            let since = *bucket.passing.get_or_insert(now);
            let lasted = now.duration_since(since);
            let due = bucket.patience(*passing);
            if lasted < due {
                return due.saturating_sub(lasted);
            }
        }
        // What passes leaves one for what stands in the end: that must not wait.
        let needed = if settled { 1.0 } else { 2.0 };
        if bucket.tokens < needed {
            return Duration::from_secs_f64(needed - bucket.tokens);
        }
        bucket.tokens -= 1.0;
        *passing -= u32::from(bucket.passing.take().is_some());
        bucket.told += u32::from(!settled);
        Duration::ZERO
    }

    /// How long what passes must still wait, if it was passing when it was last looked at.
    fn passes(&self, key: &BindingKey, now: Instant) -> Option<Duration> {
        let state = self.state.lock();
        let bucket = state.buckets.get(key)?;
        let left = bucket
            .patience(state.passing)
            .saturating_sub(now.duration_since(bucket.passing?));
        (!left.is_zero()).then_some(left)
    }

    /// What was passing when it was last looked at is as it should be, or gone.
    fn settle(&self, key: &BindingKey) {
        let mut state = self.state.lock();
        let State { buckets, passing } = &mut *state;
        if let Some(bucket) = buckets.get_mut(key) {
            *passing -= u32::from(bucket.passing.take().is_some());
        }
    }

    /// Forgets what has been quiet.
    fn tidy(&self, now: Instant) {
        let mut state = self.state.lock();
        if state.buckets.len() > 1000 {
            state.buckets.retain(|_, bucket| {
                bucket.passing.is_some() || now.duration_since(bucket.at) < Duration::from_secs(10)
            });
        }
    }
}

impl Bucket {
    /// How long a passing state must last before it is told, when so many are passing.
    fn patience(&self, passing: u32) -> Duration {
        let others = passing.saturating_sub(1);
        let patience = (PASSING + PASSING_EACH.saturating_mul(others)) * (1 << self.told.min(4));
        patience.min(PASSING_AT_MOST)
    }
}

impl Engine {
    /// Handles keys until stopped.
    pub(super) async fn status_loop(self: Arc<Self>, buckets: Arc<Buckets>) {
        loop {
            let work = self.status.next().await;
            self.until_active().await;
            let key = work.key();
            match self.write_status(key, &buckets).await {
                Ok(None) => self.status.forget(key),
                Ok(Some(wait)) => self.status.add_after(key.clone(), wait),
                Err(error) if error.is_not_leader() => self.status.add_after(key.clone(), GATED),
                Err(error) => {
                    tracing::debug!(binding = %key, %error, "failed to write status; trying again");
                    self.status.retry(key.clone());
                }
            }
        }
    }

    /// Writes what differs. `Some` when it is too early.
    async fn write_status(&self, key: &BindingKey, buckets: &Buckets) -> Result<Option<Duration>, Error> {
        if !self.is_known(key) {
            return Ok(Some(UNKNOWN));
        }
        let now = Instant::now();
        // Most looks at what is on its way end here: nothing is worked out that is not told yet.
        if let Some(wait) = buckets.passes(key, now)
            && self.is_passing(key)
        {
            return Ok(Some(wait));
        }
        let Some(due) = self.due(key) else {
            buckets.settle(key);
            return Ok(None);
        };
        buckets.tidy(now);
        let wait = buckets.take(key, due.settled, now);
        if !wait.is_zero() {
            return Ok(Some(wait));
        }
        self.backlog.calm().await;
        let _place = buckets.lane.enter().await;
        let due = if now.elapsed() < MOMENT {
            due
        } else {
            // It may have moved on while this waited.
            let Some(due) = self.due(key) else { return Ok(None) };
            due
        };
        let of_binding = async {
            match &due.status {
                Some(status) => self.write_binding_status(key, &due.binding, status).await,
                None => Ok(()),
            }
        };
        let of_template = async {
            match &due.template {
                Some((held, status)) => self.write_template_status(held, status).await,
                None => Ok(()),
            }
        };
        let (binding, template) = tokio::join!(of_binding, of_template);
        binding.and(template)?;
        Ok(None)
    }

    /// Whether more is still on its way. Cheap beside [`Self::due`].
    fn is_passing(&self, key: &BindingKey) -> bool {
        self.index.binding(key).is_some_and(|binding| {
            let held = self.index.template(key);
            let template = held.as_ref().map(|held| &*held.template);
            let kinds = self.index.kinds_known.load();
            !is_settled(&kinds, &binding, &self.standings(key, &binding), template)
        })
    }

    /// What differs from what is shown; `None` when nothing does.
    fn due(&self, key: &BindingKey) -> Option<Due> {
        let binding = self.index.binding(key)?;
        let standings = self.standings(key, &binding);
        let kinds = self.index.kinds_known.load();
        if let Some(rule) = binding
            .spec
            .template
            .group_kind()
            .and_then(|kind| kinds.rule(&kind))
        {
            self.look_at_rule(rule);
        }
        let scheduling = self.scheduling.get(key).map(|scheduling| scheduling.clone());
        let wanted = binding_status(
            &kinds,
            &binding,
            scheduling.as_ref(),
            &standings,
            self.clock.now(),
        );
        let held = self.index.template(key);
        let template = held.as_ref().map(|held| &*held.template);
        let settled = is_settled(&kinds, &binding, &standings, template);
        let template = held.and_then(|held| {
            let read = |status: &str| serde_json::from_str::<Value>(status).ok();
            let previous = held.status.as_deref().and_then(read);
            let status = match &held.template.bundle {
                Some(_) => bundle_status(&held.template, previous.as_ref(), &wanted, &standings),
                None => template_status(&kinds, &held.template, previous.as_ref(), &binding, &standings)?,
            };
            let differs = previous.as_ref().unwrap_or(&json!({})) != &status;
            (differs && !self.is_refused(&held.template.key.group_kind(), key, &status))
                .then_some((held, status))
        });
        let status = (binding.status.as_ref() != Some(&wanted)).then_some(wanted);
        (status.is_some() || template.is_some()).then_some(Due {
            binding,
            status,
            template,
            settled,
        })
    }

    /// Whether what stands in every member was seen since this hub started: what was not seen yet is not news.
    fn is_known(&self, key: &BindingKey) -> bool {
        let Some(binding) = self.index.binding(key) else {
            return true;
        };
        let objects = binding.objects(&key.namespace);
        let fleet = self.fleet.snapshot();
        binding.spec.clusters.iter().all(|cluster| {
            let Some(seen) = fleet.members.get(&cluster.name) else {
                return true;
            };
            match (seen.reach, self.fleet.member(&cluster.name)) {
                (Reach::Unreachable, _) => true,
                (Reach::Unknown, _) | (_, None) => false,
                (Reach::Reachable | Reach::Suspect, Some(member)) => {
                    seen.held.is_some()
                        || !self.ledger.standing(key, &cluster.name).applied
                        || objects
                            .iter()
                            .all(|object| member.is_synced(&object.group_kind(), Some(&key.namespace)))
                }
            }
        })
    }

    fn standings(&self, key: &BindingKey, binding: &WorkloadBinding) -> Standings {
        let fleet = self.fleet.snapshot();
        let object = binding.spec.template.key(&key.namespace).ok();
        let mut known = self.ledger.all(key);
        binding
            .spec
            .clusters
            .iter()
            .map(|cluster| {
                let reach = fleet
                    .members
                    .get(&cluster.name)
                    .map_or(Reach::Unknown, |member| member.reach);
                let member = self.fleet.member(&cluster.name);
                let row = |object: &ObjectKey| member.as_ref()?.row(object);
                let standing = known.remove(&cluster.name).unwrap_or_default();
                let rows = if binding.spec.items.is_empty() {
                    Rows::One(object.as_ref().and_then(row))
                } else {
                    Rows::Each(standing.objects.iter().map(|placed| row(&placed.key())).collect())
                };
                (cluster.name.clone(), (standing, reach, rows))
            })
            .collect()
    }

    async fn write_binding_status(
        &self,
        key: &BindingKey,
        binding: &WorkloadBinding,
        wanted: &WorkloadBindingStatus,
    ) -> Result<(), Error> {
        let api: Api<WorkloadBinding> = Api::namespaced(self.hub.client(), &key.namespace);
        let unreadable = |error: serde_json::Error| Error::Unreadable {
            what: format!("the status of binding {key}"),
            why: error.to_string(),
        };
        let before = serde_json::to_value(binding.status_or_default()).map_err(unreadable)?;
        let after = serde_json::to_value(wanted).map_err(unreadable)?;
        let patch = json!({"metadata": {"uid": binding.metadata.uid}, "status": merge(&before, &after)});
        let params = PatchParams {
            field_manager: Some(self.me.manager.clone()),
            ..PatchParams::default()
        };
        let writing = self.index.writing(key);
        let written = api.patch_status(&key.name, &params, &Patch::Merge(&patch)).await;
        Self::count_hub(Verb::Status, &written);
        let outcome = match written {
            Ok(written) => {
                self.keep(key, written);
                Ok(())
            }
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(source) => Err(self.stale(key, "write the status of", source).await),
        };
        drop(writing);
        self.catch_up(key, binding);
        outcome
    }

    /// A template that is nowhere any more shows no counts.
    pub(super) async fn clear_template_status(&self, key: &BindingKey) -> Result<(), Error> {
        let Some(held) = self.index.template(key) else {
            return Ok(());
        };
        let read = |status: &str| serde_json::from_str::<Value>(status).ok();
        let Some(before) = held.status.as_deref().and_then(read) else {
            return Ok(());
        };
        match cleared_status(&self.index.kinds_known.load_full(), &held.template, &before) {
            Some(cleared) if cleared != before => self.write_template_status(&held, &cleared).await,
            _ => Ok(()),
        }
    }

    async fn write_template_status(&self, held: &Held, status: &Value) -> Result<(), Error> {
        let template = &held.template;
        let apis = self.index.apis.load();
        let Some(api) = apis.kind(&template.key.group_kind()).filter(|api| api.status) else {
            return Ok(());
        };
        let Some(namespace) = &template.key.namespace else {
            return Ok(());
        };
        let gvk =
            kube::core::GroupVersionKind::gvk(&template.gvk.group, &template.gvk.version, &template.gvk.kind);
        let resource = kube::api::ApiResource::from_gvk_with_plural(&gvk, &api.plural);
        let objects: Api<Observed> = Api::namespaced_with(self.hub.client(), namespace, &resource);
        let before: Value = held
            .status
            .as_deref()
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or(json!({}));
        let patch = json!({"metadata": {"uid": template.uid}, "status": merge(&before, status)});
        let params = PatchParams {
            field_manager: Some(self.me.manager.clone()),
            ..PatchParams::default()
        };
        let written = objects
            .patch_status(&template.key.name, &params, &Patch::Merge(&patch))
            .await;
        Self::count_hub(Verb::Status, &written);
        match written {
            Ok(written) => {
                if let Some(key) = BindingKey::of(&template.key) {
                    let kept = written.status.map(|status| Arc::<str>::from(status.get()));
                    self.note_sum(template, &key, status, kept.as_deref());
                    self.index.keep_status(&key, &template.uid, kept);
                }
                Ok(())
            }
            // Gone, or another one of that name: its own events say so.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
            Err(kube::Error::Api(refused)) if self.note_refused_sum(template, status, &refused) => Ok(()),
            Err(source) => {
                Err(WireError::call(format!("write the status of {}", template.key), source).into())
            }
        }
    }
}

/// The merge patch from one object to another: top-level fields that differ, and null for those that go.
fn merge(before: &Value, after: &Value) -> Value {
    let empty = Map::new();
    let (before, after) = (
        before.as_object().unwrap_or(&empty),
        after.as_object().unwrap_or(&empty),
    );
    let mut patch: Map<String, Value> = after
        .iter()
        .filter(|(name, value)| before.get(*name) != Some(value))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        patch.insert(name.clone(), Value::Null);
    }
    Value::Object(patch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> BindingKey {
        BindingKey {
            namespace: "shop".parse().unwrap(),
            name: "deployment-web-0123456789".parse().unwrap(),
        }
    }

    #[test]
    fn a_patch_holds_only_what_differs() {
        let before = json!({"replicas": 1, "readyReplicas": 1, "conditions": [1]});
        let after = json!({"replicas": 1, "conditions": [2]});
        assert_eq!(
            merge(&before, &after),
            json!({"readyReplicas": null, "conditions": [2]})
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_object_is_written_three_times_in_a_row_and_then_once_a_second() {
        let buckets = Buckets::default();
        for _ in 0..3 {
            assert!(buckets.take(&key(), true, Instant::now()).is_zero());
        }
        assert!(!buckets.take(&key(), true, Instant::now()).is_zero());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(buckets.take(&key(), true, Instant::now()).is_zero());
        assert!(!buckets.take(&key(), true, Instant::now()).is_zero());
    }

    #[tokio::test(start_paused = true)]
    async fn a_passing_state_is_written_only_when_it_lasts() {
        let buckets = Buckets::default();
        let wait = buckets.take(&key(), false, Instant::now());
        assert_eq!(wait, PASSING);
        assert!(
            buckets.take(&key(), true, Instant::now()).is_zero(),
            "what stands is written at once"
        );
        tokio::time::advance(Duration::from_secs(1)).await;
        let wait = buckets.take(&key(), false, Instant::now());
        tokio::time::advance(wait).await;
        assert!(buckets.take(&key(), false, Instant::now()).is_zero());
    }

    #[tokio::test(start_paused = true)]
    async fn what_stands_in_the_end_never_waits_for_what_passed_before() {
        let buckets = Buckets::default();
        let start = Instant::now();
        let mut written = 0;
        while start.elapsed() < Duration::from_mins(1) {
            let wait = buckets.take(&key(), false, Instant::now());
            written += u32::from(wait.is_zero());
            tokio::time::advance(wait.max(Duration::from_millis(1))).await;
        }
        assert!(
            (5..=10).contains(&written),
            "{written} times in a minute of passing"
        );
        assert!(buckets.take(&key(), true, Instant::now()).is_zero());
        assert_eq!(buckets.take(&key(), false, Instant::now()), PASSING);
    }

    #[tokio::test(start_paused = true)]
    async fn the_more_is_passing_the_longer_each_waits_but_what_stands_never_does() {
        let buckets = Buckets::default();
        let one = |number| BindingKey {
            name: format!("deployment-{number}").parse().unwrap(),
            ..key()
        };
        for number in 0..100 {
            buckets.take(&one(number), false, Instant::now());
        }
        assert_eq!(
            buckets.take(&key(), false, Instant::now()),
            PASSING + PASSING_EACH * 100
        );
        for number in 0..100 {
            assert!(buckets.take(&one(number), true, Instant::now()).is_zero());
        }
        assert_eq!(buckets.take(&key(), false, Instant::now()), PASSING);
        for number in 0..10_000 {
            buckets.take(&one(number), false, Instant::now());
        }
        assert_eq!(buckets.take(&key(), false, Instant::now()), PASSING_AT_MOST);
        buckets.settle(&key());
        buckets.settle(&key());
        assert_eq!(buckets.state.lock().passing, 10_000);
    }
}
