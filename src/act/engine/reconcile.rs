//! One pass over one template: decide, write the binding, hand the work to the lanes.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Duration,
};

use kube::{
    Api,
    api::{DeleteParams, ObjectMeta, PostParams, Preconditions},
};

use super::{
    decision::{Decision, Facts, all_removing},
    engine::Engine,
    error::Error,
};
use crate::{
    act::{
        propagate::Scheduling,
        wire::{Error as WireError, HUB, Target},
    },
    model::{
        api::{Dependencies, RequiredBy, WorkloadBinding, WorkloadBindingSpec},
        fleet::{BindingKey, Reach},
        kind, mark,
        name::{ClusterName, GroupVersionKind, ObjectKey},
        template::Template,
    },
    telemetry::{Outcome, Verb, Write, metrics},
};

/// Passes at a time. What limits them is the hub API, not this.
pub(super) const WORKERS: usize = 16;

impl Engine {
    /// Handles keys until stopped.
    pub(super) async fn reconcile_loop(self: Arc<Self>) {
        loop {
            let work = self.queue.next().await;
            self.until_active().await;
            match self.reconcile(work.key()).await {
                Ok(()) => self.queue.forget(work.key()),
                Err(error) if error.is_not_leader() => {}
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
            return self.need_nothing(key);
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
        let (policies, tenants, fleet) = (
            self.index.policies.load_full(),
            self.index.tenants.load_full(),
            self.fleet.snapshot(),
        );
        let facts = Facts {
            key,
            template: template.as_deref(),
            current: current.as_deref(),
            policies: &policies,
            tenants: &tenants,
            labels: &labels,
            required: &required,
            fleet: &fleet,
        };
        let decision = facts.decide();
        self.follow_dependencies(key, template.as_deref(), &decision);
        match (decision, current) {
            (Decision::Ignore, None) => {
                self.scheduling.remove(key);
                Ok(())
            }
            (Decision::Ignore, Some(binding)) => self.take_down(key, &binding).await,
            (Decision::Want(spec, scheduling), current) => self.stand(key, current, *spec, scheduling).await,
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
            Some(binding) => self.replace(key, &binding, spec, true).await?,
        };
        for cluster in &binding.spec.clusters {
            self.lanes.add_urgent(self, &cluster.name, key);
        }
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
            .filter(|name| self.is_out_of_reach(name))
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
        self.index.bindings.remove(key);
        self.ledger.forget(key);
        self.scheduling.remove(key);
        self.need_nothing(key)?;
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
        self.index.bindings.remove(key);
        self.create(key, spec).await?;
        self.touch(key);
        self.queue.add(key.clone());
        Ok(())
    }

    /// Drops members that are confirmed empty, or whose Cluster is gone for good.
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
    }

    /// Whether a removal there has to wait for the member's return.
    fn is_out_of_reach(&self, cluster: &ClusterName) -> bool {
        let fleet = self.fleet.snapshot();
        fleet
            .members
            .get(cluster)
            .is_none_or(|member| member.reach == Reach::Unreachable || member.held.is_some())
    }

    fn bindings(&self, key: &BindingKey) -> Api<WorkloadBinding> {
        Api::namespaced(self.hub.client(), &key.namespace)
    }

    async fn create(
        &self,
        key: &BindingKey,
        spec: WorkloadBindingSpec,
    ) -> Result<Arc<WorkloadBinding>, Error> {
        let mut binding = WorkloadBinding::new(&key.name, spec);
        binding.metadata = ObjectMeta {
            finalizers: Some(vec![mark::FINALIZER.to_owned()]),
            namespace: Some(key.namespace.to_string()),
            ..binding.metadata
        };
        let params = PostParams {
            field_manager: Some(self.me.manager.clone()),
            ..PostParams::default()
        };
        let created = self.bindings(key).create(&params, &binding).await;
        self.count_hub(Verb::Create, &created);
        match created {
            Ok(binding) => Ok(self.keep(key, binding)),
            Err(source) => Err(self.stale(key, "create", source).await),
        }
    }

    async fn replace(
        &self,
        key: &BindingKey,
        binding: &WorkloadBinding,
        spec: WorkloadBindingSpec,
        hold: bool,
    ) -> Result<Arc<WorkloadBinding>, Error> {
        let mut next = binding.clone();
        next.spec = spec;
        let finalizers = next.metadata.finalizers.get_or_insert_default();
        finalizers.retain(|finalizer| finalizer != mark::FINALIZER);
        if hold {
            finalizers.push(mark::FINALIZER.to_owned());
        }
        let params = PostParams {
            field_manager: Some(self.me.manager.clone()),
            ..PostParams::default()
        };
        let written = self.bindings(key).replace(&key.name, &params, &next).await;
        self.count_hub(Verb::Patch, &written);
        match written {
            Ok(binding) => Ok(self.keep(key, binding)),
            // Without its last finalizer a binding that is being deleted is gone.
            Err(kube::Error::Api(status)) if status.code == 404 && !hold => Ok(Arc::new(next)),
            Err(source) => Err(self.stale(key, "write", source).await),
        }
    }

    pub(super) fn count_hub<T>(&self, verb: Verb, result: &Result<T, kube::Error>) {
        let outcome = match result {
            Ok(_) => Outcome::Done,
            Err(kube::Error::Api(status)) if status.code == 409 => Outcome::Conflict,
            Err(kube::Error::Api(_)) => Outcome::Refused,
            Err(_) => Outcome::Failed,
        };
        metrics()
            .writes
            .get_or_create(&Write {
                server: HUB.to_owned(),
                verb,
                outcome,
            })
            .inc();
    }

    pub(super) fn keep(&self, key: &BindingKey, binding: WorkloadBinding) -> Arc<WorkloadBinding> {
        let binding = Arc::new(binding);
        self.index.keep_binding(key, binding.clone());
        binding
    }

    /// After a conflict the index is older than the hub API: read the binding before the next try.
    pub(super) async fn stale(&self, key: &BindingKey, verb: &'static str, source: kube::Error) -> Error {
        if matches!(&source, kube::Error::Api(status) if matches!(status.code, 404 | 409)) {
            match self.bindings(key).get_opt(&key.name).await {
                Ok(Some(live)) => {
                    self.ledger.learn(key, &live);
                    self.keep(key, live);
                }
                Ok(None) => {
                    self.index.bindings.remove(key);
                }
                Err(error) => {
                    tracing::debug!(binding = %key, error = %crate::act::wire::brief(&error), "failed to read back")
                }
            }
        }
        WireError::call(format!("{verb} binding {key}"), source).into()
    }

    /// Whether the template is really gone: only a live read that says "not found" proves it.
    async fn live_template(&self, key: &BindingKey, binding: &WorkloadBinding) -> Result<Looked, Error> {
        let unreadable = |why: String| Error::Unreadable {
            what: format!("the template of binding {key}"),
            why,
        };
        let object = binding
            .spec
            .template
            .key(&key.namespace)
            .map_err(|error| unreadable(error.to_string()))?;
        let gvk = GroupVersionKind::from_api_version(
            &binding.spec.template.api_version,
            &binding.spec.template.kind,
        )
        .map_err(|error| unreadable(error.to_string()))?;
        let apis = self.index.apis.load_full();
        let Some(api) = apis.kind(&object.group_kind()) else {
            return Ok(if apis.complete {
                Looked::Gone
            } else {
                Looked::Unknown
            });
        };
        let version = api.version_or_preferred(&gvk.version).unwrap_or(&gvk.version);
        let resource = kube::api::ApiResource::from_gvk_with_plural(
            &kube::core::GroupVersionKind::gvk(&object.group, version, &object.kind),
            &api.plural,
        );
        let client = self.hub.client();
        let live = Target {
            client: &client,
            resource: &resource,
            key: &object,
        }
        .get_whole()
        .await?;
        match live {
            None => Ok(Looked::Gone),
            Some(live) => {
                let template = Template::from_object(&live, &|manager| self.is_own_manager(manager))
                    .map_err(|error| unreadable(error.to_string()))?;
                Ok(Looked::There(Arc::new(template)))
            }
        }
    }

    pub(super) fn is_own_manager(&self, manager: &str) -> bool {
        manager == self.me.manager || manager == self.me.replicas_manager()
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

    /// The bindings that need this one, and where they are.
    fn required(&self, key: &BindingKey) -> Vec<RequiredBy> {
        let mut required: Vec<RequiredBy> = self
            .index
            .needed_by(key)
            .into_iter()
            .filter_map(|parent| {
                let binding = self.index.binding(&parent)?;
                let clusters: Vec<_> = binding.wanted().map(|cluster| cluster.name.clone()).collect();
                (!clusters.is_empty()).then(|| RequiredBy {
                    binding: parent.name,
                    clusters,
                })
            })
            .collect();
        required.sort_by(|a, b| a.binding.cmp(&b.binding));
        required
    }

    /// Says what the template needs from now on, and has that looked at.
    fn follow_dependencies(&self, key: &BindingKey, template: Option<&Template>, decision: &Decision) {
        let policies = self.index.policies.load();
        let needs: HashSet<BindingKey> = match (template, decision) {
            (Some(template), Decision::Want(spec, _)) => {
                let governed = policies.govern(template, spec.policy.as_ref());
                let follows = governed
                    .is_some_and(|governed| governed.policy.spec.dependencies == Dependencies::Follow);
                if follows {
                    self.dependencies(key, template)
                } else {
                    HashSet::new()
                }
            }
            (Some(_), Decision::Freeze(_)) => return, // what is frozen keeps what it needs
            _ => HashSet::new(),
        };
        for child in self.index.set_needs(key, needs) {
            self.queue.add(child);
        }
    }

    fn dependencies(&self, key: &BindingKey, template: &Template) -> HashSet<BindingKey> {
        kind::dependencies(&template.key.group_kind(), &template.value())
            .into_iter()
            .filter_map(|needed| {
                BindingKey::of(&ObjectKey::new(
                    &needed.kind,
                    Some(key.namespace.clone()),
                    needed.name,
                ))
            })
            .filter(|needed| needed != key)
            .collect()
    }

    fn need_nothing(&self, key: &BindingKey) -> Result<(), Error> {
        for child in self.index.set_needs(key, HashSet::new()) {
            self.queue.add(child);
        }
        Ok(())
    }

    /// Has a status write considered: what it would say may have changed.
    pub(super) fn touch(&self, key: &BindingKey) {
        self.status.add_after(key.clone(), super::status::DEBOUNCE);
    }
}

enum Looked {
    Gone,
    There(Arc<Template>),
    /// The hub API does not answer for the kind.
    Unknown,
}

fn has_finalizer(binding: &WorkloadBinding) -> bool {
    binding
        .metadata
        .finalizers
        .iter()
        .flatten()
        .any(|finalizer| finalizer == mark::FINALIZER)
}
