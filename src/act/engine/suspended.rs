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
        fleet::{BindingKey, Snapshot},
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
pub(super) fn keep_decision(
    facts: &Facts<'_>,
    spec: WorkloadBindingSpec,
    revision: &str,
    (reason, why): (Reason, &str),
) -> Wanted {
    let current = facts.current.map(|binding| &binding.spec);
    let had = current.map_or(&[][..], |spec| &spec.clusters);
    let clusters = kept_members(had, facts.fleet, revision);
    let kept = clusters.iter().filter(|cluster| !cluster.removing).count();
    let scheduling = saying(
        ConditionStatus::from(kept > 0 && reason == Reason::Suspended),
        reason,
        &format!("the decision for {kept} members stays as it is: {why}"),
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

fn kept_members(current: &[BindingCluster], fleet: &Snapshot, revision: &str) -> Vec<BindingCluster> {
    let keep = |had: &BindingCluster| {
        let member = fleet.members.get(&had.name);
        let removing = had.removing || member.is_none_or(|member| member.leaving);
        let revision = if removing {
            had.revision.clone()
        } else {
            Some(revision.to_owned())
        };
        BindingCluster {
            revision,
            removing,
            ..had.clone()
        }
    };
    current.iter().map(keep).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::fleet::Member;

    #[test]
    fn a_decision_is_kept_but_for_members_that_leave() {
        let name = |name: &str| -> ClusterName { name.parse().unwrap() };
        let mut fleet = Snapshot::default();
        for (cluster, leaving) in [("stays", false), ("leaves", true), ("new", false)] {
            let member = Member {
                leaving,
                ..Member::unheard(name(cluster))
            };
            fleet.members.insert(name(cluster), Arc::new(member));
        }
        let had = |cluster: &str| BindingCluster {
            replicas: Some(4),
            revision: Some("1".to_owned()),
            ..BindingCluster::new(name(cluster))
        };
        let kept = kept_members(&[had("stays"), had("leaves"), had("gone")], &fleet, "2");
        let told: Vec<_> = kept
            .iter()
            .map(|kept| {
                (
                    kept.name.as_str(),
                    kept.replicas,
                    kept.removing,
                    kept.revision.as_deref(),
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                ("stays", Some(4), false, Some("2")),
                ("leaves", Some(4), true, Some("1")),
                ("gone", Some(4), true, Some("1")),
            ]
        );
    }
}
