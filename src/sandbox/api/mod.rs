//! The verbs: the one place where store, kinds, writes and access meet.
//!
//! A request is answered whole and at once; only watches wait.

use std::sync::Arc;

use super::kinds::Resource;

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
    #[default]
    Background,
    Foreground,
    Orphan,
}
