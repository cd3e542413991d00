//! What the API server itself has a word in, between a request and the store.
//!
//! [`shape`] fills in what its plugins fill in and refuses what they refuse early; [`judge`] sees the object as it
//! would be stored. Which plugins there are is upstream's default, less those that `docs/reference/sandbox.md` lists.

mod namespace;
mod pods;
mod security;

use serde_json::{Value, json};

use super::{Server, Target};
use crate::sandbox::actors::volumes::default_class;
use crate::sandbox::admission::{Judged, Operation};
use crate::sandbox::failure::Failure;
use crate::sandbox::object;
use crate::sandbox::write::Writer;

/// Of a create: before names are made and anything is handed out.
pub(super) fn shape(server: &Server, target: &Target, object: &mut Value) -> Result<(), Failure> {
    let target = target.named(object::name(object));
    namespace::must_take_new_content(server, &target)?;
    if target.is("", "pods") {
        pods::shape(server, &target, object)?;
    }
    if target.is("", "persistentvolumeclaims") && object["spec"]["storageClassName"].is_null() {
        let (classes, _) = server.store().list("storageclasses.storage.k8s.io", None);
        if let Some(class) = default_class(&classes) {
            object::field_mut(object, "spec").insert("storageClassName".to_owned(), class.into());
        }
    }
    Ok(())
}

/// Of a create (no `old`) or an update: the last word before the store.
pub(super) fn judge(
    server: &Server,
    writer: &Writer,
    target: &Target,
    old: Option<&Value>,
    new: &Value,
) -> Result<(), Failure> {
    let resource = &target.resource;
    if target.subresource.is_empty() {
        let access = server.access();
        access.admit(&writer.user, &resource.group, &resource.plural, old, new)?;
    }
    if target.is("", "pods") {
        security::enforce(server, target, old, new)?;
    }
    let operation = if old.is_some() {
        Operation::Update
    } else {
        Operation::Create
    };
    ask_policies(server, writer, target, operation, old, Some(new))
}

/// Of a deletion.
pub(super) fn judge_delete(
    server: &Server,
    writer: &Writer,
    target: &Target,
    old: &Value,
) -> Result<(), Failure> {
    ask_policies(server, writer, target, Operation::Delete, Some(old), None)
}

/// Of a subresource that is created: `pods/binding`, `pods/eviction`.
pub(super) fn judge_action(
    server: &Server,
    writer: &Writer,
    target: &Target,
    body: &Value,
) -> Result<(), Failure> {
    namespace::must_take_new_content(server, target)?;
    ask_policies(server, writer, target, Operation::Create, None, Some(body))
}

impl Server {
    /// What admission says of an action that changes no object: a token that is asked for.
    pub(crate) fn admit_action(&self, writer: &Writer, target: &Target, body: &Value) -> Result<(), Failure> {
        judge_action(self, writer, target, body)
    }

    /// What admission says of a connection to a pod, a Service or a node.
    pub(crate) fn admit_connection(&self, writer: &Writer, target: &Target) -> Result<(), Failure> {
        let options = json!({"apiVersion": "v1", "kind": format!("{}Options", target.resource.kind)});
        ask_policies(self, writer, target, Operation::Connect, None, Some(&options))
    }
}

fn ask_policies(
    server: &Server,
    writer: &Writer,
    target: &Target,
    operation: Operation,
    old: Option<&Value>,
    object: Option<&Value>,
) -> Result<(), Failure> {
    let namespace = target
        .namespace
        .as_deref()
        .and_then(|name| namespace::get(server, name));
    server.policies().judge(&Judged {
        user: &writer.user,
        operation,
        target,
        object,
        old,
        namespace: namespace.as_deref(),
        dry_run: writer.dry_run,
    })
}
