//! The ReplicaSets of one Deployment: which is the new one, what each has and shall have.

use serde_json::{Value, json};

use super::super::act::{Act, REPLICA_SETS};
use super::super::owners;
use super::spec::Spec;
use crate::model::hash::Hash;
use crate::sandbox::object::{self, Object};

pub(super) const HASH_LABEL: &str = "pod-template-hash";
pub(super) const REVISION: &str = "deployment.kubernetes.io/revision";
const HISTORY: &str = "deployment.kubernetes.io/revision-history";
const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
const MOST: &str = "deployment.kubernetes.io/max-replicas";
const HISTORY_LENGTH: usize = 2000;

/// Annotations of a Deployment that its ReplicaSets don't take over.
const OWN: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    HISTORY,
    DESIRED,
    MOST,
    "deprecated.deployment.rollback.to",
];

/// One ReplicaSet, and what it shall become.
#[derive(Debug, Clone)]
pub(super) struct Set {
    /// As it shall be written; as it was read until something is changed.
    pub(super) object: Value,
    /// None: it is not there yet.
    read: Option<Object>,
    pub(super) gone: bool,
}

/// All ReplicaSets of a Deployment, the oldest first.
#[derive(Debug)]
pub(super) struct Sets {
    pub(super) all: Vec<Set>,
    /// The place of the one with the Deployment's template.
    pub(super) new: Option<usize>,
}

impl Set {
    pub(super) fn name(&self) -> &str {
        object::name(&self.object)
    }

    /// How many pods it shall have, by what was decided so far.
    pub(super) fn size(&self) -> i64 {
        self.object["spec"]["replicas"].as_i64().unwrap_or(1)
    }

    /// A count of its status.
    pub(super) fn count(&self, field: &str) -> i64 {
        self.object["status"][field].as_i64().unwrap_or(0)
    }

    pub(super) fn annotation(&self, key: &str) -> Option<&str> {
        self.object["metadata"]["annotations"][key].as_str()
    }

    fn annotate(&mut self, key: &str, value: String) {
        let annotations = object::metadata_mut(&mut self.object)
            .entry("annotations")
            .or_insert_with(|| json!({}));
        annotations[key] = value.into();
    }

    pub(super) fn revision(&self) -> i64 {
        self.annotation(REVISION)
            .and_then(|text| text.parse().ok())
            .unwrap_or(0)
    }

    fn number(&self, key: &str) -> Option<i64> {
        self.annotation(key)?.parse().ok().filter(|number| *number >= 0)
    }

    /// For how many replicas of the Deployment it was last scaled.
    pub(super) fn desired(&self) -> Option<i64> {
        self.number(DESIRED)
    }

    /// With surge.
    pub(super) fn most(&self) -> Option<i64> {
        self.number(MOST)
    }

    /// Gives it another size, and notes for how many replicas of the Deployment.
    pub(super) fn scale(&mut self, size: i64, spec: &Spec) -> bool {
        let resized = size != self.size();
        if resized {
            self.object["spec"]["replicas"] = size.into();
        }
        self.annotate(DESIRED, spec.replicas.to_string());
        self.annotate(MOST, (spec.replicas + spec.surge()).to_string());
        resized
    }

    /// Whether it has all pods the Deployment wants, and was scaled for that.
    pub(super) fn is_saturated(&self, spec: &Spec) -> bool {
        self.size() == spec.replicas
            && self.desired() == Some(spec.replicas)
            && self.count("availableReplicas") == spec.replicas
    }

    /// Takes over the Deployment's annotations, and a revision that is newer than all others.
    fn sync(&mut self, deployment: &Value, revision: i64) {
        if let Some(annotations) = deployment["metadata"]["annotations"].as_object() {
            for (key, value) in annotations {
                if !OWN.contains(&key.as_str()) && self.annotation(key) != value.as_str() {
                    self.annotate(key, value.as_str().unwrap_or_default().to_owned());
                }
            }
        }
        let old = self.annotation(REVISION).map(str::to_owned);
        if self.revision() < revision {
            if let Some(old) = old {
                let history = history(self.annotation(HISTORY).unwrap_or_default(), &old);
                self.annotate(HISTORY, history);
            }
            self.annotate(REVISION, revision.to_string());
        }
        match &deployment["spec"]["minReadySeconds"] {
            Value::Null => {
                object::field_mut(&mut self.object, "spec").remove("minReadySeconds");
            }
            seconds => self.object["spec"]["minReadySeconds"] = seconds.clone(),
        }
    }

    /// What it takes to make it so.
    pub(super) fn act(self) -> Option<Act> {
        match self.read {
            None => Some(Act::Create(REPLICA_SETS, self.object)),
            Some(read) if self.gone => {
                let options = super::super::act::just(&read);
                Some(Act::Delete(REPLICA_SETS, read, options))
            }
            Some(read) => (*read != self.object).then_some(Act::Replace(REPLICA_SETS, "", self.object)),
        }
    }
}

impl Sets {
    /// Of the ReplicaSets that the Deployment controls.
    pub(super) fn of(deployment: &Value, found: &[Object]) -> Self {
        let mut found = found.to_vec();
        found.sort_by_cached_key(age);
        let template = without_hash(&deployment["spec"]["template"]);
        let new = found
            .iter()
            .position(|set| same(&without_hash(&set["spec"]["template"]), &template));
        let all = found
            .into_iter()
            .map(|read| Set {
                object: (*read).clone(),
                read: Some(read),
                gone: false,
            })
            .collect();
        Self { all, new }
    }

    pub(super) fn newest(&self) -> Option<&Set> {
        self.new.and_then(|place| self.all.get(place))
    }

    pub(super) fn newest_mut(&mut self) -> Option<&mut Set> {
        self.new.and_then(|place| self.all.get_mut(place))
    }

    pub(super) fn old(&self) -> impl Iterator<Item = &Set> {
        let new = self.new;
        let olds = self.all.iter().enumerate();
        olds.filter_map(move |(place, set)| (Some(place) != new).then_some(set))
    }

    pub(super) fn old_mut(&mut self) -> impl Iterator<Item = &mut Set> {
        let new = self.new;
        let olds = self.all.iter_mut().enumerate();
        olds.filter_map(move |(place, set)| (Some(place) != new).then_some(set))
    }

    /// How many pods they shall have, by what was decided so far.
    pub(super) fn size(&self) -> i64 {
        self.all.iter().map(Set::size).sum()
    }

    pub(super) fn count(&self, field: &str) -> i64 {
        self.all.iter().map(|set| set.count(field)).sum()
    }

    /// The newest one with the Deployment's annotations and the next revision; made when it's missing and `make`.
    pub(super) fn sync_new(&mut self, deployment: &Value, spec: &Spec, make: bool) {
        let revision = self.old().map(Set::revision).max().unwrap_or(0) + 1;
        match self.newest_mut() {
            Some(set) => set.sync(deployment, revision),
            None if make => {
                let mut set = Set {
                    object: blank(deployment),
                    read: None,
                    gone: false,
                };
                let size = self.room(spec, 0);
                set.sync(deployment, revision);
                set.scale(size, spec);
                self.new = Some(self.all.len());
                self.all.push(set);
            }
            None => {}
        }
    }

    /// How many pods a new set of a size may have now.
    pub(super) fn room(&self, spec: &Spec, size: i64) -> i64 {
        match spec.strategy {
            super::spec::Strategy::Recreate => spec.replicas,
            super::spec::Strategy::Rolling { surge, .. } => {
                let room = spec.replicas + surge - self.size();
                size + room.min(spec.replicas - size).max(0)
            }
        }
    }
}

/// Older ones first.
fn age(set: &Object) -> (String, String) {
    let created = object::meta(set, "creationTimestamp").to_owned();
    (created, object::name(set).to_owned())
}

/// A new ReplicaSet. Its name follows from its template, so that making it twice is noticed.
fn blank(deployment: &Value) -> Value {
    let collisions = deployment["status"]["collisionCount"].as_i64();
    let mut template = deployment["spec"]["template"].clone();
    let hash = template_hash(&template, collisions);
    object::metadata_mut(&mut template)
        .entry("labels")
        .or_insert_with(|| json!({}))[HASH_LABEL] = hash.as_str().into();
    let mut selector = deployment["spec"]["selector"].clone();
    object::field_mut(&mut selector, "matchLabels").insert(HASH_LABEL.to_owned(), hash.as_str().into());
    let name = object::name(deployment);
    let most = 253 - 1 - hash.len();
    json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "name": format!("{}-{hash}", &name[..name.len().min(most)]),
            "namespace": object::meta(deployment, "namespace"),
            "labels": template["metadata"]["labels"],
            "ownerReferences": [owners::controlled_by(deployment)],
        },
        "spec": {"replicas": 0, "selector": selector, "template": template},
    })
}

/// Ten characters or fewer that can't spell a word. Upstream hashes Go's memory, which nobody else can.
fn template_hash(template: &Value, collisions: Option<i64>) -> String {
    const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
    let hash = Hash::of(&json!([template, collisions])).short(8);
    let number = u32::from_str_radix(&hash, 16).unwrap_or(0).to_string();
    number
        .bytes()
        .map(|digit| char::from(ALPHABET[usize::from(digit) % ALPHABET.len()]))
        .collect()
}

fn without_hash(template: &Value) -> Value {
    let mut template = template.clone();
    if let Some(labels) = template
        .pointer_mut("/metadata/labels")
        .and_then(Value::as_object_mut)
    {
        labels.remove(HASH_LABEL);
    }
    template
}

/// Whether two values mean the same: what is null or empty is as if absent.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(x), Value::Object(y)) => {
            x.iter().all(|(key, value)| same(value, &b[key]))
                && y.iter()
                    .all(|(key, value)| x.contains_key(key) || is_empty(value))
        }
        (Value::Array(x), Value::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same(x, y)),
        _ => a == b || (is_empty(a) && is_empty(b)),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.values().all(is_empty),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

/// The list of revisions with one more; the oldest are dropped when it grows too long.
fn history(list: &str, revision: &str) -> String {
    if list.is_empty() {
        return revision.to_owned();
    }
    let mut list = list;
    while list.len() + 1 + revision.len() > HISTORY_LENGTH {
        match list.split_once(',') {
            Some((_, rest)) => list = rest,
            None => return revision.to_owned(),
        }
    }
    format!("{list},{revision}")
}
