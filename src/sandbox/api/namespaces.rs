//! `namespaces/finalize`: what holds a namespace's end is taken away.

use serde_json::Value;

use super::{Server, Target, Written, admit};
use crate::sandbox::failure::Failure;
use crate::sandbox::object;
use crate::sandbox::write::Writer;

/// Only `spec.finalizers` are heard.
pub(super) fn finalize(
    server: &Server,
    writer: &Writer,
    target: &Target,
    body: &Value,
) -> Result<Written, Failure> {
    let old = server.kept(target).ok_or_else(|| target.not_found())?;
    let revision = object::revision(body);
    if revision != 0 && revision != object::revision(&old) {
        return Err(target.modified());
    }
    let mut new = (*old).clone();
    let spec = object::field_mut(&mut new, "spec");
    match &body["spec"]["finalizers"] {
        Value::Array(finalizers) if !finalizers.is_empty() => {
            spec.insert("finalizers".to_owned(), finalizers.clone().into());
        }
        _ => {
            spec.remove("finalizers");
        }
    }
    admit::judge(server, writer, target, Some(&old), &new)?;
    let object = if new == *old {
        old
    } else {
        server.finish(writer, target, &old, new)?
    };
    Ok(Written {
        object,
        created: false,
        warnings: Vec::new(),
    })
}
