//! The status of policies: whether they are in force, and how many templates they govern.

use std::{sync::Arc, time::Duration};

use kube::{
    Api, Resource,
    api::{Patch, PatchParams},
};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{engine::Engine, error::Error};
use crate::{
    act::wire::Error as WireError,
    decide::policy::{Policy, PolicyId},
    model::{
        api::{
            ClusterPropagationPolicy, ConditionStatus, ConditionType, PolicyStatus, PropagationPolicy,
            Reason, WorkloadBinding, set_condition,
        },
        fleet::BindingKey,
    },
};

/// Bindings come and go in numbers; a policy's count follows at most this often.
const PERIOD: Duration = Duration::from_secs(2);

impl Engine {
    /// Handles policies until stopped.
    pub(super) async fn policies_loop(self: Arc<Self>) {
        loop {
            let work = self.policies.next().await;
            self.until_active().await;
            match self.write_policy_status(work.key()).await {
                Ok(()) => self.policies.forget(work.key()),
                Err(error) if error.is_not_leader() => {}
                Err(error) => {
                    tracing::debug!(policy = %work.key(), %error, "failed to write the status of the policy; trying again");
                    self.policies.retry(work.key().clone());
                }
            }
        }
    }

    /// Has the count of the policy that governs this binding looked at.
    pub(super) fn count_for_policy(&self, key: &BindingKey, binding: &WorkloadBinding) {
        if let Some(policy) = &binding.spec.policy {
            self.policies
                .add_after(PolicyId::of_binding(policy, &key.namespace), PERIOD);
        }
    }

    async fn write_policy_status(&self, id: &PolicyId) -> Result<(), Error> {
        let Some(policy) = self.index.policies.load().get(id).cloned() else {
            return Ok(());
        };
        let governs = |binding: &WorkloadBinding, key: &BindingKey| {
            let claim = binding.spec.policy.as_ref();
            claim.is_some_and(|claim| PolicyId::of_binding(claim, &key.namespace) == *id)
        };
        let bindings = self
            .index
            .bindings
            .iter()
            .filter(|binding| governs(binding, binding.key()))
            .count();
        if let Some(namespace) = &id.namespace {
            let api: Api<PropagationPolicy> = Api::namespaced(self.hub.client(), namespace);
            self.patch_policy(&api, &policy, bindings, |live| live.status)
                .await
        } else {
            let api: Api<ClusterPropagationPolicy> = Api::all(self.hub.client());
            self.patch_policy(&api, &policy, bindings, |live| live.status)
                .await
        }
    }

    async fn patch_policy<K>(
        &self,
        api: &Api<K>,
        policy: &Policy,
        bindings: usize,
        status: impl FnOnce(K) -> Option<PolicyStatus>,
    ) -> Result<(), Error>
    where
        K: Resource + Clone + DeserializeOwned + std::fmt::Debug,
    {
        let failed =
            |verb: &str, source| WireError::call(format!("{verb} the status of {}", policy.id), source);
        let live = api
            .get_opt(&policy.id.name)
            .await
            .map_err(|source| failed("read", source))?;
        let Some(live) = live else { return Ok(()) };
        let before = status(live).unwrap_or_default();
        let mut after = before.clone();
        let (holds, reason, message) = if policy.problems.is_empty() {
            (ConditionStatus::True, Reason::AsDesired, String::new())
        } else {
            (
                ConditionStatus::False,
                Reason::PolicyInvalid,
                policy.problems.join("; "),
            )
        };
        let (generation, now) = (Some(policy.generation), self.clock.now());
        set_condition(
            &mut after.conditions,
            ConditionType::Ready,
            holds,
            reason,
            &message,
            generation,
            now,
        );
        after.bindings = u32::try_from(bindings).ok();
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
