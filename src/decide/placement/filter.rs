//! Which members may have a workload at all: the filters, and the first "no" of each member with its numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use super::choose::{Answer, Choice, is_known};
use super::plan::Request;
use super::{Filter, Reason, failover, taint};
use crate::model::api::{BindingCluster, ClusterSelector, Placement, ReplicasMode, Resources};
use crate::model::clock::Timestamp;
use crate::model::fleet::{Member, Reach};
use crate::model::name::{ClusterName, GroupKind};
use crate::model::quantity::Amount;

/// A member that may have it.
#[derive(Debug, Clone)]
pub(super) struct Candidate<'a> {
    pub(super) member: &'a Member,
    /// The terms that choose it, the first as the lowest bit.
    pub(super) terms: u32,
    /// Others need it there, whatever the policy says.
    pub(super) required: bool,
    /// It may get something new; else what is there stays and nothing comes.
    pub(super) open: bool,
    /// It does not answer or has no ready node; why what is there stays all the same.
    pub(super) lost: Option<String>,
    /// What the decision that stands gives it; `None` if nothing.
    pub(super) had: Option<&'a BindingCluster>,
    /// How many more pods it can take; `None` if it is not known, or pods are not what is placed.
    pub(super) room: Option<u64>,
}

/// A request with everything in it compiled.
pub(super) struct Planner<'a> {
    pub(super) request: Request<'a>,
    kind: GroupKind,
    tenant: Choice<'a>,
    /// None: no policy selects the template.
    pub(super) terms: Option<Vec<Choice<'a>>>,
    /// Members that have it now. What is being removed was decided against.
    pub(super) current: BTreeMap<&'a ClusterName, &'a BindingCluster>,
    required: BTreeSet<&'a ClusterName>,
}

static EVERY_MEMBER: LazyLock<ClusterSelector> = LazyLock::new(ClusterSelector::default);

impl<'a> Planner<'a> {
    pub(super) fn new(request: &Request<'a>) -> Self {
        let wanted = request.current.iter().filter(|cluster| !cluster.removing);
        Self {
            request: *request,
            kind: request.kind.group_kind(),
            tenant: Choice::compile(request.tenant),
            terms: request
                .placement
                .map(|placement| selectors(placement).map(Choice::compile).collect()),
            current: wanted.map(|cluster| (&cluster.name, cluster)).collect(),
            required: request.required.iter().flat_map(|by| &by.clusters).collect(),
        }
    }

    /// The members that the policy names.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a ClusterName> {
        let placement = self.request.placement;
        placement
            .into_iter()
            .flat_map(selectors)
            .flat_map(|selector| &selector.names)
    }

    /// Whether replicas are shared out, so that a member may get none.
    fn divides(&self) -> bool {
        let mode = self.request.placement.map(|placement| placement.replicas.mode);
        mode == Some(ReplicasMode::Divided) && self.request.workload.replicas.is_some()
    }

    /// Asks every filter. Also until when the answer holds.
    pub(super) fn filter(&self, member: &'a Member) -> (Result<Candidate<'a>, Reason>, Option<Timestamp>) {
        let had = self.current.get(&member.name).copied();
        let required = self.required.contains(&member.name);
        let mut until = None;
        let mut open = true;
        let mut lost = None;
        let mut terms = 0;
        for filter in Filter::ASKED {
            let answer = match filter {
                Filter::Leaving => leaving(member),
                Filter::Tenant => self.tenant.contains(member),
                // What others need goes where they are: their own placement was asked.
                Filter::ClusterSelection | Filter::TaintToleration | Filter::Answers | Filter::NodesReady
                    if required =>
                {
                    Answer::Yes
                }
                Filter::ClusterSelection => {
                    let (chosen, answer) = self.selection(member, had.is_some());
                    terms = chosen;
                    answer
                }
                Filter::TaintToleration => {
                    let tolerations = self
                        .request
                        .placement
                        .map_or(&[][..], |placement| &placement.tolerations);
                    let verdict = taint::judge(member, tolerations, self.request.now);
                    until = until.into_iter().chain(verdict.until).min();
                    verdict.answer
                }
                Filter::Heard => heard(member),
                Filter::Answers | Filter::NodesReady => {
                    let judge = match filter {
                        Filter::Answers => failover::answers,
                        _ => failover::nodes_ready,
                    };
                    let (answer, due) = judge(member, &self.request.moving, self.request.now);
                    until = until.into_iter().chain(due).min();
                    match answer {
                        // A copy is meant for every member: it comes when the member is back.
                        Answer::Unsure(_) if !self.divides() => Answer::Yes,
                        answer => answer,
                    }
                }
                Filter::ApiEnabled => self.api_enabled(member),
                Filter::Held => held(member),
                Filter::NodeFit => self.node_fit(member),
                Filter::ClusterExists | Filter::Spread | Filter::Term | Filter::Division => Answer::Yes,
            };
            match answer {
                Answer::Yes => {}
                Answer::Unsure(why) if had.is_some() => {
                    open = false;
                    if matches!(filter, Filter::Answers | Filter::NodesReady) {
                        lost = Some(why);
                    }
                }
                Answer::No(message) | Answer::Unsure(message) => {
                    let reason = Reason {
                        cluster: member.name.clone(),
                        filter,
                        message,
                        numbers: self.numbers(filter, member),
                    };
                    return (Err(reason), None);
                }
            }
        }
        let room = self
            .request
            .workload
            .pod
            .and_then(|pod| self.request.rooms.of(member, pod));
        let candidate = Candidate {
            member,
            terms,
            required,
            open,
            lost,
            had,
            room,
        };
        (Ok(candidate), until)
    }

    /// The numbers that a filter compared.
    fn numbers(&self, filter: Filter, member: &Member) -> Resources {
        match filter {
            Filter::Tenant => self.tenant.numbers(member),
            Filter::ClusterSelection => self
                .terms
                .iter()
                .flatten()
                .flat_map(|term| term.numbers(member))
                .collect(),
            Filter::NodeFit => {
                let asks = self
                    .request
                    .workload
                    .pod
                    .map(|pod| pod.asks.base)
                    .unwrap_or_default();
                let milli = |cpu: u64| Amount::from_milli(cpu.try_into().unwrap_or(i64::MAX));
                let bytes = |memory: u64| Amount::from_bytes(memory.try_into().unwrap_or(i64::MAX));
                [
                    ("pod.cpu".to_owned(), milli(asks.cpu_milli)),
                    ("pod.memory".to_owned(), bytes(asks.memory)),
                ]
                .into()
            }
            Filter::NodesReady => {
                let nodes = |number: u32| Amount::from_units(number.into());
                [
                    ("nodes.ready".to_owned(), nodes(member.nodes.ready)),
                    ("nodes.total".to_owned(), nodes(member.nodes.total)),
                ]
                .into()
            }
            _ => Resources::new(),
        }
    }

    /// Which terms choose the member, and the answer of all of them together.
    fn selection(&self, member: &Member, has: bool) -> (u32, Answer) {
        let Some(choices) = &self.terms else {
            return (0, Answer::No(format!("nothing in {} needs it", member.name)));
        };
        let mut terms = 0;
        let mut sure = false;
        let mut unsure = None;
        let mut no = None;
        for (number, choice) in choices.iter().enumerate() {
            match choice.contains(member) {
                Answer::Yes => {
                    terms |= 1 << number;
                    sure = true;
                }
                Answer::Unsure(why) => {
                    terms |= u32::from(has) << number;
                    unsure = unsure.or(Some(why));
                }
                Answer::No(why) => no = no.or(Some(why)),
            }
        }
        let answer = match (unsure, no) {
            _ if sure => Answer::Yes,
            (Some(why), _) => Answer::Unsure(why),
            (None, why) => Answer::No(why.unwrap_or_default()),
        };
        (terms, answer)
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

    /// Whether one pod could run there if a node were empty. What runs there stays all the same.
    fn node_fit(&self, member: &Member) -> Answer {
        let (Some(pod), Some(room)) = (self.request.workload.pod, &member.room) else {
            return Answer::Yes;
        };
        // A member that has no node now may be one that makes them when pods come.
        let mut why: BTreeMap<String, usize> = BTreeMap::new();
        for at in room.iter() {
            let Some(unfit) = pod.unfit(&at.node) else {
                return Answer::Yes;
            };
            *why.entry(unfit.to_string()).or_default() += 1;
        }
        if why.is_empty() {
            return Answer::Yes;
        }
        let told: Vec<String> = why.iter().map(|(why, nodes)| format!("{nodes} {why}")).collect();
        Answer::Unsure(format!(
            "no node of {} could run one pod, even empty: 0/{} nodes fit: {}",
            member.name,
            room.len(),
            told.join(", ")
        ))
    }
}

/// The choices of members, in their order. A placement without terms chooses all.
fn selectors(placement: &Placement) -> impl Iterator<Item = &ClusterSelector> {
    let all = placement.terms.is_empty().then_some(&*EVERY_MEMBER);
    placement.terms.iter().map(|term| &term.clusters).chain(all)
}

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
