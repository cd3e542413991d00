//! Who belongs to whom, by `ownerReferences`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use super::act::Kind;
use crate::sandbox::object;
use crate::sandbox::store::{Change, Key};

/// All references of an object to its owners.
pub(super) fn references(object: &Value) -> &[Value] {
    object["metadata"]["ownerReferences"]
        .as_array()
        .map_or(&[], Vec::as_slice)
}

/// The one owner that manages the object.
pub(super) fn controller(object: &Value) -> Option<&Value> {
    references(object)
        .iter()
        .find(|reference| reference["controller"] == true)
}

/// The key of the owner that manages an object, if it is of this kind (`ReplicaSet`).
pub(super) fn controller_key(object: &Value, kind: Kind, word: &str) -> Option<Key> {
    let owner = controller(object).filter(|owner| owner["kind"] == *word)?;
    Some(kind.key(object::meta(object, "namespace"), owner["name"].as_str()?))
}

pub(super) fn is_controlled_by(object: &Value, uid: &str) -> bool {
    controller(object).is_some_and(|reference| reference["uid"] == uid)
}

/// What an object that `owner` manages says of it.
pub(super) fn controlled_by(owner: &Value) -> Value {
    json!({
        "apiVersion": owner["apiVersion"], "kind": owner["kind"],
        "name": object::name(owner), "uid": object::uid(owner),
        "controller": true, "blockOwnerDeletion": true,
    })
}

/// The object with one owner more.
pub(super) fn adopted(object: &Value, owner: &Value) -> Value {
    let mut adopted = object.clone();
    let references = object::metadata_mut(&mut adopted)
        .entry("ownerReferences")
        .or_insert_with(|| json!([]));
    if let Some(references) = references.as_array_mut() {
        references.push(controlled_by(owner));
    }
    adopted
}

/// The object without the owners of these uids.
pub(super) fn released(object: &Value, uids: &[&str]) -> Value {
    let mut released = object.clone();
    let metadata = object::metadata_mut(&mut released);
    if let Some(Value::Array(references)) = metadata.get_mut("ownerReferences") {
        references.retain(|reference| !uids.iter().any(|uid| reference["uid"] == **uid));
        if references.is_empty() {
            metadata.remove("ownerReferences");
        }
    }
    released
}

/// Which objects name an owner, by the owner's uid.
#[derive(Debug, Default)]
pub(super) struct Dependents(BTreeMap<Arc<str>, BTreeSet<Key>>);

impl Dependents {
    pub(super) fn observe(&mut self, change: &Change) {
        let uids = |object: Option<&Arc<Value>>| -> BTreeSet<Arc<str>> {
            let references = object.map_or(&[][..], |object| references(object));
            references
                .iter()
                .filter_map(|reference| reference["uid"].as_str().map(Arc::from))
                .collect()
        };
        let (old, new) = (uids(change.old.as_ref()), uids(change.new.as_ref()));
        for uid in old.difference(&new) {
            if let Some(keys) = self.0.get_mut(uid) {
                keys.remove(&change.key);
                if keys.is_empty() {
                    self.0.remove(uid);
                }
            }
        }
        for uid in new {
            self.0.entry(uid).or_default().insert(change.key.clone());
        }
    }

    /// Ordered by resource, namespace and name.
    pub(super) fn of(&self, uid: &str) -> impl Iterator<Item = &Key> {
        self.0.get(uid).into_iter().flatten()
    }
}
