//! What one pod of a workload needs: enough to tell on which nodes it can run, and how many times.
//!
//! The rules are those of upstream's scheduler for requests, node selectors, required node affinity and taints
//! (plugins `NodeResourcesFit`, `NodeAffinity`, `TaintToleration`). What else a scheduler may say (affinity between pods,
//! topology, volumes, host ports) is left to the member: a plan does not promise it.

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::api::core::v1::{NodeSelectorRequirement, NodeSelectorTerm, Toleration};
use serde::Deserialize;
use serde_json::Value;

use super::{Amounts, NodeFacts, NodeRoom, NodeTaint, PodSpec};

/// What one pod of a workload needs of a node.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PodShape {
    /// What it asks for; one pod.
    pub asks: Amounts,
    /// Labels that the node must have.
    node_selector: BTreeMap<String, String>,
    /// One of the terms must hold; `None` when it has no required affinity.
    affinity: Option<Vec<NodeSelectorTerm>>,
    tolerations: Vec<Toleration>,
    /// Whether it mounts a volume claim: where its data lies, it must run.
    pub claims: bool,
}

/// Why a pod can't run on a node, even if it were empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfit {
    /// A taint of the node is not tolerated.
    Taint(NodeTaint),
    /// The labels of the node do not fulfil node selector or affinity.
    Labels,
    /// It asks for more than the whole node has.
    TooSmall {
        /// The resource; CPU in thousandths.
        resource: String,
        /// What the node has.
        has: u64,
        /// What the pod asks for.
        asked: u64,
    },
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taint(taint) => write!(
                f,
                "untolerated taint {}={}:{}",
                taint.key, taint.value, taint.effect
            ),
            Self::Labels => f.write_str("node selector or affinity not met"),
            Self::TooSmall { resource, has, asked } => {
                let unit = if resource == "cpu" { "m" } else { "" };
                write!(
                    f,
                    "insufficient {resource}: {asked}{unit} asked, {has}{unit} allocatable"
                )
            }
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    node_selector: Option<BTreeMap<String, String>>,
    affinity: Option<Affinity>,
    tolerations: Option<Vec<Toleration>>,
    volumes: Option<Vec<Volume>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Affinity {
    node_affinity: Option<NodeAffinity>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct NodeAffinity {
    required_during_scheduling_ignored_during_execution: Option<Required>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Required {
    node_selector_terms: Vec<NodeSelectorTerm>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Volume {
    persistent_volume_claim: Option<serde::de::IgnoredAny>,
    ephemeral: Option<serde::de::IgnoredAny>,
}

impl PodShape {
    /// Reads a pod's spec. What cannot be read asks for nothing: the member's API server will say what is wrong.
    #[must_use]
    pub fn of(spec: &Value) -> Self {
        let mut asks = PodSpec::deserialize(spec).unwrap_or_default().requests();
        asks.base.pods = 1;
        let read = Spec::deserialize(spec).unwrap_or_default();
        let required = read
            .affinity
            .and_then(|affinity| affinity.node_affinity)
            .and_then(|affinity| affinity.required_during_scheduling_ignored_during_execution);
        let claims = read
            .volumes
            .iter()
            .flatten()
            .any(|volume| volume.persistent_volume_claim.is_some() || volume.ephemeral.is_some());
        Self {
            asks,
            node_selector: read.node_selector.unwrap_or_default(),
            affinity: required.map(|required| required.node_selector_terms),
            tolerations: read.tolerations.unwrap_or_default(),
            claims,
        }
    }

    /// Why such a pod could not run on the node even if it were empty.
    #[must_use]
    pub fn unfit(&self, node: &NodeFacts) -> Option<Unfit> {
        if let Some(taint) = self.untolerated(node) {
            return Some(Unfit::Taint(taint.clone()));
        }
        if !self.selects(node) {
            return Some(Unfit::Labels);
        }
        let (resource, has, asked) = node.allocatable.lacks(&self.asks)?;
        Some(Unfit::TooSmall {
            resource: resource.to_owned(),
            has,
            asked,
        })
    }

    /// How many such pods the node can still take.
    #[must_use]
    pub fn room(&self, at: &NodeRoom) -> u64 {
        if self.untolerated(&at.node).is_some() || !self.selects(&at.node) {
            return 0;
        }
        at.free.holds(&self.asks)
    }

    fn untolerated<'a>(&self, node: &'a NodeFacts) -> Option<&'a NodeTaint> {
        let tolerated = |taint: &NodeTaint| self.tolerations.iter().any(|one| tolerates(one, taint));
        node.taints.iter().find(|taint| !tolerated(taint))
    }

    fn selects(&self, node: &NodeFacts) -> bool {
        let has = |(key, value): (&String, &String)| node.labels.get(key) == Some(value);
        self.node_selector.iter().all(has)
            && self
                .affinity
                .as_ref()
                .is_none_or(|terms| terms.iter().any(|term| holds(term, node)))
    }
}

/// A term that asks for nothing fits nothing, as upstream.
fn holds(term: &NodeSelectorTerm, node: &NodeFacts) -> bool {
    let labels = term.match_expressions.iter().flatten();
    let fields = term.match_fields.iter().flatten();
    let asks = term.match_expressions.is_some() || term.match_fields.is_some();
    let label = |one: &NodeSelectorRequirement| meets(one, node.labels.get(&one.key).map(String::as_str));
    let field = |one: &NodeSelectorRequirement| one.key == "metadata.name" && meets(one, Some(&node.name));
    asks && labels.clone().all(label) && fields.clone().all(field)
}

fn meets(requirement: &NodeSelectorRequirement, value: Option<&str>) -> bool {
    let values = requirement.values.as_deref().unwrap_or_default();
    let among = |value: &str| values.iter().any(|one| one == value);
    let number = |text: Option<&str>| text.and_then(|text| text.parse::<i64>().ok());
    let bound = number(values.first().map(String::as_str));
    match requirement.operator.as_str() {
        "In" => value.is_some_and(among),
        "NotIn" => !value.is_some_and(among),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => matches!((number(value), bound), (Some(value), Some(bound)) if value > bound),
        "Lt" => matches!((number(value), bound), (Some(value), Some(bound)) if value < bound),
        _ => false,
    }
}

fn tolerates(toleration: &Toleration, taint: &NodeTaint) -> bool {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let (effect, key, value) = (
        text(&toleration.effect),
        text(&toleration.key),
        text(&toleration.value),
    );
    let exists = toleration.operator.as_deref() == Some("Exists");
    (effect.is_empty() || effect == *taint.effect)
        && ((exists && key.is_empty()) || key == *taint.key)
        && (exists || value == *taint.value)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::model::fleet::Resources;

    fn node() -> NodeRoom {
        let allocatable = Amounts {
            base: Resources {
                cpu_milli: 4000,
                memory: 8 << 30,
                pods: 110,
            },
            others: [("nvidia.com/gpu".into(), 2)].into(),
        };
        let facts = NodeFacts {
            name: "n1".into(),
            labels: [("disk", "ssd"), ("cores", "16")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
            taints: vec![NodeTaint {
                key: "gpu".into(),
                value: "yes".into(),
                effect: "NoSchedule".into(),
            }],
            allocatable: allocatable.clone(),
        };
        NodeRoom {
            node: Arc::new(facts),
            free: allocatable,
        }
    }

    fn asking(requests: &Value, more: &Value) -> PodShape {
        let mut spec = json!({
            "containers": [{"name": "c", "resources": {"requests": requests}}],
            "tolerations": [{"key": "gpu", "operator": "Exists"}],
        });
        for (field, value) in more.as_object().unwrap() {
            spec[field] = value.clone();
        }
        PodShape::of(&spec)
    }

    #[rstest]
    #[case::by_cpu(json!({"cpu": "500m"}), json!({}), 8)]
    #[case::by_memory(json!({"cpu": "1m", "memory": "3Gi"}), json!({}), 2)]
    #[case::by_devices(json!({"nvidia.com/gpu": 1}), json!({}), 2)]
    #[case::by_pods(json!({}), json!({}), 110)]
    #[case::a_device_it_does_not_have(json!({"amd.com/gpu": 1}), json!({}), 0)]
    #[case::a_limit_is_a_request(json!({}), json!({"containers": [{"resources": {"limits": {"cpu": "2"}}}]}), 2)]
    #[case::not_tolerated(json!({"cpu": "1"}), json!({"tolerations": []}), 0)]
    #[case::tolerated_by_value(json!({"cpu": "1"}), json!({"tolerations": [{"key": "gpu", "value": "yes"}]}), 4)]
    #[case::selected(json!({"cpu": "1"}), json!({"nodeSelector": {"disk": "ssd"}}), 4)]
    #[case::not_selected(json!({"cpu": "1"}), json!({"nodeSelector": {"disk": "hdd"}}), 0)]
    #[case::affinity(json!({"cpu": "1"}), required(&json!([{"matchExpressions": [{"key": "cores", "operator": "Gt", "values": ["8"]}]}])), 4)]
    #[case::one_term_is_enough(
        json!({"cpu": "1"}),
        required(&json!([{"matchExpressions": [{"key": "x", "operator": "Exists"}]}, {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}])),
        4
    )]
    #[case::a_term_that_asks_nothing_fits_nothing(json!({"cpu": "1"}), required(&json!([{}])), 0)]
    fn a_node_takes_so_many_pods(#[case] requests: Value, #[case] more: Value, #[case] expected: u64) {
        assert_eq!(asking(&requests, &more).room(&node()), expected);
    }

    fn required(terms: &Value) -> Value {
        json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}})
    }

    #[rstest]
    #[case::too_small(json!({"cpu": "5"}), "insufficient cpu: 5000m asked, 4000m allocatable")]
    #[case::too_few(json!({"nvidia.com/gpu": 3}), "insufficient nvidia.com/gpu: 3 asked, 2 allocatable")]
    fn what_is_larger_than_the_node_says_by_how_much(#[case] requests: Value, #[case] expected: &str) {
        let unfit = asking(&requests, &json!({})).unfit(&node().node).unwrap();
        assert_eq!(unfit.to_string(), expected);
    }

    #[test]
    fn what_cannot_be_read_asks_for_nothing() {
        let shape = PodShape::of(&json!({"containers": "none", "tolerations": [{"operator": "Exists"}]}));
        assert_eq!(shape.room(&node()), 110);
    }
}
