//! Reading: one object, a collection, and what becomes of a collection.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::{Selection, Server, Target, events, scale};
use crate::sandbox::failure::{Cause, Failure};
use crate::sandbox::object::{self, Object};
use crate::sandbox::store::{Change, Compacted, Watch};

/// What happened to one object of a followed collection.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Seen {
    /// New, or newly selected.
    Added(Object),
    Modified(Object),
    /// Its last state: gone, or not selected any more.
    Deleted(Object),
}

/// Changes of a collection, each once, as long as it is asked.
#[derive(Debug)]
pub(crate) struct Follow {
    watch: Watch,
    target: Target,
    selection: Selection,
}

impl Server {
    /// The object, at the version asked for; or its scale.
    pub(crate) fn get(&self, target: &Target) -> Result<Object, Failure> {
        let kept = self.kept(target).ok_or_else(|| target.not_found())?;
        if &*target.subresource == "scale" {
            return scale::of(target, &kept).map(Arc::new);
        }
        Ok(target.shown(kept))
    }

    /// The same as it was at a revision, as far as history goes back.
    pub(crate) fn get_at(&self, target: &Target, revision: u64) -> Result<Object, Failure> {
        let kept = self.store().get_at(&target.key(), revision);
        let kept = kept.map_err(|_| Failure::expired("too old"))?;
        let kept = kept.ok_or_else(|| target.not_found())?;
        if &*target.subresource == "scale" {
            return scale::of(target, &kept).map(Arc::new);
        }
        Ok(target.shown(kept))
    }

    /// All objects of a collection, ordered by namespace and name, and the revision they are of.
    pub(crate) fn list(&self, target: &Target) -> (Vec<Object>, u64) {
        self.select(target, &Selection::default())
    }

    /// The selected objects of a collection.
    pub(crate) fn select(&self, target: &Target, selection: &Selection) -> (Vec<Object>, u64) {
        let namespace = target
            .namespace
            .as_deref()
            .or_else(|| selection.fields.exactly("metadata.namespace"));
        let (mut objects, revision) = self.store().list(&target.kept_as(), namespace);
        if !target.is_as_kept() {
            for object in &mut objects {
                *object = target.shown(object.clone());
            }
        }
        if !selection.is_everything() {
            objects.retain(|object| selection.matches(object));
        }
        (objects, revision)
    }

    /// The selected objects of a collection as they were at a revision, as far as history goes back.
    pub(crate) fn select_at(
        &self,
        target: &Target,
        selection: &Selection,
        revision: u64,
    ) -> Result<Vec<Object>, Compacted> {
        fn place(object: &Object) -> (&str, &str) {
            (
                object::namespace(object).unwrap_or_default(),
                object::name(object),
            )
        }
        let wanted = target.namespace.as_deref();
        let (mut objects, read) = self.store().list(&target.kept_as(), wanted);
        let (changes, _) = self.store().since(&target.kept_as(), revision)?;
        // What was changed since as it was before: of several changes the first one tells.
        let mut before: BTreeMap<(&str, &str), Option<&Object>> = BTreeMap::new();
        let changes = changes.iter().filter(|change| {
            change.revision <= read && wanted.is_none_or(|wanted| *wanted == *change.key.namespace)
        });
        for change in changes {
            let place = (&*change.key.namespace, &*change.key.name);
            before.entry(place).or_insert(change.old.as_ref());
        }
        if !before.is_empty() {
            objects.retain(|object| !before.contains_key(&place(object)));
            objects.extend(before.into_values().flatten().cloned());
            objects.sort_by(|one, other| place(one).cmp(&place(other)));
        }
        Ok(objects
            .into_iter()
            .map(|object| target.shown(object))
            .filter(|object| selection.matches(object))
            .collect())
    }

    /// Whether the collection, or a neighbour of it in another namespace, changed after a revision.
    pub(crate) fn changed_since(&self, target: &Target, revision: u64) -> Result<bool, Compacted> {
        self.store().changed_since(&target.kept_as(), revision)
    }

    /// A page of a whole collection as it is now: what comes after a place, how many more there are, and the revision.
    pub(crate) fn page(
        &self,
        target: &Target,
        after: Option<(&str, &str)>,
        most: usize,
    ) -> (Vec<Object>, usize, u64) {
        let namespace = target.namespace.as_deref();
        let (objects, left, revision) = self.store().page(&target.kept_as(), namespace, after, most);
        let shown = objects.into_iter().map(|object| target.shown(object));
        (shown.collect(), left, revision)
    }

    /// Selected changes after a revision; 0 means from now on.
    pub(crate) fn watch(
        &self,
        target: &Target,
        selection: Selection,
        after: u64,
    ) -> Result<Follow, Compacted> {
        Ok(Follow {
            watch: self.store().watch(&target.kept_as(), after)?,
            target: target.clone(),
            selection,
        })
    }

    /// As it is kept.
    pub(super) fn kept(&self, target: &Target) -> Option<Object> {
        self.store().get(&target.key())
    }
}

impl Follow {
    /// The next change; waits for it. Can be dropped while waiting: nothing is lost.
    pub(crate) async fn next(&mut self) -> Result<Seen, Compacted> {
        loop {
            let change = self.watch.next().await?;
            if let Some(seen) = self.judge(&change) {
                return Ok(seen);
            }
        }
    }

    /// Up to which revision nothing more will come: what a bookmark may say.
    pub(crate) fn revision(&self) -> u64 {
        self.watch.revision()
    }

    fn judge(&self, change: &Change) -> Option<Seen> {
        let namespace = self.target.namespace.as_deref();
        if namespace.is_some_and(|namespace| namespace != &*change.key.namespace) {
            return None;
        }
        let shown = |object: &Option<Object>| Some(self.target.shown(object.clone()?));
        let (old, new) = (shown(&change.old), shown(&change.new));
        let selected = |object: &Option<Object>| {
            object
                .as_ref()
                .is_some_and(|object| self.selection.matches(object))
        };
        match (selected(&old), selected(&new)) {
            (false, false) => None,
            (false, true) => new.map(Seen::Added),
            (true, true) => new.map(Seen::Modified),
            (true, false) => old.map(|old| Seen::Deleted(last_seen(old, change.revision))),
        }
    }
}

/// The last state in which it was selected, with the revision of the change.
fn last_seen(object: Object, revision: u64) -> Object {
    if object::revision(&object) == revision {
        return object;
    }
    let mut last = (*object).clone();
    object::metadata_mut(&mut last).insert("resourceVersion".to_owned(), revision.to_string().into());
    Arc::new(last)
}

impl Target {
    fn is_as_kept(&self) -> bool {
        self.version == self.resource.storage && !events::is_new(self)
    }

    /// At the version asked for.
    pub(super) fn shown(&self, kept: Object) -> Object {
        if events::is_new(self) {
            return events::to_new(&kept);
        }
        if self.version == self.resource.storage {
            return kept;
        }
        let mut shown = (*kept).clone();
        shown["apiVersion"] = self.api_version().into();
        Arc::new(shown)
    }

    /// As it is to be kept.
    pub(super) fn to_kept(&self, mut object: Value) -> Value {
        if events::is_new(self) {
            return events::to_kept(object);
        }
        if self.version != self.resource.storage {
            object["apiVersion"] = self.resource.api_version(&self.resource.storage).into();
        }
        object
    }

    pub(super) fn not_found(&self) -> Failure {
        Failure::not_found(&self.resource.group, &self.resource.plural, &self.name)
    }

    pub(super) fn conflict(&self, why: &str) -> Failure {
        Failure::conflict(&self.resource.group, &self.resource.plural, &self.name, why)
    }

    /// The resourceVersion is not the object's.
    pub(super) fn modified(&self) -> Failure {
        Failure::modified(&self.resource.group, &self.resource.plural, &self.name)
    }

    pub(super) fn invalid(&self, causes: Vec<Cause>) -> Failure {
        Failure::invalid(&self.resource.group, &self.resource.kind, &self.name, causes)
    }

    /// What admission refuses with.
    pub(super) fn forbidden(&self, why: &str) -> Failure {
        let resource = &self.resource;
        let message = format!("{} \"{}\" is forbidden: {why}", resource.qualified(), self.name);
        Failure::new(403, "Forbidden", message).about(&resource.group, &resource.plural, &self.name)
    }
}
