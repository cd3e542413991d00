//! An autoscaler of a workload whose replicas are divided: which part of its range each member gets (PROTOCOL §3.6).
//!
//! The fewest and the most are shared out in proportion to the workload's shares, by the largest remainder (Hamilton's
//! method) with a least number for each, as seats of a parliament are where each district has at least one (Balinski and
//! Young, *Fair Representation*, 1982): whoever would get less than its least gets that, and the others share what is left.
//! The least is 1, as API servers want of `minReplicas`, or 0 where the template asks for 0; of the most it is the fewest
//! that the member got. So the sums are those of the template wherever the least numbers leave room for it, and where the
//! template's fewest are its replicas each member's fewest are its share.
//!
//! The shares are those of the binding, whatever an autoscaler made of them in a member: nothing moves because it scaled.

use std::collections::BTreeMap;

use crate::model::api::{ScaleRange, WorkloadBinding};
use crate::model::name::ClusterName;

/// How many of a workload's replicas each member has by its decision.
pub type Shares = BTreeMap<ClusterName, u64>;

/// The shares of a decision; `None`: every member has all of it.
#[must_use]
pub fn shares_of(binding: &WorkloadBinding) -> Option<Shares> {
    let share = |replicas: i32| u64::try_from(replicas).unwrap_or(0);
    let shares: Shares = binding
        .wanted()
        .filter_map(|entry| Some((entry.name.clone(), share(entry.replicas?))))
        .collect();
    (!shares.is_empty()).then_some(shares)
}

/// The part of each member that has replicas. Where none has any, all are alike.
#[must_use]
pub fn divide_range(whole: ScaleRange, shares: &Shares) -> BTreeMap<ClusterName, ScaleRange> {
    let none = shares.values().all(|share| *share == 0);
    let (names, weights): (Vec<&ClusterName>, Vec<u64>) = shares
        .iter()
        .filter(|(_, share)| none || **share > 0)
        .map(|(name, share)| (name, if none { 1 } else { *share }))
        .unzip();
    let number = |number: i32| u64::try_from(number).unwrap_or(0);
    let least = vec![u64::from(whole.min.is_none_or(|min| min > 0)); names.len()];
    let fewest = whole.min.map(|min| apportion(number(min), &weights, &least));
    let least: Vec<u64> = fewest
        .as_ref()
        .unwrap_or(&least)
        .iter()
        .map(|few| (*few).max(1))
        .collect();
    let most = apportion(number(whole.max), &weights, &least);
    let signed = |number: u64| i32::try_from(number).unwrap_or(i32::MAX);
    let part = |at: usize| ScaleRange {
        min: fewest.as_ref().map(|fewest| signed(fewest[at])),
        max: signed(most[at]),
    };
    names
        .into_iter()
        .enumerate()
        .map(|(at, name)| (name.clone(), part(at)))
        .collect()
}

/// Shares `total` out by weight, to each at least its least; exactly those if `total` is less. Weights are above 0. Of equal
/// remainders the earlier gets more.
fn apportion(total: u64, weights: &[u64], least: &[u64]) -> Vec<u64> {
    let wide = |numbers: &[u64]| {
        numbers
            .iter()
            .map(|number| u128::from(*number))
            .collect::<Vec<_>>()
    };
    let (total, weights, lowest) = (u128::from(total), wide(weights), wide(least));
    if lowest.iter().sum::<u128>() >= total {
        return least.to_vec();
    }
    let mut at_least = vec![false; least.len()];
    loop {
        let open: Vec<usize> = (0..least.len()).filter(|at| !at_least[*at]).collect();
        let taken: u128 = (0..least.len())
            .filter(|at| at_least[*at])
            .map(|at| lowest[at])
            .sum();
        let (rest, step) = (total - taken, open.iter().map(|at| weights[*at]).sum::<u128>());
        let below: Vec<usize> = open
            .iter()
            .copied()
            .filter(|at| rest * weights[*at] < lowest[*at] * step)
            .collect();
        if !below.is_empty() {
            below.into_iter().for_each(|at| at_least[at] = true);
            continue;
        }
        let mut shares = lowest;
        for at in &open {
            shares[*at] = rest * weights[*at] / step;
        }
        let given: u128 = open.iter().map(|at| shares[*at]).sum();
        let mut by_remainder = open;
        by_remainder.sort_by_key(|at| (std::cmp::Reverse(rest * weights[*at] % step), *at));
        let more = usize::try_from(rest - given).unwrap_or(0);
        for at in by_remainder.into_iter().take(more) {
            shares[at] += 1;
        }
        return shares
            .into_iter()
            .map(|share| u64::try_from(share).unwrap_or(u64::MAX))
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn shares(shares: &[u64]) -> Shares {
        let name = |at: usize| format!("m{at:02}").parse().unwrap();
        shares
            .iter()
            .enumerate()
            .map(|(at, share)| (name(at), *share))
            .collect()
    }

    fn divided(min: Option<i32>, max: i32, of: &[u64]) -> Vec<(i32, i32)> {
        let parts = divide_range(ScaleRange { min, max }, &shares(of));
        parts
            .values()
            .map(|part| (part.min.unwrap_or(-1), part.max))
            .collect()
    }

    #[rstest]
    #[case::in_proportion(Some(6), 24, &[3, 2, 1], &[(3, 12), (2, 8), (1, 4)])]
    #[case::by_the_largest_remainder(Some(4), 10, &[1, 1, 1], &[(2, 4), (1, 3), (1, 3)])]
    #[case::nobody_goes_without(Some(3), 10, &[8, 1, 1], &[(1, 8), (1, 1), (1, 1)])]
    #[case::too_few_for_all(Some(1), 2, &[2, 2, 2], &[(1, 1), (1, 1), (1, 1)])]
    #[case::down_to_nothing(Some(0), 4, &[1, 1], &[(0, 2), (0, 2)])]
    #[case::nothing_said_of_the_fewest(None, 10, &[3, 2], &[(-1, 6), (-1, 4)])]
    #[case::who_has_none_gets_none(Some(2), 6, &[2, 0, 1], &[(1, 4), (1, 2)])]
    #[case::scaled_to_nothing_all_are_alike(Some(2), 6, &[0, 0], &[(1, 3), (1, 3)])]
    #[case::one_member_has_it_all(Some(2), 6, &[5], &[(2, 6)])]
    #[case::the_wrong_way_round(Some(9), 3, &[2, 1], &[(6, 6), (3, 3)])]
    fn a_range_is_divided_by_the_shares(
        #[case] min: Option<i32>,
        #[case] max: i32,
        #[case] of: &[u64],
        #[case] expected: &[(i32, i32)],
    ) {
        assert_eq!(divided(min, max, of), expected);
    }

    proptest! {
        #[test]
        fn sums_are_conserved_where_they_can_be(
            min in 0..10_000_i32, more in 0..10_000_i32, of in prop::collection::vec(0..100_000_u64, 1..20)
        ) {
            let max = (min + more).max(1);
            let parts = divided(Some(min), max, &of);
            let all = i32::try_from(parts.len()).unwrap();
            for (min, max) in &parts {
                prop_assert!(min <= max && *max >= 1);
            }
            let fewest: i32 = parts.iter().map(|part| part.0).sum();
            prop_assert_eq!(fewest, if min == 0 { 0 } else { min.max(all) });
            prop_assert!(min == 0 || parts.iter().all(|part| part.0 >= 1));
            let most: i32 = parts.iter().map(|part| part.1).sum();
            prop_assert_eq!(most, max.max(all));
        }

        /// An autoscaler that may not go below the replicas that were divided gives back no part of them.
        #[test]
        fn the_replicas_themselves_are_divided_as_they_were(of in prop::collection::vec(1..1_000_u64, 1..20)) {
            let all = i32::try_from(of.iter().sum::<u64>()).unwrap();
            let fewest: Vec<u64> =
                divided(Some(all), all, &of).iter().map(|part| u64::try_from(part.0).unwrap()).collect();
            prop_assert_eq!(fewest, of);
        }
    }
}
