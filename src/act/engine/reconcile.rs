//! One pass over one template: decide, write the binding, hand the work to the lanes.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use kube::{
    Api,
    api::{DeleteParams, Preconditions},
};

use super::bindings::{Looked, has_finalizer};
use super::{
    decision::{Decision, Facts, all_removing},
    engine::{Engine, GATED},
    error::Error,
    scaled::Scaled,
};
use crate::{
    act::{propagate::Scheduling, wire::Error as WireError},
    model::{
        api::{BindingCluster, WorkloadBinding, WorkloadBindingSpec},
        fleet::{BindingKey, Reach},
        mark,
        name::ClusterName,
    },
    telemetry::metrics,
};

/// Passes at a time. What limits them is the hub API, not this.
pub(super) const WORKERS: usize = 16;
/// What waits for room is looked at again this often, should nobody say that there is some: what was assumed to come may
/// not have come.
const ROOM_AGAIN: Duration = Duration::from_secs(20);

impl Engine {
    /// Handles keys until stopped.
    pub(super) async fn reconcile_loop(self: Arc<Self>) {
        loop {
            let work = self.queue.next().await;
            self.until_active().await;
            match self.reconcile(work.key()).await {
                Ok(()) => self.queue.forget(work.key()),
                Err(error) if error.is_not_leader() => self.queue.add_after(work.key().clone(), GATED),
                Err(error) if error.is_conflict() => {
                    self.queue.retry(work.key().clone()); // the index was older than the hub API; it is read back
                }
                Err(error) => {
                    metrics().pass_failures.inc();
                    let delay = self.queue.retry(work.key().clone());
                    tracing::warn!(binding = %work.key(), %error, ?delay, "failed to reconcile; trying again");
                }
            }
        }
    }

    async fn reconcile(&self, key: &BindingKey) -> Result<(), Error> {
        let current = self.index.binding(key);
        let held = self.index.template(key);
        if current.is_none() && held.is_none() {
            self.ledger.forget(key);
            self.scheduling.remove(key);
            self.need_nothing(key);
            return Ok(());
        }
        let template = match (&held, &current) {
            (Some(held), _) => Some(held.template.clone()),
            (None, Some(binding)) => match self.live_template(key, binding).await? {
                Looked::Gone => None,
                Looked::There(template) => Some(template),
                Looked::Unknown => {
                    self.queue.add_after(key.clone(), Duration::from_secs(5));
                    return Ok(());
                }
            },
            (None, None) => None,
        };
        let required = self.required(key);
        let labels = self.labels(key);
        let (policies, overrides, tenants, fleet) = (
            self.index.policies.load_full(),
            self.index.overrides.load_full(),
            self.index.tenants.load_full(),
            self.fleet.snapshot(),
        );
        let now = self.clock.now();
        let scaled = template.as_deref().map_or(Scaled::Whole, |template| {
            self.scaled(template, current.as_deref())
        });
        let facts = Facts {
            key,
            template: template.as_deref(),
            current: current.as_deref(),
            policies: &policies,
            overrides: &overrides,
            tenants: &tenants,
            labels: &labels,
            required: &required,
            scaled: &scaled,
            fleet: &fleet,
            now,
        };
        let decision = self.decide(&facts);
        let (wants_room, fails_over) = match &decision {
            Decision::Want(wanted) => (wanted.wants_room, wanted.fails_over),
            _ => (false, false),
        };
        if wants_room {
            self.waiting.insert(key.clone());
            self.queue.add_after(key.clone(), ROOM_AGAIN);
        } else {
            self.waiting.remove(key);
        }
        if fails_over {
            metrics().failovers.inc();
        }
        self.follow_dependencies(key, template.as_deref(), &decision);
        match (decision, current) {
            (Decision::Ignore, None) => {
                self.scheduling.remove(key);
                Ok(())
            }
            (Decision::Ignore, Some(binding)) => self.take_down(key, &binding).await,
            (Decision::Want(wanted), current) => {
                if let Some(until) = wanted.until {
                    let wait = until.duration_since(now);
                    self.queue.add_after(key.clone(), wait.unsigned_abs());
                }
                self.stand(key, current, wanted.spec, wanted.scheduling).await
            }
            (Decision::Freeze(scheduling), Some(binding)) => self.freeze(key, &binding, scheduling).await,
            (Decision::Remove(scheduling), Some(binding)) => {
                self.scheduling.insert(key.clone(), scheduling);
                self.take_down(key, &binding).await
            }
            (Decision::Freeze(_) | Decision::Remove(_), None) => Ok(()),
        }
    }

    /// The binding as it should stand, and its work.
    async fn stand(
        &self,
        key: &BindingKey,
        current: Option<Arc<WorkloadBinding>>,
        mut spec: WorkloadBindingSpec,
        scheduling: Scheduling,
    ) -> Result<(), Error> {
        let changed_mind = self
            .scheduling
            .insert(key.clone(), scheduling.clone())
            .is_none_or(|had| had != scheduling);
        self.drop_left(key, &mut spec);
        let binding = match current {
            Some(binding) if binding.metadata.deletion_timestamp.is_some() => {
                return self.let_go_and_remake(key, &binding).await;
            }
            None if spec.clusters.is_empty() && self.fleet.snapshot().members.is_empty() => {
                // Nothing to say yet: the first member asks again.
                return Ok(());
            }
            None => {
                if self.index.is_terminating(&key.namespace) {
                    return Ok(()); // a state, not an error: nothing is created there
                }
                self.create(key, spec).await?
            }
            Some(binding) if binding.spec == spec && has_finalizer(&binding) => binding,
            Some(binding) => {
                self.doubt_outdated(key, &binding.spec, &spec);
                self.replace(key, &binding, spec, true).await?
            }
        };
        for cluster in &binding.spec.clusters {
            self.lanes.add_urgent(self, &cluster.name, key);
        }
        self.wake_scalers_of(&binding);
        // Where this one is, what it needs must be too.
        for child in self.index.needs_of(key) {
            let here = self.index.binding(&child).is_some_and(|needed| {
                let by = needed.spec.required_by.iter().find(|by| by.binding == key.name);
                by.is_some_and(|by| binding.wanted().map(|cluster| &cluster.name).eq(&by.clusters))
            });
            if !here && self.index.template(&child).is_some() {
                self.queue.add(child);
            }
        }
        if changed_mind {
            self.touch(key);
        }
        Ok(())
    }

    /// Nothing changes any more but for members that are leaving.
    async fn freeze(
        &self,
        key: &BindingKey,
        binding: &Arc<WorkloadBinding>,
        scheduling: Scheduling,
    ) -> Result<(), Error> {
        self.scheduling.insert(key.clone(), scheduling);
        if binding.metadata.deletion_timestamp.is_some() {
            return self.let_go_and_remake(key, binding).await;
        }
        let fleet = self.fleet.snapshot();
        let mut spec = binding.spec.clone();
        for cluster in &mut spec.clusters {
            let leaving = self.index.clusters.get(&cluster.name).is_none()
                || fleet
                    .members
                    .get(&cluster.name)
                    .is_some_and(|member| member.leaving);
            cluster.removing |= leaving;
        }
        self.drop_left(key, &mut spec);
        if spec != binding.spec {
            self.replace(key, binding, spec, true).await?;
        }
        for cluster in binding.spec.clusters.iter().filter(|cluster| cluster.removing) {
            self.lanes.add(&cluster.name, key);
        }
        self.touch(key);
        Ok(())
    }

    /// Takes everything away, and the binding last.
    async fn take_down(&self, key: &BindingKey, binding: &Arc<WorkloadBinding>) -> Result<(), Error> {
        let mut spec = all_removing(&binding.spec);
        self.drop_left(key, &mut spec);
        let away: Vec<ClusterName> = spec
            .clusters
            .iter()
            .map(|cluster| cluster.name.clone())
            .filter(|name| self.is_out_of_reach(name) && self.suspended(key, binding, name).is_none())
            .collect();
        for cluster in &away {
            self.keep_removal(cluster, key, binding).await?;
            spec.clusters.retain(|entry| entry.name != *cluster);
        }
        if spec.clusters.is_empty() {
            return self.end(key, binding, spec).await;
        }
        let binding = if spec == binding.spec {
            binding.clone()
        } else {
            self.replace(key, binding, spec, true).await?
        };
        for cluster in &binding.spec.clusters {
            self.lanes.add(&cluster.name, key);
        }
        self.touch(key);
        Ok(())
    }

    /// No member holds anything of it: the binding goes.
    async fn end(
        &self,
        key: &BindingKey,
        binding: &Arc<WorkloadBinding>,
        spec: WorkloadBindingSpec,
    ) -> Result<(), Error> {
        let binding = if spec != binding.spec || has_finalizer(binding) {
            self.replace(key, binding, spec, false).await?
        } else {
            binding.clone()
        };
        if binding.metadata.deletion_timestamp.is_none() {
            let params = DeleteParams {
                preconditions: Some(Preconditions {
                    uid: binding.metadata.uid.clone(),
                    resource_version: binding.metadata.resource_version.clone(),
                }),
                ..DeleteParams::default()
            };
            match self.bindings(key).delete(&key.name, &params).await {
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(source) => return Err(self.stale(key, "delete", source).await),
                Ok(_) => {}
            }
        }
        self.index.lose_binding(key);
        self.count_for_policy(key, &binding);
        self.ledger.forget(key);
        self.scheduling.remove(key);
        self.waiting.remove(key);
        self.assume_nothing(key);
        self.need_nothing(key);
        self.clear_template_status(key).await?;
        for cluster in &self.fleet.snapshot().members {
            self.sweeps
                .add_after(cluster.0.clone(), Duration::from_millis(500));
        }
        if let Some(tenant) = &binding.spec.tenant
            && let Ok(name) = tenant.name.as_str().parse()
        {
            self.tenants.add(name);
        }
        self.queue.add(key.clone()); // it may have been made again meanwhile
        Ok(())
    }

    /// Somebody deleted the binding while its template lives: its record is made again, its objects stay.
    async fn let_go_and_remake(&self, key: &BindingKey, binding: &Arc<WorkloadBinding>) -> Result<(), Error> {
        let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(self.hub.client());
        let namespace = namespaces
            .get_metadata_opt(&key.namespace)
            .await
            .map_err(|source| WireError::call(format!("read namespace {}", key.namespace), source))?;
        if namespace.is_none_or(|namespace| namespace.metadata.deletion_timestamp.is_some()) {
            return self.take_down(key, binding).await;
        }
        tracing::warn!(binding = %key, "the binding was deleted by hand while its template lives; it is made again");
        let spec = binding.spec.clone();
        if has_finalizer(binding) {
            self.replace(key, binding, spec.clone(), false).await?;
        }
        self.index.lose_binding(key);
        self.create(key, spec).await?;
        self.touch(key);
        self.queue.add(key.clone());
        Ok(())
    }

    /// What members hold is another revision, of other overrides, or of a template that was made anew, and no longer what
    /// the decision says:
    /// known before the decision is written, so that no status claims it of the new one.
    fn doubt_outdated(&self, key: &BindingKey, before: &WorkloadBindingSpec, now: &WorkloadBindingSpec) {
        let remade = before.template.uid != now.template.uid;
        for cluster in &now.clusters {
            let had = before.clusters.iter().find(|had| had.name == cluster.name);
            if had.is_some_and(|had| {
                remade
                    || had.revision != cluster.revision
                    || had.overrides != cluster.overrides
                    || had.scale != cluster.scale
            }) {
                self.ledger
                    .update(key, &cluster.name, |standing| standing.applied = false);
            }
        }
    }

    /// Drops members that are confirmed empty, or whose Cluster is gone for good, and of a Bundle what has left it and is
    /// confirmed gone everywhere.
    fn drop_left(&self, key: &BindingKey, spec: &mut WorkloadBindingSpec) {
        spec.clusters.retain(|cluster| {
            if !cluster.removing {
                // It may have been wanted again in between.
                self.ledger
                    .update(key, &cluster.name, |standing| standing.gone = false);
                return true;
            }
            let gone = self.ledger.standing(key, &cluster.name).gone
                || !self.index.clusters.contains_key(&cluster.name);
            if gone {
                self.ledger.forget_member(key, &cluster.name);
            }
            !gone
        });
        let WorkloadBindingSpec { clusters, items, .. } = spec;
        items.retain(|item| {
            let pruned = |cluster: &BindingCluster| {
                let standing = self.ledger.standing(key, &cluster.name);
                standing.pruned.iter().any(|object| item.is(object))
            };
            !item.removing || !clusters.iter().all(pruned)
        });
    }

    /// Whether a removal there has to wait for the member's return.
    fn is_out_of_reach(&self, cluster: &ClusterName) -> bool {
        let fleet = self.fleet.snapshot();
        fleet
            .members
            .get(cluster)
            .is_none_or(|member| member.reach == Reach::Unreachable || member.held.is_some())
    }

    fn labels(&self, key: &BindingKey) -> BTreeMap<String, String> {
        let tenant = self
            .index
            .namespaces
            .get(&key.namespace)
            .and_then(|namespace| namespace.tenant.clone());
        tenant
            .into_iter()
            .map(|tenant| (mark::TENANT.to_owned(), tenant))
            .collect()
    }

    /// Has a status write considered: what it would say may have changed.
    pub(super) fn touch(&self, key: &BindingKey) {
        self.status.add_after(key.clone(), super::status::DEBOUNCE);
    }
}
