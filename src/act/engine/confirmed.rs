//! Whether what leaves a member is there elsewhere: before that nothing is taken away.

use super::{engine::Engine, members::Place};
use crate::model::api::{BindingCluster, WorkloadBinding};

impl Engine {
    /// Whether every member that shall have it holds it; and, where a failover keeps replicas until others are ready,
    /// whether as many are ready there as are wanted.
    pub(super) fn is_confirmed_elsewhere(&self, place: &Place<'_>) -> bool {
        let Place { key, binding, .. } = *place;
        let Some(held) = self.index.template(key) else {
            return true; // it is wanted nowhere
        };
        let policies = self.index.policies.load();
        let policy = policies.govern(&held.template, binding.spec.policy.as_ref());
        let failover = policy
            .as_ref()
            .and_then(|governed| governed.policy.spec.failover.as_ref());
        let ready = failover.and_then(|failover| failover.keep_replicas_until_ready) == Some(true);
        binding.wanted().all(|entry| {
            self.is_applied(place, entry, failover.is_some()) && (!ready || self.is_ready(place, entry))
        })
    }

    /// A member that does not answer can't be waited for, unless what is to be removed is there because others were lost.
    fn is_applied(&self, place: &Place<'_>, entry: &BindingCluster, strict: bool) -> bool {
        let fleet = self.fleet.snapshot();
        let writable = fleet
            .members
            .get(&entry.name)
            .is_some_and(|member| member.is_writable());
        let standing = self.ledger.standing(place.key, &entry.name);
        standing.applied || (!strict && (!writable || standing.problem.is_some()))
    }

    fn is_ready(&self, place: &Place<'_>, entry: &BindingCluster) -> bool {
        let WorkloadBinding { spec, .. } = place.binding;
        let (Some(wanted), Ok(template)) = (entry.replicas, spec.template.key(&place.key.namespace)) else {
            return true;
        };
        let ready = self.ready_replicas(&template, &entry.name).unwrap_or(0);
        let mut wanted = i64::from(wanted);
        if let Some(member) = self.fleet.member(&entry.name)
            && (self.index.is_autoscaled(&template) || member.autoscaled(&template))
        {
            // An autoscaler may want fewer there, and then no more will come.
            let asked = member.row(&template).and_then(|row| row.replicas);
            wanted = asked.map_or(wanted, |asked| wanted.min(asked));
        }
        ready >= u64::try_from(wanted).unwrap_or(0)
    }
}
