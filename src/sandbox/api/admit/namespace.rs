//! New content needs a namespace that is there and stays.

use crate::sandbox::api::{Server, Target};
use crate::sandbox::failure::{Cause, Failure};
use crate::sandbox::object::Object;
use crate::sandbox::store::Key;

pub(super) fn get(server: &Server, name: &str) -> Option<Object> {
    server.store().get(&Key::new("namespaces", None, name))
}

/// # Errors
/// 404 when there is no such namespace, 403 when it is being terminated.
pub(super) fn must_take_new_content(server: &Server, target: &Target) -> Result<(), Failure> {
    let Some(name) = target.namespace.as_deref() else {
        return Ok(());
    };
    let Some(namespace) = get(server, name) else {
        return Err(Failure::not_found("", "namespaces", name));
    };
    if namespace["status"]["phase"] != "Terminating" {
        return Ok(());
    }
    let mut failure = target.forbidden(&format!(
        "unable to create new content in namespace {name} because it is being terminated"
    ));
    failure.details.causes = vec![Cause {
        reason: "NamespaceTerminating",
        message: format!("namespace {name} is being terminated"),
        field: "metadata.namespace".to_owned(),
    }];
    Err(failure)
}
