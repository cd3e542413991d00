//! Whether a choice of members contains a member.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::model::api::{self, ClusterSelector};
use std::sync::Arc;

use crate::model::cel::{self, Program};
use crate::model::fleet::{Member, Reach, Resources};
use crate::model::name::ClusterName;
use crate::model::pod::LabelMatcher;

/// A [`ClusterSelector`], compiled.
#[derive(Debug)]
pub struct Choice<'a> {
    names: BTreeSet<&'a ClusterName>,
    exclude: BTreeSet<&'a ClusterName>,
    labels: Option<Result<LabelMatcher, String>>,
    cel: Option<(&'a str, Result<Arc<Program>, String>)>,
}

/// What a filter says of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is chosen.
    Yes,
    /// It is not, and why.
    No(String),
    /// It cannot be told, or only what runs there may stay: it stays, and nothing new comes.
    Unsure(String),
}

impl<'a> Choice<'a> {
    /// Compiles a choice; what is wrong with it is the answer to every question then.
    #[must_use]
    pub fn compile(selector: &'a ClusterSelector) -> Self {
        let labels = selector.selector.as_ref();
        let cel = selector.cel.as_deref();
        Self {
            names: selector.names.iter().collect(),
            exclude: selector.exclude.iter().collect(),
            labels: labels.map(|labels| LabelMatcher::compile(labels).map_err(|error| error.to_string())),
            cel: cel.map(|text| {
                let program = Program::cached(text, &["cluster"]);
                (text, program.map_err(|error| error.to_string()))
            }),
        }
    }

    /// The numbers of the member that the expression reads: what a person needs to see why it says no.
    pub(super) fn numbers(&self, member: &Member) -> api::Resources {
        let Some((_, Ok(program))) = &self.cel else {
            return api::Resources::new();
        };
        let object = as_object(member);
        let number = |pointer: String| {
            let amount = match object.pointer(&pointer)? {
                Value::Number(number) => number.to_string().parse().ok()?,
                Value::String(text) => text.parse().ok()?,
                _ => return None,
            };
            Some((pointer.trim_start_matches('/').replace('/', "."), amount))
        };
        program
            .fields_of("cluster")
            .into_iter()
            .filter_map(number)
            .collect()
    }

    /// What is wrong with the expression of a choice, whatever the member is like.
    #[must_use]
    pub fn fault(selector: &ClusterSelector) -> Option<cel::Error> {
        let text = selector.cel.as_deref()?;
        let program = match Program::cached(text, &["cluster"]) {
            Ok(program) => program,
            Err(error) => return Some(error),
        };
        let mut member = Member::unheard(ClusterName::parse("example").ok()?);
        // As many as a person may have given it.
        member.labels = (0..64)
            .map(|number| (format!("example.com/label-{number}"), number.to_string()))
            .collect();
        match program.evaluate_bool(&[("cluster", &as_object(&member))]) {
            Err(error @ (cel::Error::TooCostly { .. } | cel::Error::NotBool { .. })) => Some(error),
            // Another member may have what this one lacks.
            _ => None,
        }
    }

    /// What is wrong with a choice, whatever the member is like, for a condition: its place below the choice, and why.
    #[must_use]
    pub fn problems(selector: &ClusterSelector) -> Vec<String> {
        let labels = selector.selector.as_ref();
        let labels = labels.and_then(|labels| LabelMatcher::compile(labels).err());
        let cel = Self::fault(selector);
        labels
            .map(|error| format!("selector: {error}"))
            .into_iter()
            .chain(cel.map(|error| format!("cel: {error}")))
            .collect()
    }

    /// Whether the member is chosen.
    #[must_use]
    pub fn contains(&self, member: &Member) -> Answer {
        let name = &member.name;
        if self.exclude.contains(name) {
            return Answer::No(format!("{name} is excluded"));
        }
        if !self.names.is_empty() && !self.names.contains(name) {
            return Answer::No(format!("{name} is not among the names {}", list(&self.names)));
        }
        match &self.labels {
            Some(Err(error)) => return Answer::Unsure(error.clone()),
            Some(Ok(labels)) if !labels.matches(&member.labels) => {
                return Answer::No(format!("the labels of {name} do not match the selector"));
            }
            _ => {}
        }
        match &self.cel {
            None => Answer::Yes,
            Some((text, Err(error))) => Answer::Unsure(format!("{error}: {text}")),
            Some((text, Ok(program))) => evaluate(text, program, member),
        }
    }
}

/// Whether what is known of the member is known now, and of that member: facts of one that is silent are old,
/// those of one that is held may be another cluster's.
pub(super) fn is_known(member: &Member) -> bool {
    matches!(member.reach, Reach::Reachable | Reach::Suspect) && member.held.is_none()
}

/// An expression on facts that may be wrong cannot say no.
fn evaluate(text: &str, program: &Program, member: &Member) -> Answer {
    let name = &member.name;
    if !is_known(member) {
        return Answer::Unsure(format!(
            "{name} is not heard of or held, so it cannot be told whether {text}"
        ));
    }
    if !member.is_listed() {
        return Answer::Unsure(format!(
            "the nodes of {name} are not listed yet, so it cannot be told whether {text}"
        ));
    }
    match program.evaluate_bool(&[("cluster", &as_object(member))]) {
        Ok(true) => Answer::Yes,
        Ok(false) => Answer::No(format!("for {name} it is false that {text}")),
        Err(error) => Answer::Unsure(format!("{error}: {text}")),
    }
}

/// At most eight names: a person reads this.
fn list(names: &BTreeSet<&ClusterName>) -> String {
    const SHOWN: usize = 8;
    let mut text: Vec<&str> = names.iter().take(SHOWN).map(|name| name.as_str()).collect();
    if names.len() > SHOWN {
        text.push("…");
    }
    text.join(", ")
}

/// The member as its `Cluster` object, as far as it is known.
fn as_object(member: &Member) -> Value {
    let labels: serde_json::Map<String, Value> = member
        .labels
        .iter()
        .map(|(key, value)| (key.clone(), value.as_str().into()))
        .collect();
    let mut spec = serde_json::Map::new();
    let known = [
        ("region", &member.region),
        ("zone", &member.zone),
        ("provider", &member.provider),
    ];
    for (field, value) in known {
        if let Some(value) = value {
            spec.insert(field.to_owned(), value.as_str().into());
        }
    }
    json!({
        "metadata": {"name": member.name, "labels": labels},
        "spec": spec,
        "status": {
            "kubernetesVersion": member.version,
            "uid": member.identity,
            "nodes": member.nodes,
            "allocatable": amounts(member.allocatable),
            "requested": amounts(member.requested),
            "idle": amounts(member.allocatable.minus(member.requested)),
            "largestGap": amounts(member.largest_gap),
        },
    })
}

fn amounts(of: Resources) -> Value {
    json!({"cpu": format!("{}m", of.cpu_milli), "memory": of.memory.to_string(), "pods": of.pods.to_string()})
}
