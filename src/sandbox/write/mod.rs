//! From an old object and a request to the new object, or to a refusal. Pure: time and names are arguments.
//!
//! ```text
//! create   body ─decode─► default_fields ─► managed_fields::update ─► (admission) ─► prepare_create ─► validate
//! replace  body ─decode─► default_fields ─► managed_fields::update ─► (admission) ─► prepare_update ─► validate
//! patch    old + Patch ─patch─► decode, then as a replace
//! apply    old + intent ─apply─► default_fields ─► (admission) ─► prepare_update or prepare_create ─► validate
//! ```
//!
//! In this order what admission and allocation add belongs to nobody, as upstream has it. Objects are given in the
//! version asked for. The last step before a write is `managed_fields::keep_times`: a request that changed nothing
//! must not change the times of managers either.

mod decode;
mod default;
pub(crate) mod managed_fields;
mod patch;
mod prepare;
mod validate;

use decode::conform;
pub(crate) use decode::decode;
pub(crate) use default::default_fields;
pub(crate) use managed_fields::apply;
pub(crate) use patch::{Patch, decode_patched, patch};
pub(crate) use prepare::{drop_servers_own, prepare_create, prepare_update};
pub(crate) use validate::{Change, validate};

use crate::sandbox::access::User;
use crate::sandbox::kinds::{Resource, Version};

/// What is said of unknown fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum FieldValidation {
    Ignore,
    /// Told in `Warning` headers.
    #[default]
    Warn,
    Strict,
}

/// Who writes, and how.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    pub(crate) user: User,
    /// `fieldManager`, or the first part of the user agent.
    pub(crate) manager: String,
    pub(crate) validation: FieldValidation,
    /// Everything happens but the write itself.
    pub(crate) dry_run: bool,
}

impl Writer {
    /// A controller, under its own name; in `managedFields` all of them are their common program.
    pub(crate) fn controller(name: &str) -> Self {
        Self {
            user: User::system(&format!("system:serviceaccount:kube-system:{name}")),
            manager: "kube-controller-manager".to_owned(),
            validation: FieldValidation::Ignore,
            dry_run: false,
        }
    }
}

/// Where a request writes to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Endpoint<'a> {
    pub(crate) resource: &'a Resource,
    /// The version asked for.
    pub(crate) version: &'a Version,
    /// `status`, `scale`, …; empty for the object itself.
    pub(crate) subresource: &'a str,
}

impl Endpoint<'_> {
    /// `apps/v1`
    pub(crate) fn api_version(&self) -> String {
        self.resource.api_version(&self.version.name)
    }
}

#[cfg(test)]
mod recorded;
