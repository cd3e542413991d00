//! Bindings in the hub API: made, replaced and read back; and whether their templates still live.

use std::sync::Arc;

use kube::{
    Api,
    api::{ObjectMeta, PostParams},
};

use super::{engine::Engine, error::Error, index::is_decided_alike, sinks::forget_owners};
use crate::{
    act::wire::{Error as WireError, HUB, Target},
    model::{
        api::{WorkloadBinding, WorkloadBindingSpec},
        fleet::BindingKey,
        mark,
        name::GroupVersionKind,
        template::Template,
    },
    telemetry::{Outcome, Verb, Write, metrics},
};

impl Engine {
    pub(super) fn bindings(&self, key: &BindingKey) -> Api<WorkloadBinding> {
        Api::namespaced(self.hub.client(), &key.namespace)
    }

    pub(super) async fn create(
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
        let writing = self.index.writing(key);
        let created = self.bindings(key).create(&params, &binding).await;
        Self::count_hub(Verb::Create, &created);
        match created {
            Ok(binding) => {
                self.count_for_policy(key, &binding);
                let kept = self.keep(key, binding);
                drop(writing);
                self.catch_up(key, &kept);
                Ok(kept)
            }
            Err(source) => Err(self.stale(key, "create", source).await),
        }
    }

    pub(super) async fn replace(
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
        let writing = self.index.writing(key);
        let written = self.bindings(key).replace(&key.name, &params, &next).await;
        Self::count_hub(Verb::Patch, &written);
        match written {
            Ok(written) => {
                if written.spec.policy != binding.spec.policy {
                    self.count_for_policy(key, binding);
                    self.count_for_policy(key, &written);
                }
                let kept = self.keep(key, written);
                drop(writing);
                self.catch_up(key, &kept);
                Ok(kept)
            }
            // Without its last finalizer a binding that is being deleted is gone.
            Err(kube::Error::Api(status)) if status.code == 404 && !hold => Ok(Arc::new(next)),
            Err(source) => Err(self.stale(key, "write", source).await),
        }
    }

    pub(super) fn count_hub<T>(verb: Verb, result: &Result<T, kube::Error>) {
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

    pub(super) fn keep(&self, key: &BindingKey, mut binding: WorkloadBinding) -> Arc<WorkloadBinding> {
        forget_owners(&mut binding);
        let binding = Arc::new(binding);
        self.index.keep_binding(key, &binding);
        binding
    }

    /// After an own write, however it ended: what others did meanwhile was passed over when the watch showed it, and
    /// is looked at now if it is not what `known` says.
    pub(super) fn catch_up(&self, key: &BindingKey, known: &WorkloadBinding) {
        let held = self.index.binding(key);
        if held.is_none_or(|held| !is_decided_alike(&known.metadata, &held.metadata)) {
            self.queue.add(key.clone());
            self.touch(key);
        }
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
                    self.index.lose_binding(key);
                }
                Err(error) => {
                    tracing::debug!(binding = %key, error = %crate::act::wire::brief(&error), "failed to read back");
                }
            }
        }
        WireError::call(format!("{verb} binding {key}"), source).into()
    }

    /// Whether the template is really gone: only a live read that says "not found" proves it.
    pub(super) async fn live_template(
        &self,
        key: &BindingKey,
        binding: &WorkloadBinding,
    ) -> Result<Looked, Error> {
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
                let template = Template::read(
                    &live,
                    &|manager| self.is_own_manager(manager),
                    &self.index.kinds_known.load(),
                )
                .map_err(|error| unreadable(error.to_string()))?;
                Ok(Looked::There(Arc::new(template)))
            }
        }
    }

    pub(super) fn is_own_manager(&self, manager: &str) -> bool {
        manager == self.me.manager || manager == self.me.second_manager()
    }
}

pub(super) enum Looked {
    Gone,
    There(Arc<Template>),
    /// The hub API does not answer for the kind.
    Unknown,
}

pub(super) fn has_finalizer(binding: &WorkloadBinding) -> bool {
    binding
        .metadata
        .finalizers
        .iter()
        .flatten()
        .any(|finalizer| finalizer == mark::FINALIZER)
}
