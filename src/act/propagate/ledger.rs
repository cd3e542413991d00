//! What the hub knows to stand in members, per binding: what it wrote, and what went wrong.
//!
//! Filled from the bindings' status at start, then by the outcome of every write. The members themselves are
//! the truth; this is what the next comparison starts from.

use std::{collections::BTreeMap, time::Duration};

use dashmap::DashMap;
use tokio::time::Instant;

use crate::model::{
    api::{ConditionType, DriftScope, PlacedObject, Reason, WorkloadBinding, find_condition},
    fleet::BindingKey,
    hash::Hash,
    name::{ClusterName, ObjectKey},
};

/// The ledger of all bindings.
#[derive(Debug, Default)]
pub struct Ledger(DashMap<BindingKey, BTreeMap<ClusterName, Standing>>);

/// What stands of one binding in one member.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// The member holds what the template says at `generation`.
    pub applied: bool,
    /// Generation of the template that was last applied.
    pub generation: Option<i64>,
    /// What was written there.
    pub objects: Vec<PlacedObject>,
    /// Why it is not applied.
    pub problem: Option<Problem>,
    /// Everything of it was confirmed gone, after it was to be removed.
    pub gone: bool,
    /// What happened to its objects; most have no entry.
    pub trials: BTreeMap<ObjectKey, Trials>,
    /// Of a Bundle, objects that were confirmed gone after they had left it.
    pub pruned: Vec<ObjectKey>,
}

/// What happened to one object.
#[derive(Debug, Clone, Default)]
pub struct Trials {
    /// Somebody changed it, and it is not repaired yet.
    pub drifted: Option<String>,
    /// Repairs lately, so that nobody is fought.
    pub repairs: Repairs,
    /// The last live look at a drift.
    pub looked: Option<Looked>,
    /// The intent for which the object was deleted and made again.
    pub recreated: Option<Hash>,
}

impl Standing {
    /// What is recorded of an object.
    #[must_use]
    pub fn recorded(&self, key: &ObjectKey) -> Option<&PlacedObject> {
        self.objects.iter().find(|placed| placed.is(key))
    }

    /// Records an object in the place of what was recorded of it.
    pub fn record(&mut self, placed: PlacedObject) {
        match self.objects.iter_mut().find(|had| {
            had.name == placed.name
                && had.kind == placed.kind
                && had.group == placed.group
                && had.namespace == placed.namespace
        }) {
            Some(had) => *had = placed,
            None => self.objects.push(placed),
        }
    }

    /// What happened to an object.
    pub fn trials(&mut self, key: &ObjectKey) -> &mut Trials {
        self.trials.entry(key.clone()).or_default()
    }

    /// Says whether somebody changed an object.
    pub fn set_drifted(&mut self, key: &ObjectKey, drifted: Option<String>) {
        if drifted.is_some() || self.trials.contains_key(key) {
            self.trials(key).drifted = drifted;
        }
    }

    /// How an object was changed by somebody and not repaired yet.
    #[must_use]
    pub fn drifted_of(&self, key: &ObjectKey) -> Option<&String> {
        self.trials.get(key)?.drifted.as_ref()
    }

    /// The first of its objects that somebody changed and that is not repaired yet.
    #[must_use]
    pub fn drifted(&self) -> Option<&String> {
        self.trials.values().find_map(|trials| trials.drifted.as_ref())
    }
}

/// What a live look at an object found, and of which state of it that is true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// Our own entry in managedFields.
    pub owned: Option<Hash>,
    /// Those of others.
    pub others: Option<Hash>,
    /// What was compared with.
    pub intent: Hash,
    /// What was looked for.
    pub scope: DriftScope,
    /// The drift, for people.
    pub found: Option<String>,
}

impl Looked {
    /// Whether both are of the same state.
    #[must_use]
    pub fn is_of(&self, other: &Self) -> bool {
        (self.owned, self.others, self.intent, self.scope)
            == (other.owned, other.others, other.intent, other.scope)
    }
}

/// Why something is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// For machines.
    pub reason: Reason,
    /// For people: with names, numbers and what to do.
    pub message: String,
    /// Whether only a change of the template, the policy or the member helps.
    pub terminal: bool,
}

/// At most one repair per backoff period; periods double while the same object keeps being edited.
#[derive(Debug, Clone, Default)]
pub struct Repairs {
    count: u32,
    last: Option<Instant>,
}

const FIRST_PERIOD: Duration = Duration::from_secs(2);
const LAST_PERIOD: Duration = Duration::from_mins(5);
/// After this long without an edit the next one is repaired at once again.
const CALM: Duration = Duration::from_mins(10);

impl Repairs {
    /// How long the next repair must wait.
    #[must_use]
    pub fn wait(&self, now: Instant) -> Duration {
        let Some(last) = self.last else {
            return Duration::ZERO;
        };
        let period = FIRST_PERIOD
            .saturating_mul(1 << self.count.saturating_sub(1).min(10))
            .min(LAST_PERIOD);
        (last + period).saturating_duration_since(now)
    }

    /// Counts one repair.
    pub fn note(&mut self, now: Instant) {
        if self.last.is_some_and(|last| now.duration_since(last) > CALM) {
            self.count = 0;
        }
        self.count = self.count.saturating_add(1);
        self.last = Some(now);
    }
}

impl Ledger {
    /// Takes up what a binding's status says, for members the ledger has nothing on.
    pub fn learn(&self, key: &BindingKey, binding: &WorkloadBinding) {
        let mut known = self.0.entry(key.clone()).or_default();
        let told = binding
            .status
            .as_ref()
            .and_then(|status| find_condition(&status.conditions, ConditionType::Applied));
        // A status that is older than the decision says nothing of it.
        let current = told.is_some_and(|told| told.observed_generation == binding.metadata.generation);
        for cluster in binding.status.iter().flat_map(|status| &status.clusters) {
            known.entry(cluster.name.clone()).or_insert_with(|| Standing {
                applied: cluster.applied && current,
                generation: cluster.generation,
                objects: cluster.objects.clone(),
                ..Standing::default()
            });
        }
    }

    /// Takes up what a binding's status says in place of what was known. For a process that does not lead: the
    /// leader's record is the newer one, and an old uid kept here would make a removal miss its object.
    pub fn relearn(&self, key: &BindingKey, binding: &WorkloadBinding) {
        self.forget(key);
        self.learn(key, binding);
    }

    /// What stands in one member; nothing is known of it if that is empty.
    #[must_use]
    pub fn standing(&self, key: &BindingKey, cluster: &ClusterName) -> Standing {
        self.0
            .get(key)
            .and_then(|all| all.get(cluster).cloned())
            .unwrap_or_default()
    }

    /// What stands in every member.
    #[must_use]
    pub fn all(&self, key: &BindingKey) -> BTreeMap<ClusterName, Standing> {
        self.0.get(key).map(|all| all.clone()).unwrap_or_default()
    }

    /// Changes what is known of one member.
    pub fn update<T>(
        &self,
        key: &BindingKey,
        cluster: &ClusterName,
        change: impl FnOnce(&mut Standing) -> T,
    ) -> T {
        let mut all = self.0.entry(key.clone()).or_default();
        change(all.entry(cluster.clone()).or_default())
    }

    /// Nothing of the binding is in that member any more.
    pub fn forget_member(&self, key: &BindingKey, cluster: &ClusterName) {
        if let Some(mut all) = self.0.get_mut(key) {
            all.remove(cluster);
        }
    }

    /// The binding is gone.
    pub fn forget(&self, key: &BindingKey) {
        self.0.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A binding whose object in member `m` has this uid.
    fn binding(uid: &str) -> WorkloadBinding {
        let object = json!({"kind": "ConfigMap", "namespace": "shop", "name": "web", "uid": uid});
        serde_json::from_value(json!({
            "apiVersion": "hanse.dev/v1alpha1", "kind": "WorkloadBinding",
            "metadata": {"name": "configmap-web-0123456789", "namespace": "shop"},
            "spec": {"template": {"apiVersion": "v1", "kind": "ConfigMap", "name": "web", "uid": "t"}},
            "status": {"clusters": [{"name": "m", "applied": true, "objects": [object]}]},
        }))
        .unwrap()
    }

    #[test]
    fn a_standby_follows_the_leaders_record_and_a_leader_keeps_its_own() {
        let (ledger, cluster) = (Ledger::default(), "m".parse().unwrap());
        let key = BindingKey {
            namespace: "shop".parse().unwrap(),
            name: "configmap-web-0123456789".parse().unwrap(),
        };
        let uid = || ledger.standing(&key, &cluster).objects[0].uid.clone().unwrap();
        ledger.relearn(&key, &binding("first"));
        ledger.relearn(&key, &binding("made-again"));
        assert_eq!(uid(), "made-again");
        ledger.learn(&key, &binding("late"));
        assert_eq!(uid(), "made-again");
    }

    #[tokio::test(start_paused = true)]
    async fn an_object_that_keeps_being_edited_is_repaired_ever_more_rarely() {
        let mut repairs = Repairs::default();
        let mut written = 0;
        let start = Instant::now();
        while start.elapsed() < Duration::from_hours(1) {
            let wait = repairs.wait(Instant::now());
            tokio::time::advance(wait.max(Duration::from_millis(100))).await;
            if repairs.wait(Instant::now()).is_zero() {
                repairs.note(Instant::now());
                written += 1;
            }
        }
        assert!(
            (10..=25).contains(&written),
            "{written} repairs in an hour of fighting"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_edit_after_a_calm_time_is_repaired_at_once() {
        let mut repairs = Repairs::default();
        for _ in 0..6 {
            repairs.note(Instant::now());
        }
        tokio::time::advance(CALM + Duration::from_secs(1)).await;
        assert!(repairs.wait(Instant::now()).is_zero());
    }
}
