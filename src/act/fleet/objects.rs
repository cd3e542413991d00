//! The row table: what a member holds of what the hub wrote there, as last seen.
//!
//! Rows come from watches and from the answers of the hub's own writes, whichever is newer. A row is dropped
//! only by a deletion that was seen, or when a complete list no longer has it.

use std::{collections::HashMap, sync::Arc};

use parking_lot::RwLock;
use serde_json::value::RawValue;

use crate::{
    act::wire::{Managers, Observed, Spec},
    model::{
        fleet::{ObjectRow, Pace},
        hash::Hash,
        kind::is_built_in,
        mark,
        name::{GroupKind, NamespaceName, ObjectKey},
    },
};

/// One watch: a kind, everywhere or in one namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Stream {
    pub(super) kind: GroupKind,
    pub(super) namespace: Option<NamespaceName>,
}

impl Stream {
    fn covers(&self, key: &ObjectKey) -> bool {
        self.kind.group == key.group
            && self.kind.kind == key.kind
            && (self.namespace.is_none() || self.namespace == key.namespace)
    }
}

#[derive(Debug, Default)]
pub(super) struct Objects(RwLock<State>);

#[derive(Debug, Default)]
struct State {
    rows: HashMap<ObjectKey, Kept>,
    streams: HashMap<Stream, Progress>,
    round: u64,
}

#[derive(Debug)]
struct Kept {
    row: Arc<ObjectRow>,
    /// Hash of what other managers have there. Beside the row: only those who look for additions ask.
    others: Option<Hash>,
    /// The list in which, or after which, it was last seen.
    round: u64,
    /// It is known from our own write only, since the list began.
    noted: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    /// The list that is running or was the last.
    round: u64,
    synced: bool,
}

/// What a fold did to a row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Folded {
    pub(super) key: ObjectKey,
    pub(super) binding: Option<String>,
    pub(super) gone: bool,
    /// Nothing but the status has changed.
    pub(super) status_only: bool,
}

impl Objects {
    /// A list begins: what was seen before counts until it ends.
    pub(super) fn begin(&self, stream: &Stream) {
        let mut state = self.0.write();
        state.round += 1;
        let round = state.round;
        state.streams.entry(stream.clone()).or_default().round = round;
    }

    /// A list is complete. Answers what is gone, and the rows that only our own writes vouch for: they were
    /// written while the list was made, so that they are not in it proves nothing.
    pub(super) fn finish(&self, stream: &Stream) -> (Vec<Folded>, Vec<ObjectKey>) {
        let mut state = self.0.write();
        let state = &mut *state;
        let progress = state.streams.entry(stream.clone()).or_default();
        progress.synced = true;
        let round = progress.round;
        let mut gone = Vec::new();
        let mut unsure = Vec::new();
        state.rows.retain(|key, kept| {
            if !stream.covers(key) {
                return true;
            }
            if kept.round >= round {
                if std::mem::take(&mut kept.noted) {
                    unsure.push(key.clone());
                }
                return true;
            }
            gone.push(Folded {
                key: key.clone(),
                binding: kept.row.binding.clone(),
                gone: true,
                status_only: false,
            });
            false
        });
        (gone, unsure)
    }

    /// The connection is another one, or was silent too long: nothing is known to be missing any more.
    pub(super) fn unsync_all(&self) {
        for progress in self.0.write().streams.values_mut() {
            progress.synced = false;
        }
    }

    /// A watch does not run for now: its rows are not kept up to date.
    pub(super) fn unsync(&self, stream: &Stream) {
        if let Some(progress) = self.0.write().streams.get_mut(stream) {
            progress.synced = false;
        }
    }

    /// A watch has ended for good: its rows are not kept up to date any more.
    pub(super) fn forget(&self, stream: &Stream) {
        let mut state = self.0.write();
        let state = &mut *state;
        state.streams.remove(stream);
        let streams = &state.streams;
        state
            .rows
            .retain(|key, _| !stream.covers(key) || streams.keys().any(|other| other.covers(key)));
    }

    /// Whether a missing row means a missing object.
    pub(super) fn is_synced(&self, kind: &GroupKind, namespace: Option<&NamespaceName>) -> bool {
        let state = self.0.read();
        let synced = |namespace: Option<&NamespaceName>| {
            let stream = Stream {
                kind: kind.clone(),
                namespace: namespace.cloned(),
            };
            state.streams.get(&stream).is_some_and(|progress| progress.synced)
        };
        synced(None) || (namespace.is_some() && synced(namespace))
    }

    pub(super) fn row(&self, key: &ObjectKey) -> Option<Arc<ObjectRow>> {
        self.0.read().rows.get(key).map(|kept| kept.row.clone())
    }

    /// Hash of what other managers have in the object.
    pub(super) fn others(&self, key: &ObjectKey) -> Option<Hash> {
        self.0.read().rows.get(key).and_then(|kept| kept.others)
    }

    /// All rows, in no order. The table is not locked while the caller works.
    pub(super) fn rows(
        &self,
        wanted: impl Fn(&ObjectKey, &ObjectRow) -> bool,
    ) -> Vec<(ObjectKey, Arc<ObjectRow>)> {
        let state = self.0.read();
        let matching = state.rows.iter().filter(|(key, kept)| wanted(key, &kept.row));
        matching
            .map(|(key, kept)| (key.clone(), kept.row.clone()))
            .collect()
    }

    /// Folds an object that a watch showed. `None` when nothing that matters has changed.
    pub(super) fn saw(
        &self,
        stream: &Stream,
        key: ObjectKey,
        row: ObjectRow,
        others: Option<Hash>,
    ) -> Option<Folded> {
        let mut state = self.0.write();
        let state = &mut *state;
        let round = state
            .streams
            .get(stream)
            .map_or(state.round, |progress| progress.round);
        let mut folded = Folded {
            key: key.clone(),
            binding: row.binding.clone(),
            gone: false,
            status_only: false,
        };
        if let Some(kept) = state.rows.get_mut(&key) {
            // Within one list and the watch after it versions only grow; a new list is the truth, also after
            // the member was restored from a backup and counts from an older version.
            if kept.round >= round && is_older(&row.resource_version, &kept.row.resource_version) {
                kept.noted = false;
                return None;
            }
            kept.round = round;
            kept.noted = false;
            let same_others = kept.others == others;
            kept.others = others;
            if same_others && is_alike(&kept.row, &row) {
                Arc::make_mut(&mut kept.row).resource_version = row.resource_version;
                return None;
            }
            folded.status_only = same_others && is_alike_but_for_status(&kept.row, &row);
            kept.row = Arc::new(row);
        } else {
            state.rows.insert(
                key,
                Kept {
                    row: Arc::new(row),
                    others,
                    round,
                    noted: false,
                },
            );
        }
        Some(folded)
    }

    /// Folds a deletion that a watch showed.
    pub(super) fn lost(&self, key: &ObjectKey, resource_version: &str) -> Option<Folded> {
        let mut state = self.0.write();
        let kept = state.rows.get(key)?;
        if is_older(resource_version, &kept.row.resource_version) {
            return None;
        }
        let binding = kept.row.binding.clone();
        state.rows.remove(key);
        Some(Folded {
            key: key.clone(),
            binding,
            gone: true,
            status_only: false,
        })
    }

    /// Folds what a write of the hub answered. Never goes back behind what a watch has shown already.
    pub(super) fn wrote(&self, key: &ObjectKey, row: ObjectRow, others: Option<Hash>) {
        let mut state = self.0.write();
        let round = state.round;
        match state.rows.get_mut(key) {
            Some(kept) if is_older(&row.resource_version, &kept.row.resource_version) => {}
            Some(kept) => {
                kept.row = Arc::new(row);
                kept.others = others;
                kept.round = round;
                kept.noted = true;
            }
            None => {
                state.rows.insert(
                    key.clone(),
                    Kept {
                        row: Arc::new(row),
                        others,
                        round,
                        noted: true,
                    },
                );
            }
        }
    }

    /// Drops the row of exactly this object, which the server says does not exist.
    pub(super) fn absent(&self, key: &ObjectKey, uid: &str) -> Option<Folded> {
        let mut state = self.0.write();
        if state.rows.get(key).is_none_or(|kept| kept.row.uid != uid) {
            return None;
        }
        let kept = state.rows.remove(key)?;
        Some(Folded {
            key: key.clone(),
            binding: kept.row.binding.clone(),
            gone: true,
            status_only: false,
        })
    }
}

/// Whether `version` is surely before `than`. Versions of one API server are comparable as integers
/// (KEP-5504); what is none is never older.
pub(super) fn is_older(version: &str, than: &str) -> bool {
    match (version.parse::<u128>(), than.parse::<u128>()) {
        (Ok(version), Ok(than)) => version < than,
        _ => false,
    }
}

fn is_alike(old: &ObjectRow, new: &ObjectRow) -> bool {
    ObjectRow {
        resource_version: String::new(),
        ..old.clone()
    } == ObjectRow {
        resource_version: String::new(),
        ..new.clone()
    }
}

fn is_alike_but_for_status(old: &ObjectRow, new: &ObjectRow) -> bool {
    let status = old.status.clone();
    is_alike(
        old,
        &ObjectRow {
            status,
            ..new.clone()
        },
    )
}

/// What is kept of an object; `manager` is this hub's field manager.
pub(super) fn row_of(kind: &GroupKind, observed: &Observed, manager: &str) -> ObjectRow {
    let metadata = &observed.metadata;
    let raw = |raw: &Option<Box<RawValue>>| raw.as_ref().map(|raw| Arc::from(raw.get()));
    let annotation = |name: &str| {
        metadata
            .annotations
            .as_ref()
            .and_then(|all| all.get(name))
            .cloned()
    };
    ObjectRow {
        uid: metadata.uid.clone().unwrap_or_default(),
        resource_version: metadata.resource_version.clone().unwrap_or_default(),
        generation: metadata.generation.unwrap_or_default(),
        intent: annotation(mark::INTENT),
        binding: metadata
            .labels
            .as_ref()
            .and_then(|all| all.get(mark::BINDING))
            .cloned(),
        stamp: annotation(mark::OBJECT),
        owned: observed.managers.hubs.get(manager).copied(),
        last_editor: observed
            .managers
            .last_editor
            .as_ref()
            .map(|editor| editor.manager.clone())
            .or_else(|| another_hub(&observed.managers, manager)),
        replicas: observed.spec.replicas,
        cluster_ip: observed.spec.cluster_ip.clone(),
        service_type: observed.spec.type_.clone(),
        pace: pace_of(&observed.spec),
        spec: if is_built_in(kind) {
            None
        } else {
            raw(&observed.raw_spec)
        },
        status: raw(&observed.status),
        deleting: metadata.deletion_timestamp.is_some(),
    }
}

fn pace_of(spec: &Spec) -> Pace {
    let strategy = spec.update_strategy.as_ref();
    let partition = strategy.and_then(|strategy| strategy.rolling_update?.partition);
    Pace {
        held: spec.paused.or(spec.suspend).unwrap_or_default(),
        on_delete: strategy.is_some_and(|strategy| strategy.type_.as_deref() == Some("OnDelete")),
        partition: partition.unwrap_or_default(),
    }
}

/// Another hub's manager: it is told when nobody else edited the object.
fn another_hub(managers: &Managers, me: &str) -> Option<String> {
    let is_ours = |manager: &str| {
        manager
            .strip_prefix(me)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    managers.hubs.keys().find(|manager| !is_ours(manager)).cloned()
}

/// The key of an object, if its names are names.
pub(super) fn key_of(kind: &GroupKind, observed: &Observed) -> Option<ObjectKey> {
    let namespace = observed.metadata.namespace.as_deref().unwrap_or_default();
    ObjectKey::parse(kind, namespace, observed.metadata.name.as_deref()?).ok()
}
