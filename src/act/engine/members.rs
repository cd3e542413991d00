//! Looking after one binding in one member: make it hold its object, or take the object away.

use std::{sync::Arc, time::Duration};

use super::engine::{Engine, GATED};
use super::trouble::Trouble;
use crate::{
    act::{
        enforce::Obstacle,
        fleet::MemberHandle,
        propagate::{Note, Problem, Standing},
    },
    decide::tenancy::ActsAs,
    model::{
        api::{EventReason, Reason, WorkloadBinding},
        fleet::{BindingKey, Member},
        name::{ClusterName, NamespaceName},
        template::Template,
    },
};

/// Between two looks at an object that is being deleted; its watch usually says so sooner.
pub(super) const ENDING: Duration = Duration::from_secs(1);
/// After a problem that only a person can solve, in case nobody tells us that he did.
const SLOW_RETRY: Duration = Duration::from_mins(1);

/// One binding in one member, with everything a pass needs.
pub(super) struct Place<'a> {
    pub(super) key: &'a BindingKey,
    pub(super) binding: &'a WorkloadBinding,
    pub(super) member: &'a MemberHandle,
    pub(super) seen: &'a Member,
}

impl Engine {
    /// One pass. Every outcome ends in the ledger, and so in the binding's status.
    pub(super) async fn look_after(self: &Arc<Self>, cluster: &ClusterName, key: &BindingKey) {
        let Some(binding) = self.index.binding(key) else {
            return self.lanes.forget(cluster, key);
        };
        let Some(entry) = binding.spec.clusters.iter().find(|entry| entry.name == *cluster) else {
            return self.lanes.forget(cluster, key);
        };
        // Looked at only now that the binding is read: the removal looks the other way round.
        if self.removing.has(cluster, key) {
            return self.lanes.add_after(cluster, key, ENDING);
        }
        let snapshot = self.fleet.snapshot();
        let seen = snapshot.members.get(cluster).cloned();
        let (Some(seen), Some(member)) = (seen, self.fleet.member(cluster)) else {
            let problem = Problem {
                reason: Reason::ClusterUnreachable,
                message: "the hub is not connected to the member yet".to_owned(),
                terminal: false,
            };
            self.note(key, cluster, |standing| standing.problem = Some(problem));
            self.lanes.add_after(cluster, key, ENDING);
            return;
        };
        let place = Place {
            key,
            binding: &binding,
            member: &member,
            seen: &seen,
        };
        let outcome = match writable(&seen).map_or_else(Some, |()| self.suspended(key, &binding, cluster)) {
            Some(problem) => Err(Trouble::Problem(problem)),
            None if entry.removing => self.remove(&place).await,
            None => self.hold(&place, entry).await,
        };
        match outcome {
            Ok(()) => self.lanes.forget(cluster, key),
            Err(Trouble::NotLeading) => self.lanes.add_after(cluster, key, GATED),
            Err(Trouble::Problem(problem)) => {
                tracing::debug!(binding = %key, %cluster, reason = %problem.reason, message = %problem.message, "not applied");
                // Only a change helps, and that asks again.
                let final_for_intent = matches!(
                    problem.reason,
                    Reason::InvalidForMember
                        | Reason::KindRefused
                        | Reason::ImmutableField
                        | Reason::Suspended
                );
                let again = problem.terminal.then_some(SLOW_RETRY);
                let unwritable = matches!(
                    problem.reason,
                    Reason::ClusterUnreachable | Reason::ClusterHeld | Reason::Suspended
                );
                // Out of reach it holds what it held: that counts only while it is what the template says.
                let still = unwritable && self.is_up_to_date(&place, entry);
                self.note(key, cluster, |standing| {
                    standing.applied = standing.applied && still;
                    standing.problem = Some(problem);
                });
                match again {
                    _ if unwritable && !seen.is_writable() => {} // its return asks again
                    Some(_) if final_for_intent => {}
                    Some(delay) => self.lanes.add_after(cluster, key, delay),
                    None => self.lanes.retry(cluster, key),
                }
            }
        }
    }

    pub(super) fn note(&self, key: &BindingKey, cluster: &ClusterName, change: impl FnOnce(&mut Standing)) {
        self.ledger.update(key, cluster, change);
        self.touch(key);
    }

    pub(super) async fn ensure(
        &self,
        member: &MemberHandle,
        namespace: &NamespaceName,
        acts_as: &ActsAs,
    ) -> Result<(), Trouble> {
        self.enforcer
            .ensure(member, namespace, acts_as, |tenant| {
                self.is_unclaimed(tenant, namespace)
            })
            .await
            .map_err(|obstacle| match obstacle {
                Obstacle::Refused { reason, message } => {
                    let passing = matches!(reason, Reason::Pending | Reason::NamespaceTerminating);
                    Trouble::Problem(Problem {
                        reason,
                        message,
                        terminal: !passing,
                    })
                }
                Obstacle::Wire(error) => error.into(),
            })
    }

    pub(super) fn say(&self, template: &Template, reason: EventReason, warning: bool, message: String) {
        self.events.say(Note {
            about: template.key.clone(),
            api_version: template.gvk.api_version(),
            uid: template.uid.clone(),
            reason,
            warning,
            message,
        });
    }
}

fn writable(member: &Member) -> Result<(), Problem> {
    if let Some(held) = &member.held {
        let message = format!("the member is held: {held}");
        return Err(Problem {
            reason: Reason::ClusterHeld,
            message,
            terminal: false,
        });
    }
    if member.is_writable() {
        return Ok(());
    }
    Err(Problem {
        reason: Reason::ClusterUnreachable,
        message: "the member does not answer".to_owned(),
        terminal: false,
    })
}

/// As whom the binding's objects are written: fixed when it was decided.
pub(super) fn acts_as(binding: &WorkloadBinding) -> ActsAs {
    binding.spec.tenant.clone().map_or(ActsAs::Admin, ActsAs::Tenant)
}
