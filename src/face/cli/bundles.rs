//! What is wrong with the objects in a Bundle, at their place in the file. The hub API takes them as they are: nothing
//! else looks at them before a member does.

use std::collections::BTreeMap;

use serde_json::Value;

use super::fields::diagnostic;
use crate::model::{
    api,
    kind::is_never_selected,
    manifest::{Code, Diagnostic, Document},
    name::GroupVersionKind,
    schema::{Problem, builtin, check},
};

/// Nothing for other kinds.
pub(super) fn mistakes(document: &Document) -> Vec<Diagnostic> {
    if document.kind() != api::BUNDLE {
        return Vec::new();
    }
    let manifests = document
        .object
        .pointer("/spec/manifests")
        .and_then(Value::as_array);
    let mut seen: BTreeMap<(String, String, String), usize> = BTreeMap::new();
    let mut found = Vec::new();
    for (index, manifest) in manifests.into_iter().flatten().enumerate() {
        let place = format!("/spec/manifests/{index}");
        let text = |pointer: &str| {
            manifest
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        if let (Some(own), inside) = (document.namespace(), text("/metadata/namespace"))
            && !inside.is_empty()
            && inside != own
        {
            found.push(
                document
                    .error(
                        Code::NAMESPACE_MISMATCH,
                        &format!("{place}/metadata/namespace"),
                        format!("the object is in namespace {inside}, and its Bundle is in {own}"),
                    )
                    .with_hint("leave the namespace out: everything in a Bundle is in the Bundle's own"),
            );
        }
        let (api_version, kind) = (text("/apiVersion"), text("/kind"));
        let Ok(gvk) = GroupVersionKind::from_api_version(api_version, kind) else {
            continue; // its schema says so
        };
        let name = text("/metadata/name");
        if *gvk.group != *api::GROUP && is_never_selected(&gvk.group_kind()) {
            found.push(
                document
                    .error(
                        Code::NOT_ALLOWED,
                        &format!("{place}/kind"),
                        format!("{kind} objects belong to the cluster they are in and are never propagated"),
                    )
                    .with_hint("take it out of the Bundle; the owner of each member makes it there"),
            );
            continue;
        }
        let group = gvk.group.to_string();
        let first = seen.insert((group, kind.to_owned(), name.to_owned()), index);
        // Of one version the schema's own rule says it.
        if let Some(first) = first.filter(|first| manifests_differ(document, *first, api_version)) {
            found.push(
                document
                    .error(
                        Code::DUPLICATE_OBJECT,
                        &format!("{place}/metadata/name"),
                        format!("{kind} {name} stands in the Bundle twice"),
                    )
                    .with_hint(format!(
                        "the first is spec.manifests[{first}]; keep one of the two"
                    )),
            );
        }
        if let Some(schema) = builtin().schemas.kind(&gvk.group, &gvk.version, kind) {
            found.extend(check(&schema, manifest).into_iter().map(|problem| {
                let below = Problem {
                    pointer: format!("{place}{}", problem.pointer),
                    ..problem
                };
                diagnostic(document, &below)
            }));
        }
    }
    found
}

fn manifests_differ(document: &Document, first: usize, api_version: &str) -> bool {
    let pointer = format!("/spec/manifests/{first}/apiVersion");
    let found = document.object.pointer(&pointer).and_then(Value::as_str);
    found != Some(api_version)
}
