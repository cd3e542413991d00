//! Objects and revisions, and nothing of their meaning.
//!
//! One revision counter for all, as in etcd. Each write makes a revision; the last [`HISTORY`] writes are kept, so
//! that a watch may start in the past, and what is older is answered with [`Compacted`].

mod history;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;
use tokio::time::Instant;

pub(crate) use history::Compacted;
use history::History;
pub(crate) use watch::{Change, Watch};

use super::object::{self, Object};

/// Writes that are remembered, unless [`Store::compact`] forgets them sooner.
pub(crate) const HISTORY: usize = 20_000;

/// Where an object is kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    /// `deployments.apps`
    pub(crate) resource: Arc<str>,
    /// Empty for cluster-scoped objects.
    pub(crate) namespace: Arc<str>,
    pub(crate) name: Arc<str>,
}

/// What must hold for a write to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    /// Nothing is there.
    Absent,
    /// The object is there, at this revision.
    At(u64),
}

/// The store has something else than what was expected: look again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moved;

/// All objects of one cluster. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Store(Arc<Mutex<Inner>>);

/// Namespace and name.
type Place = (Arc<str>, Arc<str>);

#[derive(Default)]
struct Inner {
    revision: u64,
    objects: BTreeMap<Arc<str>, BTreeMap<Place, Object>>,
    history: History,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("revision", &self.revision())
            .finish_non_exhaustive()
    }
}

impl Key {
    pub(crate) fn new(resource: &str, namespace: Option<&str>, name: &str) -> Self {
        Self {
            resource: resource.into(),
            namespace: namespace.unwrap_or_default().into(),
            name: name.into(),
        }
    }
}

impl Store {
    /// Of the last write.
    pub(crate) fn revision(&self) -> u64 {
        self.0.lock().revision
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Object> {
        let inner = self.0.lock();
        let of_kind = inner.objects.get(&key.resource)?;
        of_kind.get(&(key.namespace.clone(), key.name.clone())).cloned()
    }

    /// The object as it was at a revision, as far as history goes back.
    pub(crate) fn get_at(&self, key: &Key, revision: u64) -> Result<Option<Object>, Compacted> {
        {
            let inner = self.0.lock();
            inner.history.check(revision)?;
            if let Some(change) = inner.history.first_since(key, revision) {
                return Ok(change.old.clone());
            }
        }
        Ok(self.get(key))
    }

    /// The last revision that there was at a time; the oldest that is remembered, if it was before that.
    pub(crate) fn revision_at(&self, time: Instant) -> u64 {
        self.0.lock().history.revision_at(time)
    }

    /// All objects of a resource, ordered by namespace and name, and the revision they are of.
    pub(crate) fn list(&self, resource: &str, namespace: Option<&str>) -> (Vec<Object>, u64) {
        let inner = self.0.lock();
        let of_kind = inner.objects.get(resource);
        let objects = match namespace {
            None => of_kind.into_iter().flat_map(BTreeMap::values).cloned().collect(),
            Some(namespace) => of_kind
                .into_iter()
                .flat_map(|objects| objects.range((Arc::from(namespace), Arc::from(""))..))
                .take_while(|((of, _), _)| **of == *namespace)
                .map(|(_, object)| object.clone())
                .collect(),
        };
        (objects, inner.revision)
    }

    /// The first so many of these objects after a place, and how many more there are; the revision they are of.
    pub(crate) fn page(
        &self,
        resource: &str,
        namespace: Option<&str>,
        after: Option<(&str, &str)>,
        most: usize,
    ) -> (Vec<Object>, usize, u64) {
        let inner = self.0.lock();
        let start = match (after, namespace) {
            (Some((namespace, name)), _) => Bound::Excluded((Arc::from(namespace), Arc::from(name))),
            (None, Some(namespace)) => Bound::Included((Arc::from(namespace), Arc::from(""))),
            (None, None) => Bound::Unbounded,
        };
        let of_kind = inner.objects.get(resource);
        let mut found = of_kind
            .into_iter()
            .flat_map(|objects| objects.range((start.clone(), Bound::Unbounded)))
            .take_while(|((of, _), _)| namespace.is_none_or(|namespace| **of == *namespace))
            .map(|(_, object)| object);
        let page = found.by_ref().take(most).cloned().collect();
        (page, found.count(), inner.revision)
    }

    /// Whether an object of a resource was written after a revision.
    pub(crate) fn changed_since(&self, resource: &str, revision: u64) -> Result<bool, Compacted> {
        let inner = self.0.lock();
        inner.history.check(revision)?;
        Ok(inner.history.changed_since(resource, revision))
    }

    /// How many objects there are, of all resources.
    pub(crate) fn len(&self) -> usize {
        self.0.lock().objects.values().map(BTreeMap::len).sum()
    }

    /// Writes an object with the next revision as its resourceVersion; that object is returned, or the expectation
    /// did not hold.
    pub(crate) fn put(&self, key: &Key, expect: Expect, mut object: Value) -> Result<Object, Moved> {
        let mut inner = self.0.lock();
        let old = inner.expected(key, expect)?;
        inner.revision += 1;
        let revision = inner.revision;
        object::metadata_mut(&mut object).insert("resourceVersion".to_owned(), revision.to_string().into());
        let object = Arc::new(object);
        let place = (key.namespace.clone(), key.name.clone());
        inner
            .objects
            .entry(key.resource.clone())
            .or_default()
            .insert(place, object.clone());
        inner.history.add(Change {
            revision,
            key: key.clone(),
            old,
            new: Some(object.clone()),
        });
        Ok(object)
    }

    /// Removes an object. Its last state, with the revision of the removal, is returned: what a watch shows.
    pub(crate) fn remove(&self, key: &Key, at: u64) -> Result<Object, Moved> {
        let mut inner = self.0.lock();
        let Some(old) = inner.expected(key, Expect::At(at))? else {
            return Err(Moved);
        };
        inner.revision += 1;
        let revision = inner.revision;
        let mut last = (*old).clone();
        object::metadata_mut(&mut last).insert("resourceVersion".to_owned(), revision.to_string().into());
        let last = Arc::new(last);
        if let Some(of_kind) = inner.objects.get_mut(&key.resource) {
            of_kind.remove(&(key.namespace.clone(), key.name.clone()));
        }
        inner.history.add(Change {
            revision,
            key: key.clone(),
            old: Some(old),
            new: None,
        });
        Ok(last)
    }

    /// Changes of a resource after a revision, for ever. Revision 0 means from now on; no resource means all.
    pub(crate) fn watch(&self, resource: &str, after: u64) -> Result<Watch, Compacted> {
        let inner = self.0.lock();
        let after = if after == 0 { inner.revision } else { after };
        inner.history.check(after)?;
        Ok(Watch::new(
            self.clone(),
            resource.into(),
            after,
            inner.history.tip(),
        ))
    }

    /// Changes of a resource after a revision, and the revision up to which there are no more.
    pub(crate) fn since(&self, resource: &str, after: u64) -> Result<(Vec<Change>, u64), Compacted> {
        let inner = self.0.lock();
        inner.history.check(after)?;
        Ok((inner.history.since(resource, after), inner.revision))
    }

    /// Forgets all history: watches that are behind, or start in the past, meet [`Compacted`].
    pub(crate) fn compact(&self) {
        let mut inner = self.0.lock();
        let revision = inner.revision;
        inner.history.compact(revision);
    }
}

impl Inner {
    fn expected(&self, key: &Key, expect: Expect) -> Result<Option<Object>, Moved> {
        let place = (key.namespace.clone(), key.name.clone());
        let found = self
            .objects
            .get(&key.resource)
            .and_then(|objects| objects.get(&place));
        match (expect, found) {
            (Expect::Absent, None) => Ok(None),
            (Expect::At(revision), Some(object)) if object::revision(object) == revision => {
                Ok(Some(object.clone()))
            }
            _ => Err(Moved),
        }
    }
}
