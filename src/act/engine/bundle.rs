//! Making one member hold a Bundle: every object in the order of kinds, and nothing that has left it.

use std::borrow::Cow;

use super::{
    claims::key_in,
    engine::Engine,
    hold::{Kept, Part},
    index::Held,
    members::{ENDING, Place},
    trouble::{Trouble, problem},
};
use crate::{
    act::propagate::{Problem, Pruned},
    model::{
        api::{BindingCluster, PlacedObject, Reason, TemplateDeletion},
        kind::Stage,
        name::{GroupKind, ObjectKey},
        template::{Bundle, Template},
    },
};

impl Engine {
    /// One pass over all of it. What is wrong with one object keeps only that one, and what has left the Bundle is taken
    /// away only when all that is in it is there: what takes its place may be what fails.
    pub(super) async fn hold_bundle(
        &self,
        place: &Place<'_>,
        entry: &BindingCluster,
        held: &Held,
        bundle: &Bundle,
        follows: bool,
    ) -> Result<(), Trouble> {
        let Place { key, member, .. } = *place;
        if let Some(why) = &bundle.problem {
            return Err(problem(Reason::BundleInvalid, why, true));
        }
        self.has_its_secrets(&held.template)?;
        let standing = self.ledger.standing(key, member.name());
        let mut problems = Vec::new();
        let mut all = true;
        for item in &bundle.items {
            if !is_listed(place, item) {
                all = false; // it is about to be, and this pass comes again then
                continue;
            }
            let part = Part {
                place,
                held,
                item,
                key: Cow::Owned(key_in(member, &item.key)),
                bundle: Some(bundle),
                follows,
            };
            match self.hold_object(&part, entry, &standing).await {
                Ok(Kept::Holds) => {}
                Ok(Kept::NotYet) => all = false,
                Err(Trouble::NotLeading) => return Err(Trouble::NotLeading),
                Err(Trouble::Problem(problem)) if problem.reason == Reason::ClusterUnreachable => {
                    return Err(Trouble::Problem(problem));
                }
                Err(Trouble::Problem(problem)) => {
                    let message =
                        waiting_for(bundle, item, &problem).unwrap_or_else(|| part.words(&problem.message));
                    problems.push(Problem { message, ..problem });
                }
            }
        }
        if let Some(problem) = together(problems, bundle.items.len()) {
            return Err(Trouble::Problem(problem));
        }
        if !all {
            return Ok(());
        }
        self.prune_items(place, bundle).await?;
        let generation = Some(held.template.generation.unwrap_or(1));
        let standing = self.ledger.standing(key, member.name());
        if !standing.applied || standing.generation != generation || standing.problem.is_some() {
            self.note(key, member.name(), |standing| {
                standing.applied = true;
                standing.generation = generation;
                standing.problem = None;
                standing.gone = false;
            });
        }
        Ok(())
    }

    /// Takes away what has left the Bundle, last stage first.
    async fn prune_items(&self, place: &Place<'_>, bundle: &Bundle) -> Result<(), Trouble> {
        let Place {
            key, binding, member, ..
        } = *place;
        let standing = self.ledger.standing(key, member.name());
        let keys: Vec<ObjectKey> = bundle
            .items
            .iter()
            .map(|item| key_in(member, &item.key))
            .collect();
        let mut gone: Vec<PlacedObject> = standing
            .objects
            .iter()
            .filter(|placed| !keys.iter().any(|key| placed.is(key)))
            .cloned()
            .collect();
        // Of what is not recorded a write may have been under way.
        for item in binding.spec.items.iter().filter(|item| item.removing) {
            let object = key_in(member, &item.key(&key.namespace));
            let known = keys.contains(&object)
                || standing.pruned.contains(&object)
                || gone.iter().any(|placed| placed.is(&object));
            if !known {
                gone.push(PlacedObject::new(&object));
            }
        }
        if gone.is_empty() {
            return Ok(());
        }
        let orphan = binding.spec.deletion.template == TemplateDeletion::Orphan;
        let taken = self.take_all_away(place, gone, orphan).await;
        self.queue.add(key.clone()); // the decision drops what is gone everywhere
        if taken? == Pruned::Ending {
            self.lanes.add_after(member.name(), key, ENDING);
        }
        Ok(())
    }

    /// Takes objects away, those of the last stage first: an earlier stage waits until the later one is gone.
    pub(super) async fn take_all_away(
        &self,
        place: &Place<'_>,
        mut objects: Vec<PlacedObject>,
        orphan: bool,
    ) -> Result<Pruned, Trouble> {
        let Place { key, member, .. } = *place;
        objects.sort_by_key(|object| std::cmp::Reverse(stage(object)));
        let mut ending = None;
        for object in &objects {
            if ending.is_some_and(|ending| ending != stage(object)) {
                break;
            }
            let object_key = object.key();
            // Whoever else wants it takes it over as it is.
            let taken = if self.is_wanted_by_another(key, member.name(), &object_key) {
                Pruned::Gone
            } else {
                self.take_away(place, object, orphan).await?
            };
            if taken == Pruned::Ending {
                ending = Some(stage(object));
                continue;
            }
            self.ledger.update(key, member.name(), |standing| {
                standing.objects.retain(|placed| !placed.is(&object_key));
                standing.trials.remove(&object_key);
                if !standing.pruned.contains(&object_key) {
                    standing.pruned.push(object_key.clone());
                }
            });
            self.touch(key);
            self.wake_rivals(key, member.name(), &object_key);
        }
        Ok(if ending.is_some() {
            Pruned::Ending
        } else {
            Pruned::Gone
        })
    }
}

pub(super) fn stage(object: &PlacedObject) -> Stage {
    Stage::of(&GroupKind::new(object.group.as_str(), object.kind.as_str()))
}

/// Whether the binding names it: before that nothing of it is written, or nobody would know of it.
fn is_listed(place: &Place<'_>, item: &Template) -> bool {
    let mut items = place.binding.spec.items.iter();
    items.any(|listed| listed.is(&item.key) && !listed.removing)
}

/// Of a kind that the Bundle brings along, that the member does not serve it yet is no news.
fn waiting_for(bundle: &Bundle, item: &Template, problem: &Problem) -> Option<String> {
    let (kind, waits) = (item.key.group_kind(), problem.reason == Reason::KindUnknown);
    (waits && bundle.defines(&kind)).then(|| {
        format!(
            "{} {} waits until the member serves {kind}, which the Bundle defines",
            kind.kind, item.key.name
        )
    })
}

/// What is wrong with several objects as one problem. It is tried again as long as one of them is.
fn together(problems: Vec<Problem>, of: usize) -> Option<Problem> {
    /// Of so many it is told what is wrong with them.
    const TOLD: usize = 5;
    let count = problems.len();
    let first = problems.first()?;
    let alike = problems
        .iter()
        .all(|problem| problem.terminal && problem.reason == first.reason);
    let (reason, terminal) = (first.reason, alike && first.terminal);
    if count == 1 {
        return problems.into_iter().next();
    }
    let told: Vec<String> = problems
        .into_iter()
        .take(TOLD)
        .map(|problem| problem.message)
        .collect();
    let more = if count > TOLD { "; …" } else { "" };
    let message = format!(
        "{count} of {of} objects are not applied: {}{more}",
        told.join("; ")
    );
    Some(Problem {
        reason,
        message,
        terminal,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(reason: Reason, message: &str, terminal: bool) -> Problem {
        Problem {
            reason,
            message: message.to_owned(),
            terminal,
        }
    }

    #[test]
    fn several_problems_are_told_as_one_that_is_tried_again_if_any_is() {
        assert_eq!(together(Vec::new(), 3), None);
        let one = wrong(Reason::Conflict, "ConfigMap a: in the way", true);
        assert_eq!(together(vec![one.clone()], 3), Some(one.clone()));
        let other = wrong(Reason::KindUnknown, "Widget w: not served", false);
        let both = together(vec![one, other], 3).unwrap();
        assert_eq!((both.reason, both.terminal), (Reason::Conflict, false));
        assert_eq!(
            both.message,
            "2 of 3 objects are not applied: ConfigMap a: in the way; Widget w: not served"
        );
    }
}
