//! Autoscalers follow the workloads they scale: where replicas are divided, each member with a share gets its part of the
//! range, and others get no autoscaler (PROTOCOL §3.6).

use std::collections::BTreeMap;

use super::engine::Engine;
use crate::{
    decide::placement::{self, Filter, Plan, Shares, divide_range, shares_of},
    model::{
        api::{BindingCluster, ScaleRange, WorkloadBinding},
        fleet::BindingKey,
        kind,
        name::{ClusterName, ObjectKey},
        template::Template,
    },
};

/// What is decided for the workload that a template scales.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scaled {
    /// It scales nothing, or what is whole in every member, or nothing of the hub's: the template goes as it is.
    Whole,
    /// These have replicas of it.
    Divided(Shares),
    /// Nothing yet, or nothing any more: what stands stays, and nothing is added.
    Undecided,
}

impl Engine {
    /// What is decided for the workload that the template scales.
    pub(super) fn scaled(&self, template: &Template, current: Option<&WorkloadBinding>) -> Scaled {
        let Some(workload) = template.scales.as_ref().and_then(|(kind, name)| {
            ObjectKey::parse(
                kind,
                template.namespace().map_or("", |namespace| namespace.as_str()),
                name,
            )
            .ok()
        }) else {
            return Scaled::Whole;
        };
        let Some(key) = BindingKey::of(&workload) else {
            return Scaled::Whole;
        };
        if let Some(binding) = self.index.binding(&key) {
            return match shares_of(&binding) {
                Some(shares) => Scaled::Divided(shares),
                None if binding.wanted().next().is_some() => Scaled::Whole,
                None => Scaled::Undecided,
            };
        }
        let will_be = self.index.template(&key).is_some_and(|held| {
            let policies = self.index.policies.load();
            policies.govern(&held.template, None).is_some()
        });
        let was = current.is_some_and(|binding| binding.wanted().any(|entry| entry.scale.is_some()));
        if will_be || was {
            Scaled::Undecided
        } else {
            Scaled::Whole
        }
    }

    /// Those who scale a workload whose binding has been written look at it again.
    pub(super) fn wake_scalers_of(&self, binding: &WorkloadBinding) {
        let Some(namespace) = binding.metadata.namespace.as_deref() else {
            return;
        };
        let Some(workload) = namespace
            .parse()
            .ok()
            .and_then(|namespace| binding.spec.template.key(&namespace).ok())
        else {
            return;
        };
        for scaler in self.index.scalers_of(&workload) {
            self.queue.add(scaler);
        }
    }
}

impl Scaled {
    /// Leaves out of a plan the members that have nothing to scale; the part of each of the others.
    pub(super) fn narrow(
        &self,
        plan: &mut Plan,
        template: &Template,
        current: &[BindingCluster],
    ) -> BTreeMap<ClusterName, ScaleRange> {
        let scales = template.scales.as_ref();
        let what = scales.map_or_else(String::new, |(kind, name)| format!("{} {name}", kind.kind));
        match self {
            Self::Whole => BTreeMap::new(),
            Self::Divided(shares) => {
                let alike = shares.values().all(|share| *share == 0);
                let has = |name: &ClusterName| shares.get(name).is_some_and(|share| alike || *share > 0);
                leave_out(plan, has, |name| format!("{what} has no replicas in {name}"));
                let range = kind::scale_range(&template.key.group_kind(), &template.value());
                range.map_or_else(BTreeMap::new, |range| divide_range(range, shares))
            }
            Self::Undecided => {
                let had = |name: &ClusterName| current.iter().find(|had| had.name == *name && !had.removing);
                leave_out(
                    plan,
                    |name| had(name).is_some(),
                    |_| format!("nothing is decided for {what}, which it scales"),
                );
                let kept = plan.clusters.iter().filter_map(|placed| had(&placed.name));
                kept.filter_map(|had| Some((had.name.clone(), had.scale?)))
                    .collect()
            }
        }
    }
}

fn leave_out(plan: &mut Plan, stays: impl Fn(&ClusterName) -> bool, why: impl Fn(&ClusterName) -> String) {
    let (stay, go) = std::mem::take(&mut plan.clusters)
        .into_iter()
        .partition(|placed: &placement::Placed| stays(&placed.name));
    plan.clusters = stay;
    plan.reasons
        .extend(go.into_iter().map(|placed| placement::Reason {
            filter: Filter::Division,
            message: why(&placed.name),
            numbers: BTreeMap::new(),
            cluster: placed.name,
        }));
    plan.reasons.sort_by(|one, other| one.cluster.cmp(&other.cluster));
}
