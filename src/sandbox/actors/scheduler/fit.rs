//! Which nodes can take a pod, and which of them is best.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use super::refusal::{Refusal, Refusals};
use super::request::{Request, amounts};
use crate::model::quantity::Amount;
use crate::sandbox::object;
use crate::sandbox::selector::meets;

/// A node, and what its pods take of it.
#[derive(Debug)]
pub(crate) struct Node {
    pub(super) name: Arc<str>,
    labels: Value,
    taints: Vec<Value>,
    unschedulable: bool,
    allocatable: BTreeMap<String, Amount>,
    used: BTreeMap<String, Amount>,
    ports: BTreeSet<(String, i64)>,
    pods: i64,
}

impl Node {
    pub(super) fn new<'a>(node: &Value, used: impl Iterator<Item = &'a Request>) -> Self {
        let mut new = Self {
            name: object::name(node).into(),
            labels: node["metadata"]["labels"].clone(),
            taints: node["spec"]["taints"].as_array().cloned().unwrap_or_default(),
            unschedulable: node["spec"]["unschedulable"] == true,
            allocatable: amounts(&node["status"]["allocatable"]),
            used: BTreeMap::new(),
            ports: BTreeSet::new(),
            pods: 0,
        };
        used.for_each(|request| new.take(request));
        new
    }

    pub(super) fn take(&mut self, request: &Request) {
        for (name, amount) in &request.amounts {
            let sum = self.used.entry(name.clone()).or_default();
            *sum = sum.checked_add(*amount).unwrap_or(*sum);
        }
        self.ports.extend(request.ports.iter().cloned());
        self.pods += 1;
    }

    pub(super) fn give_back(&mut self, request: &Request) {
        for (name, amount) in &request.amounts {
            if let Some(sum) = self.used.get_mut(name) {
                *sum = sum.checked_sub(*amount).unwrap_or(*sum);
            }
        }
        self.ports.retain(|port| !request.ports.contains(port));
        self.pods -= 1;
    }

    fn free(&self, resource: &str) -> Amount {
        let of = |amounts: &BTreeMap<String, Amount>| amounts.get(resource).copied().unwrap_or_default();
        of(&self.allocatable)
            .checked_sub(of(&self.used))
            .unwrap_or_default()
    }

    /// In the order of upstream's filters: the first that refuses is the one that is told.
    fn refuses(&self, pod: &Value, request: &Request) -> Option<Refusal> {
        let spec = &pod["spec"];
        let hopeless = |reason: &str| {
            Some(Refusal {
                reasons: vec![reason.to_owned()],
                would_preempt: false,
            })
        };
        let cordon = json!({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"});
        if self.unschedulable && !tolerates(spec, &cordon) {
            return hopeless("node(s) were unschedulable");
        }
        let strict = |taint: &&Value| taint["effect"] == "NoSchedule" || taint["effect"] == "NoExecute";
        if self
            .taints
            .iter()
            .filter(strict)
            .any(|taint| !tolerates(spec, taint))
        {
            return hopeless("node(s) had untolerated taint(s)");
        }
        if !self.is_selected(spec) {
            return hopeless("node(s) didn't match Pod's node affinity/selector");
        }
        if request.ports.iter().any(|port| self.ports.contains(port)) {
            return Some(Refusal {
                reasons: vec!["node(s) didn't have free ports for the requested pod ports".to_owned()],
                would_preempt: true,
            });
        }
        self.lacks(request)
    }

    fn lacks(&self, request: &Request) -> Option<Refusal> {
        let mut reasons = Vec::new();
        let mut would_preempt = true;
        let most = self.allocatable.get("pods").map_or(0, |pods| pods.units());
        if self.pods + 1 > most {
            reasons.push("Too many pods".to_owned());
        }
        for (name, amount) in &request.amounts {
            if !amount.is_zero() && *amount > self.free(name) {
                reasons.push(format!("Insufficient {name}"));
                would_preempt &= *amount <= self.allocatable.get(name).copied().unwrap_or_default();
            }
        }
        (!reasons.is_empty()).then_some(Refusal {
            reasons,
            would_preempt,
        })
    }

    fn is_selected(&self, spec: &Value) -> bool {
        let selector = spec["nodeSelector"].as_object();
        if selector.is_some_and(|wanted| wanted.iter().any(|(key, value)| self.labels[key] != *value)) {
            return false;
        }
        let required = &spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
        let Some(terms) = required["nodeSelectorTerms"].as_array() else {
            return true;
        };
        let fields = json!({"metadata.name": &*self.name});
        let all = |term: &Value, list: &str, facts: &Value| {
            let requirements = term[list].as_array().map_or(&[][..], Vec::as_slice);
            requirements.iter().all(|one| meets(one, facts))
        };
        // A term that asks for nothing fits nothing.
        terms.iter().any(|term| {
            let asks = !term["matchExpressions"].is_null() || !term["matchFields"].is_null();
            asks && all(term, "matchExpressions", &self.labels) && all(term, "matchFields", &fields)
        })
    }

    /// In thousandths: how much of cpu and memory would be left, and how many soft taints it has against it. The more
    /// the better.
    fn score(&self, spec: &Value, request: &Request) -> (i64, i128) {
        let soft = |taint: &&Value| taint["effect"] == "PreferNoSchedule" && !tolerates(spec, taint);
        let against = self.taints.iter().filter(soft).count();
        let left: i128 = ["cpu", "memory"]
            .iter()
            .map(|name| {
                let milli = |amount: Amount| i128::from(amount.milli().unwrap_or(i64::MAX));
                let wanted = request.amounts.get(*name).copied().unwrap_or_default();
                let all = milli(self.allocatable.get(*name).copied().unwrap_or_default()).max(1);
                (milli(self.free(name)) - milli(wanted)) * 1000 / all
            })
            .sum();
        (-i64::try_from(against).unwrap_or(0), left)
    }
}

/// The best node for a pod: the emptiest, then the one with the fewest pods, then the first by name.
pub(super) fn place<'a>(pod: &Value, nodes: impl Iterator<Item = &'a Node>) -> Result<&'a Node, Refusals> {
    let request = Request::of(pod);
    let mut refusals = Refusals::default();
    let mut best: Option<(_, &Node)> = None;
    for node in nodes {
        if let Some(refusal) = node.refuses(pod, &request) {
            refusals.nodes.push(refusal);
            continue;
        }
        let score = (node.score(&pod["spec"], &request), -node.pods);
        if best.as_ref().is_none_or(|(than, _)| score > *than) {
            best = Some((score, node));
        }
    }
    best.map(|(_, node)| node).ok_or(refusals)
}

fn tolerates(spec: &Value, taint: &Value) -> bool {
    let tolerations = spec["tolerations"].as_array().map_or(&[][..], Vec::as_slice);
    tolerations.iter().any(|toleration| {
        let text = |field: &str| toleration[field].as_str().unwrap_or_default();
        let effect = text("effect").is_empty() || taint["effect"] == text("effect");
        let exists = text("operator") == "Exists";
        let key = (exists && text("key").is_empty()) || taint["key"] == text("key");
        effect && key && (exists || taint["value"].as_str().unwrap_or_default() == text("value"))
    })
}
