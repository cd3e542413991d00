//! Sets of fields as sets: owners gain, lose and share places.

use std::collections::BTreeMap;

use super::{FieldSet, Step};

impl FieldSet {
    /// A set of one place's own, to be put below a step.
    #[must_use]
    pub fn place() -> Self {
        Self {
            owned: true,
            below: BTreeMap::new(),
        }
    }

    /// Puts a set below a step, in place of what was there; an empty one is left out.
    pub fn put(&mut self, step: Step, below: Self) {
        if !below.is_empty() {
            self.below.insert(step, below);
        }
    }

    /// Owns the place itself too.
    pub fn own(&mut self) {
        self.owned = true;
    }

    /// Adds one place. The root itself can't be owned.
    pub fn insert(&mut self, path: &[Step]) {
        let Some((step, rest)) = path.split_first() else {
            return;
        };
        let below = self.below.entry(step.clone()).or_default();
        if rest.is_empty() {
            below.owned = true;
        } else {
            below.insert(rest);
        }
    }

    /// Whether exactly this place is in the set, whatever of those above and below it.
    #[must_use]
    pub fn has(&self, step: &Step) -> bool {
        self.below.get(step).is_some_and(|below| below.owned)
    }

    /// What the set says below one place.
    #[must_use]
    pub fn below(&self, step: &Step) -> Option<&Self> {
        self.below.get(step).filter(|below| !below.below.is_empty())
    }

    /// The places of this set that are not in the other.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.combine(other, |ours, theirs| ours && !theirs)
    }

    /// The places that are in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.combine(other, |ours, theirs| ours && theirs)
    }

    fn combine(&self, other: &Self, keep: fn(bool, bool) -> bool) -> Self {
        let nothing = Self::default();
        let below = self.below.iter().filter_map(|(step, ours)| {
            let theirs = other.below.get(step).unwrap_or(&nothing);
            let kept = ours.combine(theirs, keep);
            (!kept.is_empty()).then(|| (step.clone(), kept))
        });
        let below: BTreeMap<Step, Self> = below.collect();
        Self {
            owned: keep(self.owned, other.owned),
            below,
        }
    }

    /// Without the places of the other set and everything below them.
    #[must_use]
    pub fn without_trees(&self, other: &Self) -> Self {
        let below = self.below.iter().filter_map(|(step, ours)| {
            let kept = match other.below.get(step) {
                Some(theirs) if theirs.owned => return None,
                Some(theirs) => ours.without_trees(theirs),
                None => ours.clone(),
            };
            (!kept.is_empty()).then(|| (step.clone(), kept))
        });
        Self {
            owned: self.owned,
            below: below.collect(),
        }
    }

    /// Only the places of the other set and everything below them.
    #[must_use]
    pub fn only_trees(&self, other: &Self) -> Self {
        let below = self.below.iter().filter_map(|(step, ours)| {
            let kept = match other.below.get(step)? {
                theirs if theirs.owned => ours.clone(),
                theirs => ours.only_trees(theirs),
            };
            (!kept.is_empty()).then(|| (step.clone(), kept))
        });
        Self {
            owned: false,
            below: below.collect(),
        }
    }

    /// The same with further places owned, among those that have something below them. From the top, the closure gets
    /// the context of the place above, and gives whether to own this one and its own context.
    #[must_use]
    pub fn own_more<C: Copy>(&self, context: C, decide: &impl Fn(C, &Step) -> (bool, C)) -> Self {
        let below = self.below.iter().map(|(step, set)| {
            let (owns, inner) = decide(context, step);
            let mut set = set.own_more(inner, decide);
            set.owned |= owns && !set.below.is_empty();
            (step.clone(), set)
        });
        Self {
            owned: self.owned,
            below: below.collect(),
        }
    }

    /// All places in the set, those of one level before what is below them.
    #[must_use]
    pub fn places(&self) -> Vec<Vec<Step>> {
        let mut places = Vec::new();
        self.collect(&mut Vec::new(), &mut places);
        places
    }

    fn collect(&self, above: &mut Vec<Step>, places: &mut Vec<Vec<Step>>) {
        for (step, _) in self.below.iter().filter(|(_, set)| set.owned) {
            let mut place = above.clone();
            place.push(step.clone());
            places.push(place);
        }
        for (step, set) in &self.below {
            above.push(step.clone());
            set.collect(above, places);
            above.pop();
        }
    }
}
