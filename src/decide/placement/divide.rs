//! Sharing replicas out among members.
//!
//! What runs stays where it is: more replicas are added to it, fewer are taken from it, and nothing moves while the sum
//! is right. Shares are whole numbers by the largest remainder (Hamilton): each replica goes to the member that is
//! furthest below its exact quota, so that from nothing to `n` and from `n - 1` to `n` give the same.

/// How replicas are shared out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// By weight.
    Weighted,
    /// By what is free.
    Capacity,
    /// Into as few members as hold them.
    Packed,
}

/// What counts of one member.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Share {
    /// Replicas that it has.
    pub(super) had: u64,
    /// It must get some, or the spread would not hold.
    pub(super) floor: bool,
    /// The most it may have.
    pub(super) cap: u64,
    /// What it has stays, also when that is less than others must have.
    pub(super) frozen: bool,
    /// Its weight; counts only for [`How::Weighted`].
    pub(super) weight: u64,
    /// Replicas that it has and that are not ready: taking them hurts least.
    pub(super) spare: u64,
    /// Filled before members of a higher rank, and emptied after them.
    pub(super) rank: usize,
}

/// Who has how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Division {
    /// In the order of the members.
    pub(super) replicas: Vec<u64>,
    /// Replicas that no member may take.
    pub(super) left: u64,
}

/// What is asked of a division.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) how: How,
    /// Replicas to share out.
    pub(super) total: u64,
    /// A member has at least so many, or nothing.
    pub(super) min: u64,
    /// What is in members of a higher rank moves to lower ones that have room.
    pub(super) home: bool,
}

/// Shares replicas out. Of members that are equal the earlier is preferred.
pub(super) fn divide(wish: Wish, shares: &[Share]) -> Division {
    let Wish { total, min, .. } = wish;
    let mut out = vec![false; shares.len()];
    loop {
        let replicas = attempt(wish, shares, &out);
        let too_few = |(at, has): &(usize, &u64)| (1..min).contains(*has) && !shares[*at].frozen;
        // Which one has to go: the one with the least, of those the lightest, of those the last.
        let goes = replicas
            .iter()
            .enumerate()
            .filter(too_few)
            .min_by_key(|(at, has)| (**has, shares[*at].weight, std::cmp::Reverse(*at)));
        match goes {
            Some((at, _)) => out[at] = true,
            None => {
                let left = total.saturating_sub(replicas.iter().sum());
                return Division { replicas, left };
            }
        }
    }
}

/// One try, in which those that are `out` get nothing.
fn attempt(wish: Wish, shares: &[Share], out: &[bool]) -> Vec<u64> {
    let Wish { how, total, home, .. } = wish;
    let unit = wish.min.max(1);
    let lowest = |at: usize| {
        let share = &shares[at];
        match share {
            _ if !share.floor || out[at] => 0,
            _ if share.cap >= unit => unit,
            _ if share.frozen => share.had.min(share.cap),
            _ => 0,
        }
    };
    let cap = |at: usize| if out[at] { 0 } else { shares[at].cap };
    let mut has: Vec<u64> = (0..shares.len())
        .map(|at| shares[at].had.min(cap(at)).max(lowest(at)))
        .collect();
    let mut ranks: Vec<usize> = shares.iter().map(|share| share.rank).collect();
    ranks.sort_unstable();
    ranks.dedup();
    let sum = |has: &[u64]| has.iter().fold(0_u64, |sum, has| sum.saturating_add(*has));
    let mut surplus = sum(&has).saturating_sub(total);
    for rank in ranks.iter().rev() {
        let members = of_rank(shares, *rank);
        let spare: Vec<u64> = members
            .iter()
            .map(|at| shares[*at].spare.min(has[*at] - lowest(*at)))
            .collect();
        surplus -= take(how, surplus, &members, &spare, shares, &mut has);
        let rest: Vec<u64> = members.iter().map(|at| has[*at] - lowest(*at)).collect();
        surplus -= take(how, surplus, &members, &rest, shares, &mut has);
    }
    if home {
        for rank in ranks.iter().skip(1).rev() {
            let lower = (0..shares.len()).filter(|at| shares[*at].rank < *rank);
            let room = lower.fold(0_u64, |sum, at| {
                sum.saturating_add(cap(at).saturating_sub(has[at]))
            });
            let members = of_rank(shares, *rank);
            let movable = |at: &usize| {
                if shares[*at].frozen {
                    0
                } else {
                    has[*at] - lowest(*at)
                }
            };
            let all: Vec<u64> = members.iter().map(movable).collect();
            let before = has.clone();
            take(how, room, &members, &all, shares, &mut has);
            // Better all of it stays away than that a member keeps too few.
            if members
                .iter()
                .any(|at| has[*at] < before[*at] && (1..unit).contains(&has[*at]))
            {
                has = before;
            }
        }
    }
    let mut missing = total.saturating_sub(sum(&has));
    for rank in ranks {
        let members = of_rank(shares, rank);
        let rooms: Vec<u64> = members
            .iter()
            .map(|at| cap(*at).saturating_sub(has[*at]))
            .collect();
        missing -= add(how, missing, unit, &members, &rooms, shares, &mut has);
    }
    has
}

fn of_rank(shares: &[Share], rank: usize) -> Vec<usize> {
    (0..shares.len()).filter(|at| shares[*at].rank == rank).collect()
}

/// Takes up to `surplus` away; how many were taken.
fn take(how: How, surplus: u64, members: &[usize], most: &[u64], shares: &[Share], has: &mut [u64]) -> u64 {
    let taken = match how {
        How::Packed => empty_smallest(surplus, members, most, has),
        How::Weighted | How::Capacity => {
            let weights: Vec<u64> = members
                .iter()
                .map(|at| match how {
                    How::Weighted => shares[*at].weight,
                    _ => shares[*at].cap,
                })
                .collect();
            let held: Vec<u64> = members.iter().map(|at| has[*at]).collect();
            let caps: Vec<u64> = members.iter().map(|at| shares[*at].cap).collect();
            let stays = held.iter().sum::<u64>().saturating_sub(surplus);
            let (below, step) = below_quota(stays, &weights, &held, &caps);
            // Of equal ones the later loses first, as it was the later to get.
            let above: Vec<i128> = below.iter().rev().map(|key| -key).collect();
            let reversed: Vec<u64> = most.iter().rev().copied().collect();
            let mut taken = level(surplus, &above, &reversed, step);
            taken.reverse();
            taken
        }
    };
    for (at, taken) in members.iter().zip(&taken) {
        has[*at] -= taken;
    }
    taken.iter().sum()
}

/// Adds up to `missing`; how many were added.
fn add(
    how: How,
    missing: u64,
    unit: u64,
    members: &[usize],
    rooms: &[u64],
    shares: &[Share],
    has: &mut [u64],
) -> u64 {
    let held: Vec<u64> = members.iter().map(|at| has[*at]).collect();
    let added = match how {
        How::Packed => fill(missing, unit, &held, rooms),
        How::Capacity => {
            let sum: i128 = rooms.iter().map(|room| i128::from(*room)).sum();
            let missing_all = i128::from(missing);
            let keys: Vec<i128> = rooms.iter().map(|room| missing_all * i128::from(*room)).collect();
            level(missing, &keys, rooms, sum.max(1))
        }
        How::Weighted => {
            let weights: Vec<u64> = members.iter().map(|at| shares[*at].weight).collect();
            let rooms: Vec<u64> = rooms
                .iter()
                .zip(&weights)
                .map(|(room, weight)| if *weight == 0 { 0 } else { *room })
                .collect();
            let caps: Vec<u64> = members.iter().map(|at| shares[*at].cap).collect();
            let reachable = rooms
                .iter()
                .fold(0_u64, |sum, room| sum.saturating_add(*room))
                .min(missing);
            let (below, step) = below_quota(held.iter().sum::<u64>() + reachable, &weights, &held, &caps);
            level(missing, &below, &rooms, step)
        }
    };
    for (at, added) in members.iter().zip(&added) {
        has[*at] += added;
    }
    added.iter().sum()
}

/// How far each is below its exact quota of `total`, in units of the second number. A quota is the share by weight, but
/// no more than the cap: what is cut off there is shared out among the others.
fn below_quota(total: u64, weights: &[u64], held: &[u64], caps: &[u64]) -> (Vec<i128>, i128) {
    let wide = |numbers: &[u64]| {
        numbers
            .iter()
            .map(|number| i128::from(*number))
            .collect::<Vec<_>>()
    };
    let (weights, held, caps) = (wide(weights), wide(held), wide(caps));
    let mut full = vec![false; weights.len()];
    loop {
        let open = |at: &usize| !full[*at];
        let step: i128 = (0..weights.len()).filter(open).map(|at| weights[at]).sum();
        let rest = i128::from(total)
            - (0..weights.len())
                .filter(|at| full[*at])
                .map(|at| caps[at])
                .sum::<i128>();
        let over: Vec<usize> = (0..weights.len())
            .filter(open)
            .filter(|at| rest * weights[*at] > caps[*at].saturating_mul(step))
            .collect();
        if !over.is_empty() {
            over.into_iter().for_each(|at| full[at] = true);
            continue;
        }
        let step = step.max(1);
        let below = (0..weights.len()).map(|at| {
            if full[at] {
                (caps[at] - held[at]).saturating_mul(step)
            } else {
                rest * weights[at] - held[at] * step
            }
        });
        return (below.collect(), step);
    }
}

/// Gives out `units`, each to the largest key, which falls by `step` with it; of equal keys to the earlier. None gets
/// more than its cap.
fn level(units: u64, keys: &[i128], caps: &[u64], step: i128) -> Vec<u64> {
    let all = caps.iter().fold(0_u64, |sum, cap| sum.saturating_add(*cap));
    if all <= units {
        return caps.to_vec();
    }
    let given = |bar: i128| -> Vec<u64> {
        let one = |(key, cap): (&i128, &u64)| {
            let above = (key - bar).max(0);
            let times = (above + step - 1) / step;
            u64::try_from(times).unwrap_or(u64::MAX).min(*cap)
        };
        keys.iter().zip(caps).map(one).collect()
    };
    let sum = |bar: i128| given(bar).iter().fold(0_u64, |sum, one| sum.saturating_add(*one));
    // The lowest bar over which no more than `units` lie.
    let mut high = keys.iter().copied().max().unwrap_or(0);
    let mut low = keys.iter().copied().min().unwrap_or(0) - step * (i128::from(units) + 1);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if sum(middle) <= units {
            high = middle;
        } else {
            low = middle;
        }
    }
    let mut shares = given(high);
    let mut rest = units - shares.iter().sum::<u64>();
    for (at, share) in shares.iter_mut().enumerate() {
        let next = keys[at] - step * i128::from(*share);
        if rest > 0 && *share < caps[at] && next == high {
            *share += 1;
            rest -= 1;
        }
    }
    shares
}

/// Into what is in use first, then into as few others as hold it: the smallest that takes all of it, else the largest.
fn fill(mut missing: u64, unit: u64, held: &[u64], rooms: &[u64]) -> Vec<u64> {
    let mut added = vec![0; held.len()];
    for in_use in [true, false] {
        let mut left: Vec<usize> = (0..held.len())
            .filter(|at| (held[*at] > 0) == in_use && rooms[*at] > 0)
            .collect();
        while missing > 0 && !left.is_empty() {
            let holding = left.iter().copied().filter(|at| rooms[*at] >= missing);
            let best = holding.min_by_key(|at| (rooms[*at], *at)).or_else(|| {
                left.iter()
                    .copied()
                    .max_by_key(|at| (rooms[*at], std::cmp::Reverse(*at)))
            });
            let Some(at) = best else { break };
            let mut goes = rooms[at].min(missing);
            let rest = missing - goes;
            // What remains must be enough for a member of its own, if there is one for it.
            let fits_elsewhere = left.iter().any(|one| *one != at && rooms[*one] >= unit);
            let spares_enough =
                goes >= unit - rest.min(unit) && held[at] + goes - (unit - rest.min(unit)) >= unit;
            if (1..unit).contains(&rest) && fits_elsewhere && spares_enough {
                goes -= unit - rest;
            }
            added[at] = goes;
            missing -= goes;
            left.retain(|one| *one != at);
        }
    }
    added
}

/// Empties the members with the fewest first.
fn empty_smallest(mut surplus: u64, members: &[usize], most: &[u64], has: &[u64]) -> Vec<u64> {
    let mut taken = vec![0; members.len()];
    let mut order: Vec<usize> = (0..members.len()).collect();
    order.sort_by_key(|at| (has[members[*at]], std::cmp::Reverse(*at)));
    for at in order {
        taken[at] = most[at].min(surplus);
        surplus -= taken[at];
    }
    taken
}

#[cfg(test)]
mod tests;
