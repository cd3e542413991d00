//! The end of namespaces: everything in them is deleted, pods first, and then they are.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::act::{Act, Desk, NAMESPACES, PODS, just};
use super::conditions;
use super::engine::{Actor, CONTROLLER, Wake};
use crate::model::clock::Timestamp;
use crate::sandbox::api::{DeleteOptions, Propagation};
use crate::sandbox::failure::Failure;
use crate::sandbox::kinds::Origin;
use crate::sandbox::object::{self, Object};
use crate::sandbox::store::{Change, Key};
use crate::sandbox::write::Writer;

/// Of `spec.finalizers`: the one that is removed here.
const FINALIZER: &str = "kubernetes";

/// What is left in a namespace that ends, by `pods.` and `deployments.apps`, as upstream writes them.
#[derive(Debug, Default)]
struct Left {
    objects: BTreeMap<String, usize>,
    finalizers: BTreeMap<String, usize>,
    failures: Vec<String>,
}

impl Left {
    fn count(&mut self, group: &str, plural: &str, objects: &[Object]) {
        if objects.is_empty() {
            return;
        }
        self.objects.insert(format!("{plural}.{group}"), objects.len());
        for object in objects {
            let held = object["metadata"]["finalizers"].as_array().into_iter().flatten();
            for finalizer in held.filter_map(Value::as_str) {
                *self.finalizers.entry(finalizer.to_owned()).or_default() += 1;
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.failures.is_empty()
    }
}

/// The conditions of a namespace that ends.
fn conditions(namespace: &Value, left: &Left, now: Timestamp) -> Vec<Value> {
    let list = |counts: &BTreeMap<String, usize>, join: &str, what: &str| {
        let texts: Vec<String> = counts
            .iter()
            .map(|(name, count)| format!("{name} {join} {count} {what}"))
            .collect();
        texts.join(", ")
    };
    let (mut content, mut finalizers) = (String::new(), String::new());
    if !left.objects.is_empty() {
        let counts = list(&left.objects, "has", "resource instances");
        content = format!("Some resources are remaining: {counts}");
    }
    if !left.finalizers.is_empty() {
        let counts = list(&left.finalizers, "in", "resource instances");
        finalizers = format!("Some content in the namespace has finalizers remaining: {counts}");
    }
    let mut failures = String::new();
    if !left.failures.is_empty() {
        let mut texts = left.failures.clone();
        texts.sort();
        failures = format!(
            "Failed to delete all resource types, {} remaining: {}",
            texts.len(),
            texts.join(", ")
        );
    }
    let content_failure = if failures.is_empty() {
        (
            "False",
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization",
        )
    } else {
        ("True", "ContentDeletionFailed", failures.as_str())
    };
    let remaining = if content.is_empty() {
        ("False", "ContentRemoved", "All content successfully removed")
    } else {
        ("True", "SomeResourcesRemain", content.as_str())
    };
    let held = if finalizers.is_empty() {
        (
            "False",
            "ContentHasNoFinalizers",
            "All content-preserving finalizers finished",
        )
    } else {
        ("True", "SomeFinalizersRemain", finalizers.as_str())
    };
    let named = |kind, (status, reason, message): (_, _, _)| (kind, status, reason, message);
    let discovered = (
        "False",
        "ResourcesDiscovered",
        "All resources successfully discovered",
    );
    let parsed = (
        "False",
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed",
    );
    let mut all = conditions::of(namespace).to_vec();
    let wanted = [
        named("NamespaceDeletionDiscoveryFailure", discovered),
        named("NamespaceDeletionGroupVersionParsingFailure", parsed),
        named("NamespaceDeletionContentFailure", content_failure),
        named("NamespaceContentRemaining", remaining),
        named("NamespaceFinalizersRemaining", held),
    ];
    conditions::put_all(&mut all, wanted, now);
    all
}

/// The namespace controller.
#[derive(Debug)]
pub(super) struct Namespaces;

impl Actor for Namespaces {
    fn writer(&self) -> Writer {
        Writer::controller("namespace-controller")
    }

    fn reaction(&self) -> Duration {
        CONTROLLER
    }

    fn observe(&mut self, change: &Change, desk: &Desk<'_>, wake: &mut Wake<'_>) {
        let key = if NAMESPACES.is(&change.key) {
            change.key.clone()
        } else {
            Key::new(NAMESPACES.stored, None, &change.key.namespace)
        };
        let ends = desk
            .get(&key)
            .is_some_and(|namespace| object::is_deleting(&namespace));
        if ends {
            wake.add(key);
        }
    }

    fn reconcile(&mut self, key: &Key, desk: &Desk<'_>) -> Result<Option<Duration>, Failure> {
        let ending = desk.get(key).filter(|namespace| object::is_deleting(namespace));
        let Some(namespace) = ending.filter(|namespace| holds(namespace)) else {
            return Ok(None);
        };
        let left = empty(&key.name, desk);
        let conditions = conditions(&namespace, &left, desk.now);
        if namespace["status"]["conditions"].as_array() != Some(&conditions) {
            let mut new = (*namespace).clone();
            object::field_mut(&mut new, "status").insert("conditions".to_owned(), conditions.into());
            // The change comes back here.
            desk.perform(&Act::Replace(NAMESPACES, "status", new))?;
            return Ok(None);
        }
        if left.is_empty() {
            let mut new = (*namespace).clone();
            if let Some(Value::Array(finalizers)) = new["spec"].get_mut("finalizers") {
                finalizers.retain(|finalizer| finalizer != FINALIZER);
            }
            desk.perform(&Act::Replace(NAMESPACES, "finalize", new))?;
        }
        match left.failures.first() {
            Some(failure) => Err(Failure::internal(failure)),
            None => Ok(None),
        }
    }
}

fn holds(namespace: &Value) -> bool {
    let finalizers = namespace["spec"]["finalizers"].as_array();
    finalizers.is_some_and(|finalizers| finalizers.contains(&json!(FINALIZER)))
}

/// Deletes what is in a namespace, pods before all else, and tells what is left.
fn empty(namespace: &str, desk: &Desk<'_>) -> Left {
    let mut left = Left::default();
    delete_all("", PODS.stored, namespace, desk, &mut left);
    if !left.is_empty() {
        return left;
    }
    for resource in desk.server.kinds().all() {
        let stored = resource.namespaced && resource.origin != Origin::Virtual;
        if stored {
            delete_all(&resource.group, &resource.plural, namespace, desk, &mut left);
        }
    }
    left
}

fn delete_all(group: &str, plural: &str, namespace: &str, desk: &Desk<'_>, left: &mut Left) {
    let stored = crate::sandbox::failure::qualified(group, plural);
    let objects = || desk.server.store().list(&stored, Some(namespace)).0;
    for object in objects() {
        let options = DeleteOptions {
            propagation: Propagation::Background,
            ..just(&object)
        };
        if let Err(failure) = desk.delete(&stored, &object, &options) {
            left.failures.push(failure.message);
        }
    }
    left.count(group, plural, &objects());
}
