//! Planning.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::choose::{Answer, Choice, is_known};
use super::taint;
use super::{Filter, Reason};
use crate::model::api::{BindingCluster, ClusterSelector, Placement, RequiredBy, Resources, Toleration};
use crate::model::clock::Timestamp;
use crate::model::fleet::{Member, Reach, Snapshot};
use crate::model::hash::Hash;
use crate::model::name::{ClusterName, GroupKind, GroupVersionKind};

/// What is to be placed.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The policy's placement; None for what is only needed by other bindings.
    pub placement: Option<&'a Placement>,
    /// The members the tenant may use; empty for administrators.
    pub tenant: &'a ClusterSelector,
    /// The kind the members must serve; the version does not matter.
    pub kind: &'a GroupVersionKind,
    /// The decision that stands, from the binding.
    pub current: &'a [BindingCluster],
    /// The bindings that need this one where they are.
    pub required: &'a [RequiredBy],
    /// Tolerations may be limited in time.
    pub now: Timestamp,
}

/// A decision and its reasons.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// The members, by name.
    pub clusters: Vec<Placed>,
    /// The first "no" per other member, by name.
    pub reasons: Vec<Reason>,
    /// When it has to be planned again, if nothing changes before: then something may stay no longer.
    pub until: Option<Timestamp>,
}

/// One member of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The member.
    pub name: ClusterName,
    /// How many replicas; None: as many as the template has.
    pub replicas: Option<i64>,
}

/// Decides where the template runs.
#[must_use]
pub fn place(fleet: &Snapshot, request: &Request<'_>) -> Plan {
    let planner = Planner::new(request);
    let mut plan = Plan::default();
    for member in fleet.members.values() {
        let refused = planner
            .filters(member)
            .into_iter()
            .find_map(|(filter, answer)| match answer {
                Answer::Yes => None,
                Answer::Unsure(_) if planner.current.contains(&member.name) => None,
                Answer::No(message) | Answer::Unsure(message) => Some((filter, message)),
            });
        match refused {
            None => {
                let until = planner.taints(member).until;
                plan.until = plan.until.into_iter().chain(until).min();
                plan.clusters.push(Placed {
                    name: member.name.clone(),
                    // Duplicated: every member has all of them.
                    replicas: None,
                });
            }
            Some((filter, message)) => plan.reasons.push(Reason {
                cluster: member.name.clone(),
                filter,
                message,
                numbers: planner.numbers(filter, member),
            }),
        }
    }
    let missing = planner.names().filter(|name| !fleet.members.contains_key(*name));
    plan.reasons.extend(missing.map(|name| Reason {
        cluster: name.clone(),
        filter: Filter::ClusterExists,
        message: format!("no Cluster named {name}"),
        numbers: Resources::new(),
    }));
    plan.reasons.sort_by(|one, other| one.cluster.cmp(&other.cluster));
    plan.reasons.dedup_by(|one, other| one.cluster == other.cluster);
    plan
}

/// A request with everything in it compiled.
struct Planner<'a> {
    kind: GroupKind,
    tenant: Choice<'a>,
    /// None: no policy selects the template.
    policy: Option<&'a ClusterSelector>,
    chosen: Option<Choice<'a>>,
    /// Members that have it now. What is being removed was decided against.
    current: BTreeSet<&'a ClusterName>,
    required: BTreeSet<&'a ClusterName>,
    tolerations: &'a [Toleration],
    now: Timestamp,
}

impl<'a> Planner<'a> {
    fn new(request: &Request<'a>) -> Self {
        // A placement without terms chooses all; more than one term is refused by the CRD.
        let policy = request.placement.map(|placement| {
            placement
                .terms
                .first()
                .map_or(&*EVERY_MEMBER, |term| &term.clusters)
        });
        let wanted = request.current.iter().filter(|cluster| !cluster.removing);
        Self {
            kind: request.kind.group_kind(),
            tenant: Choice::compile(request.tenant),
            policy,
            chosen: policy.map(Choice::compile),
            current: wanted.map(|cluster| &cluster.name).collect(),
            required: request.required.iter().flat_map(|by| &by.clusters).collect(),
            tolerations: request.placement.map_or(&[], |placement| &placement.tolerations),
            now: request.now,
        }
    }

    /// The members that the policy names.
    fn names(&self) -> impl Iterator<Item = &'a ClusterName> {
        self.policy.into_iter().flat_map(|selector| &selector.names)
    }

    fn filters(&self, member: &Member) -> [(Filter, Answer); 7] {
        [
            (Filter::Leaving, leaving(member)),
            (Filter::Tenant, self.tenant.contains(member)),
            (Filter::ClusterSelection, self.selection(member)),
            (Filter::TaintToleration, self.taints(member).answer),
            (Filter::Heard, heard(member)),
            (Filter::ApiEnabled, self.api_enabled(member)),
            (Filter::Held, held(member)),
        ]
    }

    /// The numbers that a filter compared.
    fn numbers(&self, filter: Filter, member: &Member) -> Resources {
        match filter {
            Filter::Tenant => self.tenant.numbers(member),
            Filter::ClusterSelection => self
                .chosen
                .as_ref()
                .map(|chosen| chosen.numbers(member))
                .unwrap_or_default(),
            _ => Resources::new(),
        }
    }

    fn selection(&self, member: &Member) -> Answer {
        match &self.chosen {
            _ if self.required.contains(&member.name) => Answer::Yes,
            Some(choice) => choice.contains(member),
            None => Answer::No(format!("nothing in {} needs it", member.name)),
        }
    }

    fn taints(&self, member: &Member) -> taint::Verdict {
        // What others need goes where they are: their own placement was asked.
        if self.required.contains(&member.name) {
            return taint::Verdict {
                answer: Answer::Yes,
                until: None,
            };
        }
        taint::judge(member, self.tolerations, self.now)
    }

    fn api_enabled(&self, member: &Member) -> Answer {
        let (name, kind) = (&member.name, &self.kind);
        match member.apis.kind(kind) {
            Some(served) if served.is_manageable() => Answer::Yes,
            Some(served) if is_known(member) => Answer::No(format!(
                "{name} serves {kind} only for {}: list, watch and create are needed",
                served.verbs.join(", ")
            )),
            None if is_known(member) && member.apis.complete => {
                Answer::No(format!("{name} does not serve {kind}"))
            }
            _ => Answer::Unsure(format!("it is not known whether {name} serves {kind}")),
        }
    }
}

static EVERY_MEMBER: LazyLock<ClusterSelector> = LazyLock::new(ClusterSelector::default);

fn leaving(member: &Member) -> Answer {
    if member.leaving {
        Answer::No(format!("Cluster {} is being deleted", member.name))
    } else {
        Answer::Yes
    }
}

fn heard(member: &Member) -> Answer {
    match member.reach {
        Reach::Unknown => Answer::Unsure(format!("{} was not heard of yet", member.name)),
        Reach::Reachable | Reach::Suspect | Reach::Unreachable => Answer::Yes,
    }
}

fn held(member: &Member) -> Answer {
    match &member.held {
        None => Answer::Yes,
        Some(held) => Answer::Unsure(format!("{} is held: {held}", member.name)),
    }
}

/// Hash of what this template's decision was made from. The fleet is left out on purpose: it changes for all
/// bindings at once, planning again costs microseconds, and a hash over it would rewrite every binding for
/// every label on every member.
#[must_use]
pub fn inputs_hash(request: &Request<'_>) -> Hash {
    Hash::of(&serde_json::json!([
        request.placement,
        request.tenant,
        request.kind.group_kind().to_string(),
        request.required,
    ]))
}

#[cfg(test)]
mod tests;
