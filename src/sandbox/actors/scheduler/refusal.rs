//! Why no node takes a pod, in upstream's words.

use std::collections::BTreeMap;
use std::fmt;

/// Why one node doesn't.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) reasons: Vec<String>,
    /// Without some of its pods it would.
    pub(super) would_preempt: bool,
}

/// Why none of them does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Refusals {
    pub(super) nodes: Vec<Refusal>,
    /// What is wrong with the pod, wherever it would be.
    pub(super) pod: Option<(usize, String)>,
}

impl Refusals {
    /// It is the pod's own fault.
    pub(super) fn of_the_pod(nodes: usize, why: String) -> Self {
        Self {
            nodes: Vec::new(),
            pod: Some((nodes, why)),
        }
    }
}

impl fmt::Display for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((nodes, why)) = &self.pod {
            let help = "Preemption is not helpful for scheduling";
            return write!(
                f,
                "0/{nodes} nodes are available: {why}. preemption: 0/{nodes} nodes are available: {nodes} {help}."
            );
        }
        if self.nodes.is_empty() {
            return f.write_str("no nodes available to schedule pods");
        }
        let all = self.nodes.len();
        let reasons = self.nodes.iter().flat_map(|node| &node.reasons);
        let why = histogram(reasons.map(String::as_str));
        let preemption = histogram(self.nodes.iter().map(|node| {
            if node.would_preempt {
                "No preemption victims found for incoming pod"
            } else {
                "Preemption is not helpful for scheduling"
            }
        }));
        write!(
            f,
            "0/{all} nodes are available: {why}. preemption: 0/{all} nodes are available: {preemption}."
        )
    }
}

fn histogram<'a>(reasons: impl Iterator<Item = &'a str>) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for reason in reasons {
        *counts.entry(reason).or_default() += 1;
    }
    let mut texts: Vec<String> = counts
        .into_iter()
        .map(|(reason, count)| format!("{count} {reason}"))
        .collect();
    texts.sort();
    texts.join(", ")
}
