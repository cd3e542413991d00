//! A template as the hub needs it: what people set, and nothing that a server added.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::model::hash::Hash;
use crate::model::kind::{Facts, Kinds, Refusal, never_selected, scale_target};
use crate::model::mark;
use crate::model::name::{self, GroupKind, GroupVersionKind, NamespaceName, ObjectKey};
use crate::model::pod::PodShape;
use crate::model::schema::{FieldSet, prune};

mod bundle;

pub use bundle::{Bundle, is_bundle};

/// The largest template, as compact JSON of what people set: with the hub's marks and a server's additions it
/// must still fit into etcd's 1.5 MiB.
pub const MAX_SIZE: usize = 1 << 20;

/// Where kubectl keeps what it last applied client-side.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The same, in an entry of managedFields.
const KEEPS_LAST_APPLIED: &str =
    "/fieldsV1/f:metadata/f:annotations/f:kubectl.kubernetes.io~1last-applied-configuration";

/// Why an object cannot be a template.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `apiVersion`, `kind` or `metadata.name` is missing.
    #[error("failed to read a template: {field} is missing")]
    Missing {
        /// The missing field.
        field: &'static str,
    },
    /// A name breaks the rules.
    #[error("failed to read a template")]
    Name(#[from] name::Error),
    /// What people set is larger than [`MAX_SIZE`].
    #[error("failed to take {key} as a template: it has {size} bytes, at most {MAX_SIZE} are allowed")]
    TooLarge {
        /// The object.
        key: ObjectKey,
        /// Its size.
        size: usize,
    },
}

/// An object of the hub API that may be selected by a policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    /// Which object it is.
    pub key: ObjectKey,
    /// Its kind, at the version it was read.
    pub gvk: GroupVersionKind,
    /// `metadata.uid`
    pub uid: String,
    /// `metadata.resourceVersion`
    pub resource_version: String,
    /// `metadata.generation`; None for kinds without.
    pub generation: Option<i64>,
    /// All its labels, also those that servers or the hub added: what selectors see.
    pub labels: BTreeMap<String, String>,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Whether an ownerReference says `controller: true`.
    pub controlled: bool,
    /// Whether its owner lets objects be deleted and made again, where a field must change that can't.
    pub recreate: bool,
    /// Bytes of `body`.
    pub size: usize,
    /// What people set, as compact JSON: `apiVersion`, `kind`, name, namespace, their labels and annotations,
    /// and the fields their managers own.
    pub body: Arc<str>,
    /// The live number of replicas, also when nobody set it; None for kinds without.
    pub replicas: Option<i64>,
    /// JSON pointer to that number; None for kinds without.
    pub replicas_at: Option<Arc<str>>,
    /// What one of its pods needs of a node; None for kinds without pods.
    pub pod: Option<Arc<PodShape>>,
    /// Annotation `hanse.dev/rebalance`: any new value asks for a new division of the replicas.
    pub rebalance: Option<Arc<str>>,
    /// `type` of a Secret.
    pub secret_type: Option<Arc<str>>,
    /// `spec.type` of a Service.
    pub service_type: Option<Arc<str>>,
    /// Kind and name of the workload whose replicas it sets, if it is an autoscaler.
    pub scales: Option<(GroupKind, String)>,
    /// What it carries, if it is a Bundle.
    pub bundle: Option<Arc<Bundle>>,
    /// Hash of what goes to members: body and replicas. Does not move with status or server metadata.
    pub hash: Hash,
    /// JSON pointers into `body` of leaves that may as well be defaults of the hub API, sorted.
    uncertain: Arc<[String]>,
}

impl Template {
    /// What names this state of it: the generation, or the hash for kinds without. Until rollouts exist, the revision.
    #[must_use]
    pub fn revision(&self) -> String {
        self.generation
            .map_or_else(|| self.hash.short(10), |generation| generation.to_string())
    }

    /// Reads an object as the hub API gave it. `is_hub` knows the hub's own field managers, whose fields are
    /// left out like those written to subresources. Without managedFields everything counts as set. Only
    /// built-in kinds have replicas.
    pub fn from_object(object: &Value, is_hub: &dyn Fn(&str) -> bool) -> Result<Self, Error> {
        Self::read(object, is_hub, &Kinds::default())
    }

    /// As [`Self::from_object`], with all that is known of kinds.
    pub fn read(object: &Value, is_hub: &dyn Fn(&str) -> bool, kinds: &Kinds) -> Result<Self, Error> {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        let required = |pointer, field| text(pointer).ok_or(Error::Missing { field });
        let gvk = GroupVersionKind::from_api_version(
            required("/apiVersion", "apiVersion")?,
            required("/kind", "kind")?,
        )?;
        let kind = gvk.group_kind();
        let key = ObjectKey::parse(
            &kind,
            text("/metadata/namespace").unwrap_or_default(),
            required("/metadata/name", "metadata.name")?,
        )?;
        let owners = Owners::of(object, is_hub);
        let mut body = match &owners {
            Some(owners) => prune(object, &owners.all),
            None => object.clone(),
        };
        if kind.group.is_empty() && &*kind.kind == "Secret" {
            keep_data(&mut body, object);
        }
        drop_server_fields(&mut body);
        let last_applied = text("/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration")
            .and_then(|text| serde_json::from_str(text).ok());
        let uncertain = match (&owners, last_applied) {
            (Some(owners), Some(last_applied)) if owners.updates => owners.uncertain(&body, &last_applied),
            _ => Vec::new(),
        };
        let replicas_at: Option<Arc<str>> = kinds.replicas_pointer(&kind).map(Arc::from);
        let replicas = replicas_at
            .as_deref()
            .and_then(|pointer| object.pointer(pointer))
            .and_then(Value::as_i64);
        let hash = Hash::of(&json!([&body, replicas]));
        let bundle = is_bundle(&kind).then(|| Arc::new(Bundle::read(&key, &body, kinds)));
        let body: Arc<str> = body.to_string().into();
        if body.len() > MAX_SIZE {
            let size = body.len();
            return Err(Error::TooLarge { key, size });
        }
        let of_core = |of: &str, pointer| {
            let is = key.group.is_empty() && &*key.kind == of;
            is.then(|| text(pointer).map(Arc::from)).flatten()
        };
        Ok(Self {
            gvk,
            uid: text("/metadata/uid").unwrap_or_default().to_owned(),
            resource_version: text("/metadata/resourceVersion").unwrap_or_default().to_owned(),
            generation: object.pointer("/metadata/generation").and_then(Value::as_i64),
            labels: labels(object),
            deleting: object.pointer("/metadata/deletionTimestamp").is_some(),
            controlled: is_controlled(object),
            recreate: may_be_recreated(object),
            size: body.len(),
            body,
            replicas,
            replicas_at,
            pod: pod_of(&kind, object, kinds).map(Arc::new),
            rebalance: text("/metadata/annotations/hanse.dev~1rebalance").map(Arc::from),
            secret_type: of_core("Secret", "/type"),
            service_type: of_core("Service", "/spec/type"),
            scales: scale_target(&kind, object),
            bundle,
            hash,
            uncertain: uncertain.into(),
            key,
        })
    }

    /// What goes to members: the objects of a Bundle in the order in which they are applied, else the template itself.
    #[must_use]
    pub fn items(&self) -> &[Self] {
        match &self.bundle {
            Some(bundle) => &bundle.items,
            None => std::slice::from_ref(self),
        }
    }

    /// The kinds that a member must serve to have it.
    #[must_use]
    pub fn kinds(&self) -> Cow<'_, [GroupVersionKind]> {
        match &self.bundle {
            Some(bundle) => Cow::Owned(bundle.kinds()),
            None => Cow::Borrowed(std::slice::from_ref(&self.gvk)),
        }
    }

    /// Whether it has state of its own, which does not come along when it moves: a `StatefulSet`, or volume claims.
    #[must_use]
    pub fn is_stateful(&self) -> bool {
        let is_stateful =
            |item: &Self| *item.key.kind == *"StatefulSet" || item.pod.as_ref().is_some_and(|pod| pod.claims);
        self.items().iter().any(is_stateful)
    }

    /// `body`, parsed.
    #[must_use]
    pub fn value(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// Whether its controller is told to leave it as it is (a paused Deployment, a suspended Job): once that was
    /// seen, nothing more comes by itself.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        let said = |word: &str| self.body.contains(word);
        if !said("\"paused\":true") && !said("\"suspend\":true") {
            return false;
        }
        let body = self.value();
        let is = |pointer| body.pointer(pointer).and_then(Value::as_bool) == Some(true);
        is("/spec/paused") || is("/spec/suspend")
    }

    /// Whether a person certainly set the field at this JSON pointer into `body`, or something below it. What
    /// is not certain may be dropped for a member that does not know it.
    #[must_use]
    pub fn was_set(&self, pointer: &str) -> bool {
        if self.uncertain.is_empty() {
            return true;
        }
        let body = self.value();
        let mut leaves = Vec::new();
        if let Some(value) = body.pointer(pointer) {
            let mut at = pointer.to_owned();
            collect_leaves(value, &mut at, &mut leaves);
        }
        leaves
            .iter()
            .any(|leaf| self.uncertain.binary_search(leaf).is_err())
    }

    /// What people certainly set: `body` without what may as well be a default of the server it was read from.
    #[must_use]
    pub fn certain(&self) -> Value {
        let body = self.value();
        if self.uncertain.is_empty() {
            return body;
        }
        let mut at = String::new();
        without(body, &self.uncertain, &mut at).unwrap_or_default()
    }

    /// The namespace it is in; None for cluster-scoped objects, which are never templates.
    #[must_use]
    pub fn namespace(&self) -> Option<&NamespaceName> {
        self.key.namespace.as_ref()
    }

    /// Why it is never propagated; None when it may be. `named`: see [`never_selected`].
    #[must_use]
    pub fn never_selected(&self, named: bool) -> Option<Refusal> {
        let facts = Facts {
            kind: &self.key.group_kind(),
            name: &self.key.name,
            labels: &self.labels,
            controlled: self.controlled,
            secret_type: self.secret_type.as_deref(),
        };
        never_selected(&facts, named)
    }
}

/// Who owns which fields, subresources and the hub left out.
struct Owners {
    all: FieldSet,
    /// What somebody applied: certainly set.
    applied: FieldSet,
    /// What somebody changed by `Update`, other than who keeps what he applied client-side: that entry alone names the
    /// server's defaults too, since it made the object.
    changed: FieldSet,
    /// Whether somebody wrote by `Update`.
    updates: bool,
}

impl Owners {
    /// None when the object has no managedFields.
    fn of(object: &Value, is_hub: &dyn Fn(&str) -> bool) -> Option<Self> {
        let entries = object.pointer("/metadata/managedFields")?.as_array()?;
        let mut owners = Self {
            all: FieldSet::default(),
            applied: FieldSet::default(),
            changed: FieldSet::default(),
            updates: false,
        };
        for entry in entries {
            let text = |field: &str| entry.get(field).and_then(Value::as_str).unwrap_or_default();
            if is_hub(text("manager")) || !text("subresource").is_empty() {
                continue;
            }
            let fields = FieldSet::from_fields_v1(entry.get("fieldsV1").unwrap_or(&Value::Null));
            if text("operation") == "Apply" {
                owners.applied = owners.applied.union(fields.clone());
            } else {
                owners.updates = true;
                if entry.pointer(KEEPS_LAST_APPLIED).is_none() {
                    owners.changed = owners.changed.union(fields.clone());
                }
            }
            owners.all = owners.all.union(fields);
        }
        (!entries.is_empty()).then_some(owners)
    }

    fn uncertain(&self, body: &Value, last_applied: &Value) -> Vec<String> {
        let mut not_applied = Vec::new();
        let mut at = String::new();
        leaves_missing(body, Some(last_applied), &mut at, &mut not_applied);
        let is_certain = |leaf: &str| {
            self.applied.contains_pointer(body, leaf) || self.changed.contains_pointer(body, leaf)
        };
        not_applied.retain(|leaf| !is_certain(leaf));
        not_applied.sort_unstable();
        not_applied
    }
}

fn push_step(at: &mut String, step: &str) -> usize {
    let before = at.len();
    at.push('/');
    at.push_str(&step.replace('~', "~0").replace('/', "~1"));
    before
}

/// The leaves of `value` that have no counterpart in `other`.
fn leaves_missing(value: &Value, other: Option<&Value>, at: &mut String, missing: &mut Vec<String>) {
    let Some(other) = other else {
        return collect_leaves(value, at, missing);
    };
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let before = push_step(at, name);
                leaves_missing(field, other.get(name), at, missing);
                at.truncate(before);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let before = push_step(at, &index.to_string());
                leaves_missing(item, counterpart(item, index, other), at, missing);
                at.truncate(before);
            }
        }
        // What was applied was set, also when another value stands there now.
        _ => {}
    }
}

fn collect_leaves(value: &Value, at: &mut String, leaves: &mut Vec<String>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, field) in fields {
                let before = push_step(at, name);
                collect_leaves(field, at, leaves);
                at.truncate(before);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                let before = push_step(at, &index.to_string());
                collect_leaves(item, at, leaves);
                at.truncate(before);
            }
        }
        _ => leaves.push(at.clone()),
    }
}

/// The value without these leaves, and without what has nothing left; `None` if that is all of it.
fn without(value: Value, leaves: &[String], at: &mut String) -> Option<Value> {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let mut kept = Map::new();
            for (name, field) in fields {
                let before = push_step(at, &name);
                if let Some(field) = without(field, leaves, at) {
                    kept.insert(name, field);
                }
                at.truncate(before);
            }
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
        Value::Array(items) if !items.is_empty() => {
            let mut kept = Vec::new();
            for (index, item) in items.into_iter().enumerate() {
                let before = push_step(at, &index.to_string());
                kept.extend(without(item, leaves, at));
                at.truncate(before);
            }
            (!kept.is_empty()).then_some(Value::Array(kept))
        }
        value => leaves.binary_search(at).is_err().then_some(value),
    }
}

/// The item of another version of the list that is the same item: by the keys that lists of built-in kinds
/// have, else at the same place.
fn counterpart<'a>(item: &Value, index: usize, list: &'a Value) -> Option<&'a Value> {
    let list = list.as_array()?;
    let key = [
        "name",
        "containerPort",
        "port",
        "mountPath",
        "devicePath",
        "topologyKey",
        "ip",
        "key",
    ]
    .into_iter()
    .find(|key| item.get(key).is_some());
    match (item, key) {
        (_, Some(key)) => list.iter().find(|other| other.get(key) == item.get(key)),
        (Value::Object(_), None) => list.get(index),
        _ => list.iter().find(|other| *other == item),
    }
}

fn labels(object: &Value) -> BTreeMap<String, String> {
    let labels = object.pointer("/metadata/labels").and_then(Value::as_object);
    labels
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

fn may_be_recreated(object: &Value) -> bool {
    let annotations = object.pointer("/metadata/annotations");
    annotations
        .and_then(|all| all.get(mark::RECREATE))
        .and_then(Value::as_str)
        == Some(mark::RECREATE_ALLOWED)
}

fn is_controlled(object: &Value) -> bool {
    let references = object
        .pointer("/metadata/ownerReferences")
        .and_then(Value::as_array);
    references
        .into_iter()
        .flatten()
        .any(|reference| reference.get("controller") == Some(&Value::Bool(true)))
}

/// Leaves of the metadata only names, labels and annotations, and of those not the hub's or the servers' own.
/// What one pod of it needs, read from the whole object: defaults count as well.
fn pod_of(kind: &GroupKind, object: &Value, kinds: &Kinds) -> Option<PodShape> {
    let template = object.pointer(kinds.pod_template_pointer(kind)?)?;
    Some(PodShape::of(template.get("spec")?))
}

fn drop_server_fields(body: &mut Value) {
    let Value::Object(fields) = body else { return };
    fields.remove("status");
    let Some(Value::Object(metadata)) = fields.get_mut("metadata") else {
        return;
    };
    metadata.retain(|field, _| matches!(field.as_str(), "name" | "namespace" | "labels" | "annotations"));
    for field in ["labels", "annotations"] {
        let Some(Value::Object(pairs)) = metadata.get_mut(field) else {
            continue;
        };
        retain_peoples(pairs);
        if pairs.is_empty() {
            metadata.remove(field);
        }
    }
}

/// A Secret applied with `stringData` has managedFields that say so, and only `data` is ever stored: its data is
/// taken whole, whoever owns it.
fn keep_data(body: &mut Value, object: &Value) {
    for field in ["data", "type", "immutable"] {
        if let Some(value) = object.get(field) {
            body[field] = value.clone();
        }
    }
}

fn retain_peoples(pairs: &mut Map<String, Value>) {
    pairs.retain(|key, _| {
        key != LAST_APPLIED && !key.starts_with("deployment.kubernetes.io/") && !key.starts_with("hanse.dev/")
    });
}

#[cfg(test)]
mod tests;
