//! How many pods each ReplicaSet gets next.

use super::sets::{Set, Sets};
use super::spec::{Spec, Strategy};

/// One step of a rollout, by its strategy. `old_pods` says that pods of old ReplicaSets are still there.
pub(super) fn roll(deployment: &serde_json::Value, spec: &Spec, sets: &mut Sets, old_pods: bool) {
    match spec.strategy {
        Strategy::Rolling { .. } => {
            sets.sync_new(deployment, spec, true);
            if !grow_new(spec, sets) {
                shrink_old(spec, sets);
            }
        }
        Strategy::Recreate => recreate(deployment, spec, sets, old_pods),
    }
}

/// Nothing new before all that is old is gone.
fn recreate(deployment: &serde_json::Value, spec: &Spec, sets: &mut Sets, old_pods: bool) {
    sets.sync_new(deployment, spec, false);
    let mut shrunk = false;
    for old in sets.old_mut().filter(|old| old.size() > 0) {
        shrunk |= old.scale(0, spec);
    }
    if shrunk || old_pods || sets.old().any(|old| old.count("replicas") > 0) {
        return;
    }
    sets.sync_new(deployment, spec, true);
    if let Some(new) = sets.newest_mut()
        && new.size() != spec.replicas
    {
        new.scale(spec.replicas, spec);
    }
}

fn grow_new(spec: &Spec, sets: &mut Sets) -> bool {
    let Some(size) = sets.newest().map(Set::size) else {
        return false;
    };
    let wanted = if size >= spec.replicas {
        spec.replicas
    } else {
        sets.room(spec, size)
    };
    match sets.newest_mut() {
        Some(new) if wanted != size => new.scale(wanted, spec),
        _ => false,
    }
}

/// Old pods go as far as enough pods stay available; those that aren't go first.
fn shrink_old(spec: &Spec, sets: &mut Sets) {
    let least = spec.replicas - spec.unavailable();
    let new_missing = sets
        .newest()
        .map_or(0, |new| new.size() - new.count("availableReplicas"));
    let mut most = sets.size() - least - new_missing;
    if most <= 0 || sets.old().all(|old| old.size() == 0) {
        return;
    }
    for old in sets.old_mut() {
        let unhealthy = (old.size() - old.count("availableReplicas")).clamp(0, most);
        if unhealthy > 0 {
            most -= unhealthy;
            old.scale(old.size() - unhealthy, spec);
        }
    }
    let mut spare = sets.count("availableReplicas") - least;
    for old in sets.old_mut() {
        let fewer = old.size().min(spare);
        if fewer > 0 {
            spare -= fewer;
            old.scale(old.size() - fewer, spec);
        }
    }
}

/// Whether the Deployment's size was changed since its ReplicaSets were last scaled.
pub(super) fn was_resized(spec: &Spec, sets: &Sets) -> bool {
    let active = sets.all.iter().filter(|set| set.size() > 0);
    active
        .filter_map(Set::desired)
        .any(|desired| desired != spec.replicas)
}

/// Another number of replicas in the middle of a rollout is shared out by the sizes of the ReplicaSets.
pub(super) fn resize(spec: &Spec, sets: &mut Sets) {
    let active: Vec<usize> = (0..sets.all.len())
        .filter(|place| sets.all[*place].size() > 0)
        .collect();
    let only = match active.as_slice() {
        [] => sets.new.or_else(|| sets.all.len().checked_sub(1)),
        [one] => Some(*one),
        _ => None,
    };
    if let Some(only) = only {
        sets.all[only].scale(spec.replicas, spec);
        return;
    }
    if active.is_empty() {
        return;
    }
    if sets.newest().is_some_and(|new| new.is_saturated(spec)) {
        for old in sets.old_mut().filter(|old| old.size() > 0) {
            old.scale(0, spec);
        }
        return;
    }
    if matches!(spec.strategy, Strategy::Rolling { .. }) {
        share(spec, sets, active);
    }
}

fn share(spec: &Spec, sets: &mut Sets, mut active: Vec<usize>) {
    let allowed = if spec.replicas > 0 {
        spec.replicas + spec.surge()
    } else {
        0
    };
    let total = allowed - sets.size();
    // Growing favours what is newer among equals, shrinking takes from what is older.
    if total > 0 {
        active.reverse();
    }
    active.sort_by_key(|place| std::cmp::Reverse(sets.all[*place].size()));
    let before = sets.count("replicas");
    let mut left = total;
    let mut sizes = Vec::with_capacity(active.len());
    for place in &active {
        let part = fraction(spec, &sets.all[*place], before);
        let part = if total > 0 { part.min(left) } else { part.max(left) };
        let part = if total == 0 { 0 } else { part };
        left -= part;
        sizes.push(sets.all[*place].size() + part);
    }
    if let Some(largest) = sizes.first_mut() {
        *largest = (*largest + left).max(0);
    }
    for (place, size) in active.into_iter().zip(sizes) {
        sets.all[place].scale(size, spec);
    }
}

/// How many pods more, or fewer, a ReplicaSet has by its share.
fn fraction(spec: &Spec, set: &Set, replicas_before: i64) -> i64 {
    if spec.replicas == 0 {
        return -set.size();
    }
    let before = match set.most() {
        None | Some(0) => replicas_before,
        Some(most) => most,
    };
    if before == 0 {
        return 0;
    }
    // Rounded to the nearest, halves up: all of it is positive.
    let now = (2 * set.size() * (spec.replicas + spec.surge()) + before) / (2 * before);
    now - set.size()
}

/// Old ReplicaSets beyond the limit go, the lowest revision first, once they are empty.
pub(super) fn forget_old(spec: &Spec, sets: &mut Sets) {
    let Some(limit) = spec.history else {
        return;
    };
    let mut old: Vec<&mut Set> = sets
        .old_mut()
        .filter(|set| !crate::sandbox::object::is_deleting(&set.object))
        .collect();
    old.sort_by_key(|set| set.revision());
    let beyond = old.len().saturating_sub(limit);
    for set in old.into_iter().take(beyond) {
        let seen =
            set.object["metadata"]["generation"].as_i64().unwrap_or(0) <= set.count("observedGeneration");
        if set.size() == 0 && set.count("replicas") == 0 && seen {
            set.gone = true;
        }
    }
}
