//! What actors want changed, as values, and where it is done.

use std::sync::Arc;

use serde_json::Value;

use super::owners::Dependents;
use crate::model::clock::Timestamp;
use crate::sandbox::api::{DeleteOptions, Server, Target};
use crate::sandbox::failure::{self, Failure};
use crate::sandbox::object::{self, Object};
use crate::sandbox::store::Key;
use crate::sandbox::write::Writer;

/// A kind that an actor knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) group: &'static str,
    pub(super) plural: &'static str,
    /// `deployments.apps`: how the store names it.
    pub(super) stored: &'static str,
}

pub(super) const NAMESPACES: Kind = Kind::new("", "namespaces", "namespaces");
pub(super) const NODES: Kind = Kind::new("", "nodes", "nodes");
pub(super) const PODS: Kind = Kind::new("", "pods", "pods");
pub(super) const CONFIG_MAPS: Kind = Kind::new("", "configmaps", "configmaps");
pub(super) const SERVICE_ACCOUNTS: Kind = Kind::new("", "serviceaccounts", "serviceaccounts");
pub(super) const DEPLOYMENTS: Kind = Kind::new("apps", "deployments", "deployments.apps");
pub(super) const REPLICA_SETS: Kind = Kind::new("apps", "replicasets", "replicasets.apps");
pub(super) const LEASES: Kind = Kind::new("coordination.k8s.io", "leases", "leases.coordination.k8s.io");

impl Kind {
    pub(super) const fn new(group: &'static str, plural: &'static str, stored: &'static str) -> Self {
        Self {
            group,
            plural,
            stored,
        }
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
            Act::Create(kind, object) => self.create(*kind, object.clone()).map(|_| ()),
            Act::Replace(kind, endpoint, object) => {
                let target = self.target(*kind, object)?.at(endpoint);
                self.put(&target, object.clone())
            }
            Act::Delete(kind, object, options) => self.delete(kind.group, kind.plural, object, options),
        }
    }

    pub(super) fn perform_all(&self, acts: &[Act]) -> Result<(), Failure> {
        acts.iter().try_for_each(|act| self.perform(act))
    }

    pub(super) fn create(&self, kind: Kind, object: Value) -> Result<Object, Failure> {
        let target = self.target(kind, &object)?.named("");
        let name = object::name(&object).to_owned();
        let outcome = self.server.create(self.writer, &target, object);
        let name = outcome
            .as_ref()
            .map_or(&*name, |written| object::name(&written.object));
        let journal = self.server.journal();
        journal.note_own(self.writer, "create", &target, name, &outcome);
        outcome.map(|written| written.object)
    }

    /// The same for an object of any kind.
    pub(super) fn replace(&self, key: &Key, object: Value) -> Result<(), Failure> {
        self.replace_at(key, "", object)
    }

    pub(super) fn replace_status(&self, key: &Key, object: Value) -> Result<(), Failure> {
        self.replace_at(key, "status", object)
    }

    fn replace_at(&self, key: &Key, endpoint: &str, object: Value) -> Result<(), Failure> {
        let (plural, group) = key.resource.split_once('.').unwrap_or((&key.resource, ""));
        let target = self
            .server
            .target(group, plural, &key.namespace, &key.name)
            .ok_or_else(|| unknown(group, plural))?;
        self.put(&target.at(endpoint), object)
    }

    fn put(&self, target: &Target, object: Value) -> Result<(), Failure> {
        let outcome = self.server.replace(self.writer, target, object);
        let journal = self.server.journal();
        journal.note_own(self.writer, "update", target, &target.name, &outcome);
        outcome.map(|_| ())
    }

    pub(super) fn delete(
        &self,
        group: &str,
        plural: &str,
        object: &Object,
        options: &DeleteOptions,
    ) -> Result<(), Failure> {
        let namespace = object::namespace(object).unwrap_or_default();
        let target = self
            .server
            .target(group, plural, namespace, object::name(object))
            .ok_or_else(|| unknown(group, plural))?;
        let outcome = self.server.delete(self.writer, &target, options);
        let journal = self.server.journal();
        journal.note_own(self.writer, "delete", &target, &target.name, &outcome);
        match outcome {
            Err(failure) if failure.code == 404 => Ok(()),
            done => done.map(|_| ()),
        }
    }

    fn target(&self, kind: Kind, object: &Value) -> Result<Target, Failure> {
        let namespace = object::namespace(object).unwrap_or_default();
        self.server
            .target(kind.group, kind.plural, namespace, object::name(object))
            .ok_or_else(|| unknown(kind.group, kind.plural))
    }
}

/// This very object, and nothing that has its name by now.
pub(super) fn just(object: &Value) -> DeleteOptions {
    DeleteOptions {
        uid: Some(object::uid(object).to_owned()),
        ..DeleteOptions::default()
    }
}

/// The server lost a kind while an actor held one of its objects.
fn unknown(group: &str, plural: &str) -> Failure {
    Failure::not_found(group, plural, &failure::qualified(group, plural))
}

/// For keys that are taken from an object.
pub(super) fn key_of(kind: Kind, object: &Value) -> Key {
    Key {
        resource: Arc::from(kind.stored),
        namespace: object::namespace(object).unwrap_or_default().into(),
        name: object::name(object).into(),
    }
}
