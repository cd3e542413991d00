//! What actors want changed, as values, and where it is done.

use std::sync::Arc;

use serde_json::Value;

use super::owners::Dependents;
use crate::model::clock::Timestamp;
use crate::sandbox::api::{DeleteOptions, Server, Target};
use crate::sandbox::failure::Failure;
use crate::sandbox::object::{self, Object};
use crate::sandbox::store::Key;
use crate::sandbox::write::Writer;

/// A kind that an actor knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    /// `deployments.apps`: how the store names it.
    pub(super) stored: &'static str,
}

pub(super) const NAMESPACES: Kind = Kind::new("namespaces");
pub(super) const NODES: Kind = Kind::new("nodes");
pub(super) const PODS: Kind = Kind::new("pods");
pub(super) const CONFIG_MAPS: Kind = Kind::new("configmaps");
pub(super) const SERVICE_ACCOUNTS: Kind = Kind::new("serviceaccounts");
pub(super) const DEPLOYMENTS: Kind = Kind::new("deployments.apps");
pub(super) const REPLICA_SETS: Kind = Kind::new("replicasets.apps");

impl Kind {
    pub(super) const fn new(stored: &'static str) -> Self {
        Self { stored }
    }

    pub(super) fn key(self, namespace: &str, name: &str) -> Key {
        Key::new(self.stored, Some(namespace), name)
    }

    pub(super) fn is(self, key: &Key) -> bool {
        *key.resource == *self.stored
    }
}

/// One wish.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Act {
    Create(Kind, Value),
    /// The object as it shall be, still with the revision it was read at, so that a change in between is a conflict.
    /// The text is the endpoint: empty for the object itself, or `status`, …
    Replace(Kind, &'static str, Value),
    Delete(Kind, Object, DeleteOptions),
}

/// What an actor has before it: the objects, the time, and a pen.
#[derive(Debug)]
pub(super) struct Desk<'a> {
    pub(super) server: &'a Server,
    pub(super) dependents: &'a Dependents,
    pub(super) writer: &'a Writer,
    pub(super) now: Timestamp,
}

impl Desk<'_> {
    pub(super) fn get(&self, key: &Key) -> Option<Object> {
        self.server.store().get(key)
    }

    /// All of a kind, ordered by namespace and name.
    pub(super) fn list(&self, kind: Kind, namespace: Option<&str>) -> Vec<Object> {
        self.server.store().list(kind.stored, namespace).0
    }

    /// The objects of a kind that name an owner, in the order of their names.
    pub(super) fn dependents(&self, kind: Kind, uid: &str) -> Vec<Object> {
        self.dependents
            .of(uid)
            .filter(|key| kind.is(key))
            .filter_map(|key| self.get(key))
            .collect()
    }

    /// Whether it is done. What was to be deleted and is gone counts as done.
    pub(super) fn perform(&self, act: &Act) -> Result<(), Failure> {
        match act {
            Act::Create(kind, object) => self.create(*kind, object.clone()),
            Act::Replace(kind, endpoint, object) => self.put(kind.stored, endpoint, object.clone()),
            Act::Delete(kind, object, options) => self.delete(kind.stored, object, options),
        }
    }

    pub(super) fn perform_all(&self, acts: &[Act]) -> Result<(), Failure> {
        acts.iter().try_for_each(|act| self.perform(act))
    }

    fn create(&self, kind: Kind, object: Value) -> Result<(), Failure> {
        let target = self.target(kind.stored, &object)?.named("");
        let name = object::name(&object).to_owned();
        let outcome = self.server.create(self.writer, &target, object);
        let name = outcome
            .as_ref()
            .map_or(&*name, |written| object::name(&written.object));
        let journal = self.server.journal();
        journal.note_own(self.writer, "create", &target, name, &outcome);
        outcome.map(|_| ())
    }

    /// The same for an object of any kind.
    pub(super) fn replace(&self, key: &Key, object: Value) -> Result<(), Failure> {
        self.put(&key.resource, "", object)
    }

    pub(super) fn replace_status(&self, key: &Key, object: Value) -> Result<(), Failure> {
        self.put(&key.resource, "status", object)
    }

    fn put(&self, resource: &str, endpoint: &str, object: Value) -> Result<(), Failure> {
        let target = self.target(resource, &object)?.at(endpoint);
        let outcome = self.server.replace(self.writer, &target, object);
        let journal = self.server.journal();
        journal.note_own(self.writer, "update", &target, &target.name, &outcome);
        outcome.map(|_| ())
    }

    pub(super) fn delete(
        &self,
        resource: &str,
        object: &Object,
        options: &DeleteOptions,
    ) -> Result<(), Failure> {
        let target = self.target(resource, object)?;
        let outcome = self.server.delete(self.writer, &target, options);
        let journal = self.server.journal();
        journal.note_own(self.writer, "delete", &target, &target.name, &outcome);
        match outcome {
            Err(failure) if failure.code == 404 => Ok(()),
            done => done.map(|_| ()),
        }
    }

    /// Not found: the server lost the kind while an actor held one of its objects.
    fn target(&self, resource: &str, object: &Value) -> Result<Target, Failure> {
        let (plural, group) = resource.split_once('.').unwrap_or((resource, ""));
        let namespace = object::namespace(object).unwrap_or_default();
        self.server
            .target(group, plural, namespace, object::name(object))
            .ok_or_else(|| Failure::not_found(group, plural, resource))
    }
}

/// This very object, and nothing that has its name by now.
pub(super) fn just(object: &Value) -> DeleteOptions {
    DeleteOptions {
        uid: Some(object::uid(object).to_owned()),
        ..DeleteOptions::default()
    }
}

/// For keys that are taken from an object.
pub(super) fn key_of(kind: Kind, object: &Value) -> Key {
    Key {
        resource: Arc::from(kind.stored),
        namespace: object::namespace(object).unwrap_or_default().into(),
        name: object::name(object).into(),
    }
}
