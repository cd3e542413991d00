//! The status of policies: whether they are in force, and how many templates they govern.

use std::{sync::Arc, time::Duration};

use kube::{
    Api, Resource,
    api::{Patch, PatchParams},
};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{
    engine::{Engine, GATED},
    error::Error,
};
use crate::{
    act::wire::Error as WireError,
    decide::{
        placement::Choice,
        policy::{Policy, PolicyId},
    },
    model::{
        api::{
            ClusterPropagationPolicy, ConditionStatus, ConditionType, Placement, PolicyStatus,
            PropagationPolicy, Reason, WorkloadBinding, set_condition,
        },
        fleet::{Apis, BindingKey},
        kind,
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
                Err(error) if error.is_not_leader() => self.policies.add_after(work.key().clone(), GATED),
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
        let vain = in_vain(policy, &self.index.apis.load());
        let mut problems = policy.problems.clone();
        problems.extend(choices(&policy.spec.placement));
        let (holds, reason, message) = match (problems.is_empty(), vain.is_empty()) {
            (true, true) => (ConditionStatus::True, Reason::AsDesired, String::new()),
            (false, _) => (ConditionStatus::False, Reason::PolicyInvalid, problems.join("; ")),
            (true, false) => (ConditionStatus::False, Reason::KindRefused, vain.join("; ")),
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

/// What is wrong with the choices of members: they choose nothing new, and let go of nothing.
fn choices(placement: &Placement) -> Vec<String> {
    let terms = placement.terms.iter().enumerate();
    let terms = terms.map(|(at, term)| (format!("terms[{at}]"), &term.clusters));
    let weights = placement.replicas.divide.as_ref();
    let weights = weights.and_then(|divide| divide.weighted.as_deref());
    let weights = weights.unwrap_or_default().iter().enumerate();
    let weights = weights.map(|(at, weight)| (format!("replicas.divide.weighted[{at}]"), &weight.clusters));
    terms
        .chain(weights)
        .flat_map(|(at, clusters)| {
            let problems = Choice::problems(clusters).into_iter();
            problems.map(move |problem| format!("spec.placement.{at}.clusters.{problem}"))
        })
        .collect()
}

/// The selectors that name a kind of which no object can be a template: there is no binding on which to say so.
fn in_vain(policy: &Policy, apis: &Apis) -> Vec<String> {
    let why = |group: Option<&str>, name: &str| {
        let mut named = apis
            .kinds
            .iter()
            .filter(|(kind, _)| &*kind.kind == name && group.is_none_or(|group| group == &*kind.group))
            .peekable();
        // One that is not served yet may be tomorrow.
        let (first, api) = *named.peek()?;
        let reason = if !api.namespaced {
            format!("{first} is cluster-scoped, and templates are in namespaces")
        } else if !api.is_manageable() {
            format!("{first} objects can't be listed, watched and created")
        } else {
            format!("{first} objects are never propagated")
        };
        named
            .all(|(kind, api)| !api.namespaced || !api.is_manageable() || kind::is_never_selected(kind))
            .then_some(reason)
    };
    policy
        .named_kinds()
        .filter_map(|(at, group, kind)| Some(format!("spec.resourceSelectors[{at}]: {}", why(group, kind)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::model::{fleet::ApiKind, name::GroupKind};

    #[rstest]
    #[case::plain("apps/v1", "Deployment", None)]
    #[case::anything("*", "*", None)]
    #[case::not_served("example.dev/v1", "Widget", None)]
    #[case::cluster_scoped("*", "ClusterRole", Some("cluster-scoped"))]
    #[case::never("v1", "ResourceQuota", Some("never propagated"))]
    #[case::only_asked("v1", "Binding", Some("can't be listed"))]
    fn a_policy_is_told_of_kinds_that_no_template_can_have(
        #[case] api_version: &str,
        #[case] kind: &str,
        #[case] told: Option<&str>,
    ) {
        let served = |namespaced, verbs: &[&str]| ApiKind {
            versions: vec!["v1".to_owned()],
            plural: String::new(),
            namespaced,
            verbs: verbs.iter().map(|verb| (*verb).to_owned()).collect(),
            status: false,
        };
        let all = ["list", "watch", "create"];
        let apis = Apis {
            kinds: [
                (GroupKind::new("apps", "Deployment"), served(true, &all)),
                (GroupKind::new("", "ResourceQuota"), served(true, &all)),
                (GroupKind::new("", "Binding"), served(true, &["create"])),
                (
                    GroupKind::new("rbac.authorization.k8s.io", "ClusterRole"),
                    served(false, &all),
                ),
            ]
            .into(),
            complete: true,
        };
        let policy: PropagationPolicy = serde_json::from_value(json!({
            "apiVersion": "hanse.dev/v1alpha1", "kind": "PropagationPolicy", "metadata": {"name": "p", "namespace": "shop"},
            "spec": {"resourceSelectors": [{"apiVersion": api_version, "kind": kind}]},
        }))
        .unwrap();
        let vain = in_vain(&Policy::of(&policy).unwrap(), &apis);
        assert_eq!(vain.len(), usize::from(told.is_some()), "{vain:?}");
        assert!(
            vain.iter()
                .all(|message| message.contains(told.unwrap_or_default())),
            "{vain:?}"
        );
    }
}
