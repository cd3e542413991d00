//! Fields that are declared but not implemented yet: refused, never ignored.
//!
//! One table serves two readers. [`crds`](super::crds) turns it into CEL rules, so that the API server
//! refuses; [`not_implemented`] walks an object with it, so that `hub check` says the same offline. When a
//! field becomes real its line goes from here, and nothing else has to be remembered.

use serde_json::Value;

/// The words that end every such refusal.
const WORDS: &str = "is not implemented yet";

/// A field that is refused.
#[derive(Debug)]
pub(super) struct Refusal {
    /// From the object down, items of lists as `[]`: `spec.placement.tolerations`.
    pub(super) path: &'static str,
    unless: Unless,
}

/// What may be written all the same, because it asks for what is done anyway.
#[derive(Debug, Clone, Copy)]
enum Unless {
    Never,
    Text(&'static str),
    False,
    EmptyList,
}

impl Refusal {
    const fn new(path: &'static str, unless: Unless) -> Self {
        Self { path, unless }
    }

    /// The rule for the schema of the field itself, where `self` is its value.
    pub(super) fn cel(&self) -> String {
        match self.unless {
            // A constant would be simpler, but the API server wants rules to look at the value.
            Unless::Never => "self != self".to_owned(),
            Unless::Text(text) => format!("self == '{text}'"),
            Unless::False => "self == false".to_owned(),
            Unless::EmptyList => "size(self) == 0".to_owned(),
        }
    }

    /// What the user reads.
    pub(super) fn message(&self) -> String {
        match self.unless {
            Unless::Never | Unless::EmptyList => format!("{} {WORDS}", self.path),
            Unless::Text(text) => format!("{} other than {text} {WORDS}", self.path),
            Unless::False => format!("{}: true {WORDS}", self.path),
        }
    }

    fn accepts(&self, value: &Value) -> bool {
        match self.unless {
            Unless::Never => false,
            Unless::Text(text) => value == text,
            Unless::False => value == false,
            Unless::EmptyList => value.as_array().is_some_and(Vec::is_empty),
        }
    }
}

const CLUSTER: &[Refusal] = &[
    Refusal::new("spec.connection.inCluster", Unless::Never),
    Refusal::new("spec.connection.agent", Unless::Never),
    Refusal::new("spec.lending", Unless::Never),
];

const TENANT: &[Refusal] = &[
    Refusal::new("spec.quota", Unless::Never),
    Refusal::new("spec.defaults", Unless::Never),
    // Namespaces in members enforce baseline already, and no network policy is made.
    Refusal::new("spec.isolation.podSecurity", Unless::Text("baseline")),
    Refusal::new("spec.isolation.network", Unless::Text("None")),
    Refusal::new("spec.guardrails", Unless::Never),
    Refusal::new("spec.cordoned", Unless::False),
    Refusal::new("spec.overflow.borrow", Unless::False),
];

const POLICY: &[Refusal] = &[
    Refusal::new("spec.conflict", Unless::Text("Abort")),
    Refusal::new("spec.drift.mode", Unless::Text("Correct")),
    Refusal::new("spec.drift.scope", Unless::Text("Owned")),
    Refusal::new("spec.ignoreFields", Unless::EmptyList),
    Refusal::new("spec.suspend.scheduling", Unless::False),
    Refusal::new("spec.suspend.applying", Unless::False),
    Refusal::new("spec.suspend.clusters", Unless::EmptyList),
];

/// The refused fields of a kind.
pub(super) fn refusals(kind: &str) -> &'static [Refusal] {
    match kind {
        "Cluster" => CLUSTER,
        "Tenant" => TENANT,
        "PropagationPolicy" | "ClusterPropagationPolicy" => POLICY,
        _ => &[],
    }
}

/// A wish in an object that the hub cannot fulfil yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotImplemented {
    /// JSON pointer to the field, to find its place in the file.
    pub pointer: String,
    /// The same words as the API server's.
    pub message: String,
}

/// What an object of one of our kinds asks for that is not implemented yet, in the order of its fields.
#[must_use]
pub fn not_implemented(kind: &str, object: &Value) -> Vec<NotImplemented> {
    let found = |refusal: &Refusal| {
        let pointer = format!("/{}", refusal.path.replace('.', "/"));
        let value = object.pointer(&pointer)?;
        (!refusal.accepts(value)).then(|| NotImplemented {
            pointer,
            message: refusal.message(),
        })
    };
    refusals(kind).iter().filter_map(found).collect()
}
