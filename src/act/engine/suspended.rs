//! `suspend`: what a policy holds back (API `PropagationPolicy.spec.suspend`).

use super::{
    decision::{Facts, Wanted, saying},
    engine::Engine,
};
use crate::{
    act::propagate::Problem,
    decide::policy::PolicyId,
    model::{
        api::{BindingCluster, ConditionStatus, Reason, WorkloadBinding, WorkloadBindingSpec},
        fleet::BindingKey,
        name::ClusterName,
    },
};

impl Engine {
    /// Why nothing is written to the member for this binding, neither applies nor removals: its policy says so. With the
    /// policy, that ends too.
    pub(super) fn suspended(
        &self,
        key: &BindingKey,
        binding: &WorkloadBinding,
        cluster: &ClusterName,
    ) -> Option<Problem> {
        let claim = binding.spec.policy.as_ref()?;
        let policies = self.index.policies.load();
        let policy = policies.get(&PolicyId::of_binding(claim, &key.namespace))?;
        let suspend = &policy.spec.suspend;
        let what = if suspend.applying {
            "suspend.applying".to_owned()
        } else if suspend.clusters.contains(cluster) {
            format!("suspend.clusters names {cluster}")
        } else {
            return None;
        };
        Some(Problem {
            reason: Reason::Suspended,
            message: format!(
                "nothing is written here as long as {what} in {:?} {} says so",
                claim.kind, claim.name
            ),
            terminal: true,
        })
    }
}

/// The decision that stands, kept: members that are gone or leaving are still left, and the revision moves on.
pub(super) fn keep_decision(facts: &Facts<'_>, spec: WorkloadBindingSpec, revision: &str) -> Wanted {
    let current = facts.current.map(|binding| &binding.spec);
    let clusters: Vec<BindingCluster> = current
        .iter()
        .flat_map(|spec| &spec.clusters)
        .map(|had| {
            let member = facts.fleet.members.get(&had.name);
            let removing = had.removing || member.is_none_or(|member| member.leaving);
            BindingCluster {
                removing,
                revision: if removing {
                    had.revision.clone()
                } else {
                    Some(revision.to_owned())
                },
                ..had.clone()
            }
        })
        .collect();
    let kept = clusters.iter().filter(|cluster| !cluster.removing).count();
    let scheduling = saying(
        ConditionStatus::from(kept > 0),
        Reason::Suspended,
        &format!("the decision for {kept} members stays as it is: suspend.scheduling of the policy says so"),
    );
    Wanted {
        spec: WorkloadBindingSpec {
            clusters,
            required_by: facts.required.to_vec(),
            inputs_hash: current.and_then(|spec| spec.inputs_hash),
            ..spec
        },
        scheduling,
        wants_room: false,
        fails_over: false,
        until: None,
    }
}
