//! Which members keep a spread: at least so many groups of each kind, and at most so many.
//!
//! Upper bounds are met by leaving groups out: sets of groups are tried in the order of preference until one holds what
//! must be held. Lower bounds are then met by a few members that must get something, the *witnesses*. Both searches are
//! exact while they take fewer steps than [`STEPS`], and always give the same answer to the same question.

use std::collections::BTreeSet;

/// Sets of groups, or of witnesses, that are tried.
const STEPS: usize = 20_000;

/// One constraint, over the candidates in their order of preference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grouping<'a> {
    /// Which group each candidate is in.
    pub(super) of: Vec<&'a str>,
    /// The fewest groups.
    pub(super) min: usize,
    /// The most groups.
    pub(super) max: usize,
}

impl Grouping<'_> {
    fn groups(&self, members: &[usize]) -> BTreeSet<&str> {
        members.iter().map(|at| self.of[*at]).collect()
    }
}

/// The candidates that may be used, and of those the ones that must: the first that hold `wanted`, else those that hold
/// most. `limit` is the most members that can get something.
pub(super) fn choose(
    groupings: &[Grouping<'_>],
    candidates: usize,
    limit: usize,
    wanted: u64,
    holds: &dyn Fn(&[usize]) -> u64,
) -> Option<(Vec<usize>, Vec<usize>)> {
    let mut steps = STEPS;
    let all: Vec<usize> = (0..candidates).collect();
    let mut best = None;
    let mut held = 0;
    narrow(groupings, 0, all, &mut steps, &mut |members| {
        let holds = holds(members).min(wanted);
        if members.is_empty() || (best.is_some() && holds <= held) {
            return false;
        }
        let Some(must) = witnesses(groupings, members, limit) else {
            return false;
        };
        best = Some((members.to_vec(), must));
        held = holds;
        held == wanted
    });
    best
}

/// Leaves groups out until no upper bound is exceeded; `found` is asked with each set that remains, in the order of
/// preference, until it says yes.
fn narrow(
    groupings: &[Grouping<'_>],
    at: usize,
    members: Vec<usize>,
    steps: &mut usize,
    found: &mut dyn FnMut(&[usize]) -> bool,
) -> bool {
    let Some(grouping) = groupings.get(at) else {
        *steps = steps.saturating_sub(1);
        return found(&members);
    };
    // In the order in which the candidates bring them.
    let mut groups: Vec<&str> = Vec::new();
    for member in &members {
        if !groups.contains(&grouping.of[*member]) {
            groups.push(grouping.of[*member]);
        }
    }
    if groups.len() <= grouping.max {
        return groups.len() >= grouping.min && narrow(groupings, at + 1, members, steps, found);
    }
    if grouping.max < grouping.min {
        return false;
    }
    let mut chosen: Vec<usize> = (0..grouping.max).collect();
    while *steps > 0 {
        let kept = members
            .iter()
            .copied()
            .filter(|member| chosen.iter().any(|group| groups[*group] == grouping.of[*member]))
            .collect();
        if narrow(groupings, at + 1, kept, steps, found) {
            return true;
        }
        if !next_set(&mut chosen, groups.len()) {
            return false;
        }
    }
    false
}

/// The next set of the same size, in lexicographic order.
fn next_set(chosen: &mut [usize], of: usize) -> bool {
    let size = chosen.len();
    let Some(at) = (0..size).rev().find(|at| chosen[*at] < of - size + at) else {
        return false;
    };
    chosen[at] += 1;
    for later in at + 1..size {
        chosen[later] = chosen[later - 1] + 1;
    }
    true
}

/// As few members as possible that are in enough groups of each kind; none if all of them are not enough or it takes
/// more than `most`.
pub(super) fn witnesses(groupings: &[Grouping<'_>], members: &[usize], most: usize) -> Option<Vec<usize>> {
    let fewest = groupings.iter().map(|grouping| grouping.min).max().unwrap_or(0);
    let enough = |members: &[usize]| {
        groupings
            .iter()
            .all(|grouping| grouping.groups(members).len() >= grouping.min)
    };
    if fewest > most || !enough(members) {
        return None;
    }
    let mut steps = STEPS;
    let mut chosen = Vec::new();
    (fewest..=most.min(members.len()))
        .any(|size| extend(groupings, members, size, &mut chosen, &mut steps))
        .then(|| {
            chosen.sort_unstable();
            chosen
        })
}

fn extend(
    groupings: &[Grouping<'_>],
    members: &[usize],
    size: usize,
    chosen: &mut Vec<usize>,
    steps: &mut usize,
) -> bool {
    let unmet: Vec<_> = groupings
        .iter()
        .map(|grouping| (grouping, grouping.groups(chosen)))
        .filter(|(grouping, has)| has.len() < grouping.min)
        .collect();
    let Some(missing) = unmet.iter().map(|(grouping, has)| grouping.min - has.len()).max() else {
        return true;
    };
    if *steps == 0 || chosen.len() + missing > size {
        return false;
    }
    *steps -= 1;
    // Whoever helps most constraints first, of those the preferred one.
    let helps = |member: usize| {
        unmet
            .iter()
            .filter(|(grouping, has)| !has.contains(grouping.of[member]))
            .count()
    };
    let (first, has) = &unmet[0];
    let mut order: Vec<usize> = members
        .iter()
        .copied()
        .filter(|member| !has.contains(first.of[*member]))
        .collect();
    order.sort_by_key(|member| std::cmp::Reverse(helps(*member)));
    for member in order {
        chosen.push(member);
        if extend(groupings, members, size, chosen, steps) {
            return true;
        }
        chosen.pop();
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn grouping<'a>(of: &[&'a str], min: usize, max: usize) -> Grouping<'a> {
        Grouping {
            of: of.to_vec(),
            min,
            max,
        }
    }

    fn chosen(groupings: &[Grouping<'_>], most: usize) -> Option<(Vec<usize>, Vec<usize>)> {
        choose(groupings, groupings[0].of.len(), most, 1, &|_| 1)
    }

    #[test]
    fn without_bounds_all_may_and_none_must() {
        let groupings = [grouping(&["a", "b"], 0, usize::MAX)];
        assert_eq!(chosen(&groupings, 9), Some((vec![0, 1], vec![])));
    }

    #[test]
    fn the_preferred_groups_are_kept_and_each_has_a_witness() {
        let groupings = [grouping(&["b", "b", "a", "c"], 2, 2)];
        assert_eq!(chosen(&groupings, 9), Some((vec![0, 1, 2], vec![0, 2])));
    }

    #[test]
    fn another_set_of_groups_is_taken_when_the_preferred_does_not_hold() {
        let groupings = [grouping(&["a", "b", "c"], 1, 1)];
        let answer = choose(&groupings, 3, 9, 5, &|members| if members == [2] { 5 } else { 4 });
        assert_eq!(answer, Some((vec![2], vec![2])));
    }

    #[test]
    fn few_witnesses_may_serve_many_constraints() {
        let regions = grouping(&["r1", "r1", "r2", "r2"], 2, 9);
        let zones = grouping(&["z1", "z2", "z1", "z3"], 3, 9);
        assert_eq!(chosen(&[regions.clone(), zones.clone()], 3).unwrap().1, [0, 1, 3]);
        assert_eq!(
            chosen(&[regions, zones], 2),
            None,
            "three zones need three members"
        );
    }

    #[test]
    fn what_cannot_be_is_said() {
        assert_eq!(chosen(&[grouping(&["a", "a"], 2, 9)], 9), None);
        assert_eq!(chosen(&[grouping(&["a", "b", "c"], 3, 2)], 9), None);
    }

    /// All sets of members, tried one by one.
    fn possible(groupings: &[Grouping<'_>], candidates: usize, most: usize) -> bool {
        (0_u32..1 << candidates).any(|set| {
            let members: Vec<usize> = (0..candidates).filter(|at| set >> at & 1 == 1).collect();
            members.len() <= most
                && groupings
                    .iter()
                    .all(|grouping| (grouping.min..=grouping.max).contains(&grouping.groups(&members).len()))
        })
    }

    proptest! {
        #[test]
        fn a_choice_is_found_exactly_when_there_is_one(
            members in prop::collection::vec((0..3_usize, 0..4_usize), 1..8),
            bounds in [(0..4_usize, 1..4_usize), (0..4_usize, 1..4_usize)], most in 1..5_usize
        ) {
            const NAMES: [&str; 4] = ["a", "b", "c", "d"];
            let groupings = [
                Grouping { of: members.iter().map(|member| NAMES[member.0]).collect(), min: bounds[0].0, max: bounds[0].1 },
                Grouping { of: members.iter().map(|member| NAMES[member.1]).collect(), min: bounds[1].0, max: bounds[1].1 },
            ];
            let answer = choose(&groupings, members.len(), most, 1, &|_| 1);
            prop_assert_eq!(answer.is_some(), possible(&groupings, members.len(), most));
            if let Some((may, must)) = answer {
                prop_assert!(must.len() <= most && must.iter().all(|at| may.contains(at)));
                for grouping in &groupings {
                    prop_assert!(grouping.groups(&may).len() <= grouping.max);
                    prop_assert!(grouping.groups(&must).len() >= grouping.min);
                }
            }
        }
    }
}
