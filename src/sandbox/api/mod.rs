//! The verbs: the one place where store, kinds, writes and access meet.
//!
//! ```text
//! create  ─┐  what a server decides itself   may this be here?   what a server hands out
//! replace ─┼► names, uid, times, generation ─► admission ───────► allocate ─► validate ─► store
//! patch   ─┘
//! delete ───► preconditions, finalizers, grace ─────────────────────────────────────────► store
//! ```
//!
//! A request is answered whole and at once; only watches wait. Who may ask is not asked here: [`super::serve`] does
//! that before it calls, and the actors are part of the control plane.

mod admit;
mod allocate;
mod create;
mod delete;
mod events;
mod identify;
mod journal;
mod namespaces;
mod options;
mod payload;
mod pods;
mod read;
mod scale;
mod select;
mod server;
mod update;

use std::sync::Arc;

pub(crate) use delete::Deleted;
pub(crate) use identify::Identities;
pub(crate) use journal::Journal;
pub use journal::Write;
pub(crate) use read::{Follow, Seen};
pub(crate) use select::{Fields, Selection};
pub(crate) use server::{Server, Settings};

use super::kinds::{Resource, Version};
use super::object::Object;

/// What a request is about.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) resource: Arc<Resource>,
    /// The version asked for, and answered in.
    pub(crate) version: Arc<str>,
    pub(crate) namespace: Option<Arc<str>>,
    /// Empty for collections.
    pub(crate) name: Arc<str>,
    /// `status`, `scale`, …; empty for the object itself.
    pub(crate) subresource: Arc<str>,
}

/// What a delete asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct DeleteOptions {
    pub(crate) uid: Option<String>,
    pub(crate) resource_version: Option<String>,
    pub(crate) propagation: Propagation,
    pub(crate) grace_seconds: Option<i64>,
    pub(crate) dry_run: bool,
}

/// What becomes of dependents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Propagation {
    /// What the object's finalizers say, or the kind's default: background for all but a few old kinds.
    #[default]
    Unsaid,
    Background,
    Foreground,
    Orphan,
}

/// What a write made.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    pub(crate) object: Object,
    /// It was not there before.
    pub(crate) created: bool,
    /// For `Warning` headers.
    pub(crate) warnings: Vec<String>,
}

impl Target {
    /// The same collection's or object's neighbour.
    #[must_use]
    pub(crate) fn named(&self, name: &str) -> Self {
        Self {
            name: name.into(),
            ..self.clone()
        }
    }

    /// An endpoint of the object.
    #[must_use]
    pub(crate) fn at(&self, subresource: &str) -> Self {
        Self {
            subresource: subresource.into(),
            ..self.clone()
        }
    }

    pub(crate) fn served(&self) -> Option<&Version> {
        self.resource.version(&self.version)
    }

    /// `apps/v1`: what the answer's `apiVersion` says.
    pub(crate) fn api_version(&self) -> String {
        self.resource.api_version(&self.version)
    }

    pub(crate) fn is(&self, group: &str, plural: &str) -> bool {
        *self.resource.group == *group && *self.resource.plural == *plural
    }
}
