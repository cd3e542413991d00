//! Planning.

use std::collections::BTreeMap;

use super::choose::{Answer, Choice};
use super::divide::{Division, How, Share, Wish, divide};
use super::failover::Moving;
use super::filter::{Candidate, Planner};
use super::room::Rooms;
use super::spread::{Grouping, choose};
use super::{Filter, Reason};
use crate::model::api::{
    BindingCluster, ClusterSelector, Divide, Fallback, Placement, ReplicasMode, RequiredBy, Resources,
    Return, Spread,
};
use crate::model::clock::Timestamp;
use crate::model::fleet::{Member, Snapshot};
use crate::model::hash::Hash;
use crate::model::name::{ClusterName, GroupVersionKind};
use crate::model::pod::PodShape;
use crate::model::quantity::Amount;

/// What is to be placed.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The policy's placement; None for what is only needed by other bindings.
    pub placement: Option<&'a Placement>,
    /// The members the tenant may use; empty for administrators.
    pub tenant: &'a ClusterSelector,
    /// The kinds the members must serve; the versions do not matter.
    pub kinds: &'a [GroupVersionKind],
    /// The decision that stands, from the binding.
    pub current: &'a [BindingCluster],
    /// The bindings that need this one where they are.
    pub required: &'a [RequiredBy],
    /// What is known of the workload.
    pub workload: Workload<'a>,
    /// Whether it leaves members that do not answer.
    pub moving: Moving<'a>,
    /// What members can still take.
    pub rooms: &'a Rooms,
    /// Tolerations and patience are limited in time.
    pub now: Timestamp,
}

/// What of a workload a placement looks at.
#[derive(Debug, Clone, Copy, Default)]
pub struct Workload<'a> {
    /// Its replicas; None for kinds that have none: there is nothing to share out.
    pub replicas: Option<u64>,
    /// What one of its pods needs; None for kinds without.
    pub pod: Option<&'a PodShape>,
    /// How many replicas are ready in each member, as far as is known.
    pub ready: Option<&'a BTreeMap<ClusterName, u64>>,
    /// Replicas are divided as if none ran anywhere: somebody asked for it.
    pub anew: bool,
}

/// A decision and its reasons.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// The members, by name.
    pub clusters: Vec<Placed>,
    /// The first "no" per other member, by name.
    pub reasons: Vec<Reason>,
    /// What could not be placed.
    pub waiting: Option<Waiting>,
    /// Why what is in lost members stays there, by member.
    pub lost: Vec<String>,
    /// It would be decided otherwise if there were more room somewhere.
    pub wants_room: bool,
    /// It leaves a member that does not answer, or has no ready node.
    pub fails_over: bool,
    /// When it has to be planned again, if nothing changes before: then something may stay no longer.
    pub until: Option<Timestamp>,
}

impl Plan {
    /// Whether members could have it, and there is nothing to share out.
    #[must_use]
    pub fn needs_none(&self) -> bool {
        self.waiting.is_none()
            && self
                .reasons
                .iter()
                .any(|reason| reason.filter == Filter::Division)
    }
}

/// One member of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The member.
    pub name: ClusterName,
    /// How many replicas; None: as many as the template has.
    pub replicas: Option<u64>,
}

/// Replicas that are nowhere yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// How many; None: all of it.
    pub replicas: Option<u64>,
    /// What they wait for, for people.
    pub message: String,
}

/// Steps in which what one decision makes possible is decided, too.
const STEPS: usize = 4;

/// Decides where the template runs. Decided again on its own result, nothing changes.
#[must_use]
pub fn place(fleet: &Snapshot, request: &Request<'_>) -> Plan {
    let mut plan = step(fleet, request);
    let terms = request.placement.map_or(0, |placement| placement.terms.len());
    if terms < 2 || request.workload.replicas.is_none() {
        return plan;
    }
    // What leaves one term may make another hold all of it.
    for _ in 0..STEPS {
        let next = again(fleet, request, &plan);
        if next.clusters == plan.clusters {
            break;
        }
        let fails_over = plan.fails_over || next.fails_over;
        plan = Plan { fails_over, ..next };
    }
    plan
}

/// Plans again on the result of a plan, with the room that is left then.
pub(super) fn again(fleet: &Snapshot, request: &Request<'_>, plan: &Plan) -> Plan {
    let current: Vec<BindingCluster> = plan
        .clusters
        .iter()
        .map(|placed| BindingCluster {
            replicas: placed.replicas.and_then(|replicas| replicas.try_into().ok()),
            ..BindingCluster::new(placed.name.clone())
        })
        .collect();
    let rooms = left(request, plan);
    let mut again = *request;
    (again.current, again.rooms) = (&current, &rooms);
    again.workload.anew = false;
    step(fleet, &again)
}

/// The room that is left when the plan is carried out.
fn left(request: &Request<'_>, plan: &Plan) -> Rooms {
    let mut rooms = request.rooms.only_room();
    let Some(pod) = request.workload.pod else {
        return rooms;
    };
    for placed in &plan.clusters {
        let mut current = request.current.iter();
        let had = current.find(|had| had.name == placed.name && !had.removing);
        let had = had.and_then(|had| u64::try_from(had.replicas?).ok()).unwrap_or(0);
        let more = placed.replicas.unwrap_or(0).saturating_sub(had);
        rooms.take(&placed.name, pod, more);
    }
    rooms
}

fn step(fleet: &Snapshot, request: &Request<'_>) -> Plan {
    let planner = Planner::new(request);
    let mut plan = Plan::default();
    let mut candidates = Vec::new();
    for member in fleet.members.values() {
        let (answer, until) = planner.filter(member);
        plan.until = plan.until.into_iter().chain(until).min();
        match answer {
            Ok(mut candidate) => {
                plan.lost.extend(candidate.lost.take());
                candidates.push(candidate);
            }
            Err(reason) => {
                let lost = matches!(reason.filter, Filter::Answers | Filter::NodesReady);
                plan.fails_over |= lost && planner.current.contains_key(&member.name);
                plan.reasons.push(reason);
            }
        }
    }
    let missing = planner.names().filter(|name| !fleet.members.contains_key(*name));
    plan.reasons.extend(missing.map(|name| Reason {
        cluster: name.clone(),
        filter: Filter::ClusterExists,
        message: format!("no Cluster named {name}"),
        numbers: Resources::new(),
    }));
    planner.choose(&candidates, &mut plan);
    plan.clusters.sort_by(|one, other| one.name.cmp(&other.name));
    plan.reasons.sort_by(|one, other| one.cluster.cmp(&other.cluster));
    plan.reasons.dedup_by(|one, other| one.cluster == other.cluster);
    plan
}

/// How a placement shares replicas out.
struct Sharing<'a> {
    how: How,
    total: u64,
    min: u64,
    max: u64,
    weights: Vec<(Choice<'a>, u64)>,
}

impl<'a> Sharing<'a> {
    /// None: every member gets all of it.
    fn of(placement: &'a Placement, replicas: Option<u64>) -> Option<Self> {
        let asked = &placement.replicas;
        if asked.mode != ReplicasMode::Divided {
            return None;
        }
        let none = Divide::default();
        let divide = asked.divide.as_ref().unwrap_or(&none);
        let weights = asked
            .divide
            .as_ref()
            .and_then(|divide| divide.weighted.as_deref());
        let weights = weights.unwrap_or_default().iter();
        Some(Self {
            how: match divide {
                Divide { packed: Some(_), .. } => How::Packed,
                Divide {
                    capacity: Some(_), ..
                } => How::Capacity,
                _ => How::Weighted,
            },
            total: replicas?,
            min: asked.min_per_cluster.unwrap_or(0).into(),
            max: asked.max_per_cluster.map_or(u64::MAX, u64::from),
            weights: weights
                .map(|weight| (Choice::compile(&weight.clusters), u64::from(weight.weight)))
                .collect(),
        })
    }

    /// Its weight is that of the first item that chooses it; without items all weigh the same.
    fn weight(&self, member: &Member) -> u64 {
        if self.weights.is_empty() {
            return 1;
        }
        let chosen = self
            .weights
            .iter()
            .find(|(choice, _)| choice.contains(member) == Answer::Yes);
        chosen.map_or(0, |(_, weight)| *weight)
    }

    /// The most replicas that a member may have.
    fn cap(&self, candidate: &Candidate<'_>) -> u64 {
        let had = had(candidate);
        let cap = match self.how {
            _ if !candidate.open => had,
            How::Weighted => u64::MAX,
            How::Capacity | How::Packed => had.saturating_add(candidate.room.unwrap_or(0)),
        };
        cap.min(self.max)
    }
}

/// Whether it is of one of the terms, or has something that stays whatever is decided.
fn counts(candidate: &Candidate<'_>, terms: u32) -> bool {
    candidate.terms & terms != 0 || stays(candidate)
}

/// Whether what it has stays there, as it is not known whether it may.
fn stays(candidate: &Candidate<'_>) -> bool {
    !candidate.open && had(candidate) > 0
}

fn had(candidate: &Candidate<'_>) -> u64 {
    let replicas = candidate.had.and_then(|had| had.replicas);
    replicas
        .and_then(|replicas| replicas.try_into().ok())
        .unwrap_or(0)
}

/// One try to place a workload.
#[derive(Default)]
struct Attempt {
    /// Candidates by number, and their replicas.
    placed: Vec<(usize, Option<u64>)>,
    waiting: Option<Waiting>,
    /// Why others of its candidates were not taken.
    refused: Vec<(usize, Filter, String)>,
}

impl Attempt {
    fn left(&self) -> u64 {
        match &self.waiting {
            None => 0,
            Some(waiting) => waiting.replicas.unwrap_or(u64::MAX),
        }
    }
}

impl<'a> Planner<'a> {
    /// Chooses among the members that may have it.
    fn choose(&self, candidates: &[Candidate<'a>], plan: &mut Plan) {
        let forced = candidates.iter().filter(|candidate| candidate.required);
        plan.clusters.extend(forced.map(|candidate| Placed {
            name: candidate.member.name.clone(),
            replicas: None,
        }));
        let Some(placement) = self.request.placement else {
            return;
        };
        let mut free: Vec<&Candidate<'_>> = candidates
            .iter()
            .filter(|candidate| !candidate.required && candidate.terms != 0)
            .collect();
        if free.is_empty() {
            return;
        }
        let sharing = Sharing::of(placement, self.request.workload.replicas);
        self.prefer(&mut free, sharing.as_ref());
        let (attempt, spilled) = match (placement.fallback, &sharing) {
            (Fallback::Spill, Some(_)) => {
                let attempt = self.attempt(&free, u32::MAX, placement, sharing.as_ref());
                let later = |(at, _): &(usize, _)| {
                    let at: &usize = at;
                    free[*at].terms & 1 == 0
                };
                let spilled = attempt.placed.iter().any(later);
                (attempt, spilled)
            }
            _ => self.whole(&free, placement, sharing.as_ref()),
        };
        plan.wants_room = attempt.waiting.is_some() || (spilled && placement.return_ == Return::WhenRoom);
        for (at, replicas) in &attempt.placed {
            plan.clusters.push(Placed {
                name: free[*at].member.name.clone(),
                replicas: *replicas,
            });
        }
        for (at, candidate) in free.iter().enumerate() {
            if attempt.placed.iter().any(|(placed, _)| *placed == at) {
                continue;
            }
            let told = attempt.refused.iter().find(|(refused, ..)| *refused == at);
            let (filter, message) = told.map_or_else(
                || (Filter::Term, "another term of the policy is used".to_owned()),
                |(_, filter, message)| (*filter, message.clone()),
            );
            // Of one that was merely not needed the room says nothing, and it changes all the time.
            let full = sharing
                .as_ref()
                .is_some_and(|sharing| sharing.cap(candidate) < sharing.min.max(1));
            let numbers = candidate
                .room
                .filter(|_| full)
                .map(|room| ("room.pods".to_owned(), pods(room)));
            plan.reasons.push(Reason {
                cluster: candidate.member.name.clone(),
                filter,
                message,
                numbers: numbers
                    .filter(|_| filter == Filter::Division)
                    .into_iter()
                    .collect(),
            });
        }
        plan.waiting = attempt.waiting;
    }

    /// Who comes first: who has it, who is of an earlier term, who has more room; then by name.
    fn prefer(&self, free: &mut [&Candidate<'_>], sharing: Option<&Sharing<'_>>) {
        let total = sharing.map_or(0, |sharing| sharing.total);
        let home = self.request.placement.is_some_and(comes_home);
        free.sort_by_key(|candidate| {
            let has = candidate.had.is_some() && !self.request.workload.anew;
            let room = candidate.room.unwrap_or(0).min(total);
            let term = candidate.terms.trailing_zeros();
            (
                // What shall come home is not kept away for the sake of a group.
                if home { term } else { 0 },
                !has,
                term,
                std::cmp::Reverse(room),
                &candidate.member.name,
            )
        });
    }

    /// The first term that holds all of it; the one that is used before others unless it shall return.
    fn whole(
        &self,
        free: &[&Candidate<'_>],
        placement: &Placement,
        sharing: Option<&Sharing<'_>>,
    ) -> (Attempt, bool) {
        let terms = placement.terms.len().max(1);
        let used = (0..terms).find(|term| {
            let mut here = free.iter().filter(|candidate| candidate.had.is_some()).peekable();
            here.peek().is_some() && here.all(|candidate| candidate.terms >> term & 1 == 1)
        });
        let first = used.filter(|_| placement.return_ == Return::Never);
        let order = first
            .into_iter()
            .chain((0..terms).filter(|term| Some(*term) != first));
        let mut best: Option<(Attempt, usize)> = None;
        for term in order {
            let attempt = self.attempt(free, 1 << term, placement, sharing);
            let whole = attempt.waiting.is_none() && !attempt.placed.is_empty();
            // What runs stays where it is while nobody has room for all of it.
            let better = best.as_ref().is_none_or(|(best, at)| {
                let runs = Some(*at) == used && !best.placed.is_empty();
                Some(term) == used || (!runs && attempt.left() < best.left())
            });
            if whole || better {
                best = Some((attempt, term));
            }
            if whole {
                break;
            }
        }
        best.map_or_else(Default::default, |(attempt, term)| (attempt, term > 0))
    }

    /// Places into the members of some terms.
    fn attempt(
        &self,
        free: &[&Candidate<'_>],
        terms: u32,
        placement: &Placement,
        sharing: Option<&Sharing<'_>>,
    ) -> Attempt {
        let mut attempt = Attempt::default();
        if sharing.is_some_and(|sharing| sharing.total == 0) {
            return nothing(free, terms);
        }
        let mut members: Vec<usize> = (0..free.len()).filter(|at| counts(free[*at], terms)).collect();
        for spread in &placement.spread {
            members.retain(|at| {
                let known = group(free[*at].member, spread).is_some();
                if !known {
                    let message = format!("{} has no {}", free[*at].member.name, spread.by);
                    attempt.refused.push((*at, Filter::Spread, message));
                }
                known
            });
        }
        // A group that is not known yet is no reason to move: nothing does until it is.
        let unknown = |candidate: &&Candidate<'_>| {
            let spread = &placement.spread;
            candidate.had.is_some()
                && candidate.member.room.is_none()
                && spread
                    .iter()
                    .any(|spread| group(candidate.member, spread).is_none())
        };
        if free.iter().any(unknown) {
            return keep(free, "the groups of some members are not known yet");
        }
        // Who can hold nothing cannot stand for its group either.
        if let Some(sharing) = sharing {
            members.retain(|at| {
                let holds = stays(free[*at]) || sharing.cap(free[*at]) >= sharing.min.max(1);
                if !holds {
                    let message = format!("{} has no room for it", free[*at].member.name);
                    attempt.refused.push((*at, Filter::Division, message));
                }
                holds
            });
        }
        if members.is_empty() {
            let replicas = sharing.map(|sharing| sharing.total);
            let total = replicas
                .map(|replicas| format!(" for any of {replicas} replicas"))
                .unwrap_or_default();
            attempt.waiting = Some(Waiting {
                replicas,
                message: format!("no member that may have it has room{total}"),
            });
            return attempt;
        }
        let groupings: Vec<Grouping<'_>> = placement
            .spread
            .iter()
            .map(|spread| Grouping {
                of: members
                    .iter()
                    .map(|at| group(free[*at].member, spread).unwrap_or_default())
                    .collect(),
                min: spread.min_groups.unwrap_or(0) as usize,
                max: spread.max_groups.map_or(usize::MAX, |max| max as usize),
            })
            .collect();
        let caps: Vec<u64> = members
            .iter()
            .map(|at| sharing.map_or(0, |sharing| sharing.cap(free[*at])))
            .collect();
        let total = sharing.map_or(0, |sharing| sharing.total);
        let holds = |some: &[usize]| some.iter().fold(0_u64, |sum, at| sum.saturating_add(caps[*at]));
        let limit = sharing.map_or(usize::MAX, |sharing| {
            usize::try_from(total / sharing.min.max(1)).unwrap_or(usize::MAX)
        });
        let chosen = choose(&groupings, members.len(), limit, total, &holds);
        let Some((may, must)) = chosen else {
            return keep(free, &impossible(placement, &groupings, limit));
        };
        for at in (0..members.len()).filter(|at| !may.contains(at)) {
            let message = format!(
                "{} is in none of the groups that were chosen: {}",
                free[members[at]].member.name,
                bounds(placement)
            );
            attempt.refused.push((members[at], Filter::Spread, message));
        }
        let Some(sharing) = sharing else {
            attempt.placed = may.iter().map(|at| (members[*at], None)).collect();
            return attempt;
        };
        self.share(
            free,
            &members,
            (&may, &must),
            &caps,
            placement,
            sharing,
            &mut attempt,
        );
        attempt
    }

    /// Shares replicas out among the members that may have some.
    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of one step of `attempt`, which nobody else has"
    )]
    fn share(
        &self,
        free: &[&Candidate<'_>],
        members: &[usize],
        (may, must): (&[usize], &[usize]),
        caps: &[u64],
        placement: &Placement,
        sharing: &Sharing<'_>,
        attempt: &mut Attempt,
    ) {
        let workload = &self.request.workload;
        let shares: Vec<Share> = may
            .iter()
            .map(|at| {
                let candidate = free[members[*at]];
                let has = had(candidate);
                let ready = workload.ready.and_then(|ready| ready.get(&candidate.member.name));
                Share {
                    had: if workload.anew && !stays(candidate) {
                        0
                    } else {
                        has
                    },
                    floor: must.contains(at),
                    cap: caps[*at],
                    frozen: stays(candidate),
                    weight: sharing.weight(candidate.member),
                    spare: ready.map_or(0, |ready| has.saturating_sub(*ready)),
                    rank: match placement.fallback {
                        Fallback::Spill => candidate.terms.trailing_zeros() as usize,
                        Fallback::Whole => 0,
                    },
                }
            })
            .collect();
        let wish = Wish {
            how: sharing.how,
            total: sharing.total,
            min: sharing.min,
            home: comes_home(placement),
        };
        let division = settled(wish, &shares);
        for (share, at) in division.replicas.iter().zip(may) {
            let at = members[*at];
            if *share > 0 {
                attempt.placed.push((at, Some(*share)));
            } else {
                let message = format!("{} got none of {} replicas", free[at].member.name, sharing.total);
                attempt.refused.push((at, Filter::Division, message));
            }
        }
        if division.left > 0 {
            attempt.waiting = Some(Waiting {
                replicas: Some(division.left),
                message: shortage(
                    sharing,
                    division.left,
                    may.iter().map(|at| (free[members[*at]], caps[*at])),
                ),
            });
        }
    }
}

/// Steps in which what was spilled comes home.
const STEPS_HOME: usize = 8;

/// The division, with as much at home as will stay there; nothing comes home only to go away again.
fn settled(wish: Wish, shares: &[Share]) -> Division {
    let mut division = divide(wish, shares);
    if !wish.home {
        return division;
    }
    for _ in 0..STEPS_HOME {
        let now = |(share, had): (&Share, &u64)| Share {
            had: *had,
            cap: if share.frozen { *had } else { share.cap },
            ..*share
        };
        let after: Vec<Share> = shares.iter().zip(&division.replicas).map(now).collect();
        let next = divide(wish, &after);
        if next == division {
            return division;
        }
        division = next;
    }
    divide(Wish { home: false, ..wish }, shares)
}

/// Whether what was spilled into a later term moves to an earlier one that has room.
fn comes_home(placement: &Placement) -> bool {
    placement.fallback == Fallback::Spill && placement.return_ == Return::WhenRoom
}

/// Scaled to zero it stays where it was, with none.
fn nothing(free: &[&Candidate<'_>], terms: u32) -> Attempt {
    let mut attempt = Attempt::default();
    for (at, candidate) in free.iter().enumerate() {
        if candidate.had.is_some() && candidate.terms & terms != 0 {
            attempt.placed.push((at, Some(0)));
        } else {
            attempt
                .refused
                .push((at, Filter::Division, "there are no replicas".to_owned()));
        }
    }
    attempt
}

/// Nothing changes: what cannot be spread, or not yet, stays where it is.
fn keep(free: &[&Candidate<'_>], why: &str) -> Attempt {
    let mut attempt = Attempt {
        waiting: Some(Waiting {
            replicas: None,
            message: why.to_owned(),
        }),
        ..Attempt::default()
    };
    for (at, candidate) in free.iter().enumerate() {
        match candidate.had {
            Some(had) => {
                let replicas = had.replicas.and_then(|replicas| replicas.try_into().ok());
                attempt.placed.push((at, replicas));
            }
            None => attempt.refused.push((at, Filter::Spread, why.to_owned())),
        }
    }
    attempt
}

/// The group of a member; `None` if it has no such label.
pub(super) fn group<'a>(member: &'a Member, spread: &Spread) -> Option<&'a str> {
    match spread.by.as_str() {
        "cluster" => Some(member.name.as_str()),
        "region" => member.region.as_deref(),
        "zone" => member.zone.as_deref(),
        "provider" => member.provider.as_deref(),
        other => member
            .labels
            .get(other.strip_prefix("label:").unwrap_or(other))
            .map(String::as_str),
    }
}

fn bounds(placement: &Placement) -> String {
    let one = |spread: &Spread| {
        let bound = |name: &str, bound: Option<u32>| bound.map(|bound| format!(" {name} {bound}"));
        let bounds = [
            bound("at least", spread.min_groups),
            bound("at most", spread.max_groups),
        ];
        format!(
            "{}{}",
            spread.by,
            bounds.into_iter().flatten().collect::<String>()
        )
    };
    placement.spread.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn impossible(placement: &Placement, groupings: &[Grouping<'_>], most: usize) -> String {
    for (spread, grouping) in placement.spread.iter().zip(groupings) {
        let mut groups = grouping.of.clone();
        groups.sort_unstable();
        groups.dedup();
        if groups.len() < grouping.min {
            return format!(
                "the spread cannot be kept: {} needs {} groups, the members that may have it are in {} ({})",
                spread.by,
                grouping.min,
                groups.len(),
                groups.join(", ")
            );
        }
        if grouping.min > most {
            return format!(
                "the spread cannot be kept: {} needs {} groups, the replicas are enough for {most} members",
                spread.by, grouping.min
            );
        }
    }
    format!("the spread cannot be kept: {}", bounds(placement))
}

fn shortage<'a>(
    sharing: &Sharing<'_>,
    left: u64,
    members: impl Iterator<Item = (&'a Candidate<'a>, u64)>,
) -> String {
    const SHOWN: usize = 8;
    let total = sharing.total;
    let placed = total - left;
    if left < sharing.min {
        return format!(
            "{placed} of {total} replicas are placed; {left} are fewer than minPerCluster {}",
            sharing.min
        );
    }
    let mut rooms: Vec<String> = members
        .map(|(candidate, cap)| format!("{} {cap}", candidate.member.name))
        .collect();
    let more = rooms.len().saturating_sub(SHOWN);
    rooms.truncate(SHOWN);
    if more > 0 {
        rooms.push(format!("and {more} more"));
    }
    format!(
        "{placed} of {total} replicas are placed; {left} wait for room: the members can have {}",
        rooms.join(", ")
    )
}

fn pods(number: u64) -> Amount {
    Amount::from_units(number.try_into().unwrap_or(i64::MAX))
}

/// Hash of what somebody can ask for a new division with: how replicas are shared out, and the value of annotation
/// `hanse.dev/rebalance`. Everything else, the fleet above all, changes a decision only as far as it must.
#[must_use]
pub fn inputs_hash(placement: Option<&Placement>, rebalance: Option<&str>) -> Hash {
    Hash::of(&serde_json::json!([
        placement.map(|placement| &placement.replicas),
        rebalance
    ]))
}

#[cfg(test)]
mod divided;
#[cfg(test)]
mod tests;
