//! What must hold of every plan, asked of the plan alone: it knows nothing of how it was made.

use std::collections::BTreeSet;

use super::plan::{Plan, Request, again, group};
use crate::model::api::ReplicasMode;
use crate::model::fleet::Snapshot;

/// Every rule that the plan breaks, in words. None is ever broken; tests and debug builds ask.
#[must_use]
pub fn audit(fleet: &Snapshot, request: &Request<'_>, plan: &Plan) -> Vec<String> {
    let mut broken = Vec::new();
    let names: BTreeSet<_> = plan.clusters.iter().map(|placed| &placed.name).collect();
    if names.len() != plan.clusters.len() {
        broken.push("a member is named twice".to_owned());
    }
    for name in &names {
        if !fleet.members.contains_key(*name) {
            broken.push(format!("{name} is no member"));
        }
        if plan.reasons.iter().any(|reason| reason.cluster == **name) {
            broken.push(format!("{name} is both chosen and refused"));
        }
    }
    for name in fleet.members.keys() {
        if !names.contains(name) && !plan.reasons.iter().any(|reason| reason.cluster == *name) {
            broken.push(format!("{name} is not chosen, and nothing says why"));
        }
    }
    replicas(request, plan, &mut broken);
    spread(fleet, request, plan, &mut broken);
    fixed(fleet, request, plan, &mut broken);
    broken
}

fn replicas(request: &Request<'_>, plan: &Plan, broken: &mut Vec<String>) {
    let Some(placement) = request.placement else {
        return;
    };
    let rules = &placement.replicas;
    let (Some(total), ReplicasMode::Divided) = (request.workload.replicas, rules.mode) else {
        return;
    };
    let shares = || {
        plan.clusters
            .iter()
            .filter_map(|placed| Some((&placed.name, placed.replicas?)))
    };
    let placed: u64 = shares().map(|(_, replicas)| replicas).sum();
    match &plan.waiting {
        None if placed != total && !plan.clusters.is_empty() => {
            broken.push(format!("{placed} of {total} replicas are placed, and none waits"));
        }
        Some(waiting) if waiting.replicas.is_some_and(|waiting| placed + waiting != total) => {
            broken.push(format!(
                "{placed} replicas are placed and {:?} wait, of {total}",
                waiting.replicas
            ));
        }
        _ => {}
    }
    // What is only kept as it was may break rules that were made later.
    if plan
        .waiting
        .as_ref()
        .is_some_and(|waiting| waiting.replicas.is_none())
    {
        return;
    }
    for (name, replicas) in shares().filter(|(_, replicas)| *replicas > 0) {
        if rules.max_per_cluster.is_some_and(|max| replicas > u64::from(max)) {
            broken.push(format!("{name} has {replicas} replicas, more than maxPerCluster"));
        }
        let before = request
            .current
            .iter()
            .find(|before| before.name == *name && !before.removing);
        let stays = before
            .and_then(|before| before.replicas)
            .is_some_and(|had| i64::from(had) >= replicas.cast_signed());
        if !stays && rules.min_per_cluster.is_some_and(|min| replicas < u64::from(min)) {
            broken.push(format!(
                "{name} has {replicas} replicas, fewer than minPerCluster"
            ));
        }
    }
}

fn spread(fleet: &Snapshot, request: &Request<'_>, plan: &Plan, broken: &mut Vec<String>) {
    let Some(placement) = request.placement else {
        return;
    };
    let kept = plan
        .waiting
        .as_ref()
        .is_some_and(|waiting| waiting.replicas.is_none());
    let required: BTreeSet<_> = request.required.iter().flat_map(|by| &by.clusters).collect();
    let placed: Vec<_> = plan
        .clusters
        .iter()
        .filter(|placed| !required.contains(&placed.name) && placed.replicas != Some(0))
        .collect();
    if kept || placed.is_empty() {
        return;
    }
    for rule in &placement.spread {
        let groups: BTreeSet<_> = placed
            .iter()
            .filter_map(|placed| group(fleet.members.get(&placed.name)?, rule))
            .collect();
        let bounds =
            rule.min_groups.unwrap_or(0) as usize..=rule.max_groups.map_or(usize::MAX, |max| max as usize);
        if !bounds.contains(&groups.len()) && plan.waiting.is_none() {
            broken.push(format!(
                "it is in {} groups by {}, not in {bounds:?}",
                groups.len(),
                rule.by
            ));
        }
    }
}

/// Planned again on its own result, with the room that is left then, nothing changes.
fn fixed(fleet: &Snapshot, request: &Request<'_>, plan: &Plan, broken: &mut Vec<String>) {
    let second = again(fleet, request, plan);
    if second.clusters != plan.clusters {
        broken.push(format!(
            "planned again it is {:?}, not {:?}",
            second.clusters, plan.clusters
        ));
    }
}
