//! What the API server adds to a definition itself.

use serde_json::{Value, json};

use super::FINALIZER;
use super::condition::{TERMINATING, set};
use crate::sandbox::object::{field_mut, metadata_mut};

/// Fills in names that follow from others, the way of conversion, and which versions may be stored. To be called on
/// every write, after what the endpoint ignores was put back. Doing it twice changes nothing.
pub(crate) fn complete(definition: &mut Value) {
    let spec = field_mut(definition, "spec");
    spec.entry("conversion")
        .or_insert_with(|| json!({"strategy": "None"}));
    let versions = spec
        .get("versions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let stored = versions.into_iter().find(|version| version["storage"] == true);
    let stored = stored
        .and_then(|version| version["name"].as_str())
        .map(str::to_owned);
    if let Some(names) = spec.get_mut("names").and_then(Value::as_object_mut)
        && let Some(kind) = names
            .get("kind")
            .and_then(Value::as_str)
            .filter(|kind| !kind.is_empty())
            .map(str::to_owned)
    {
        for (name, default) in [
            ("singular", kind.to_lowercase()),
            ("listKind", format!("{kind}List")),
        ] {
            let given = names.get(name).and_then(Value::as_str).unwrap_or_default();
            if given.is_empty() {
                names.insert(name.to_owned(), default.into());
            }
        }
    }
    if let Some(stored) = stored {
        let versions = field_mut(definition, "status")
            .entry("storedVersions")
            .or_insert_with(|| json!([]));
        if let Some(versions) = versions.as_array_mut()
            && !versions.iter().any(|version| *version == stored)
        {
            versions.push(stored.into());
        }
    }
}

/// What a first request to delete makes of a definition: it waits until its objects are gone.
pub(crate) fn leaving(definition: &Value, now: &str) -> Value {
    let mut new = definition.clone();
    let metadata = metadata_mut(&mut new);
    metadata.insert("deletionTimestamp".to_owned(), now.into());
    let finalizers = metadata.entry("finalizers").or_insert_with(|| json!([]));
    if let Some(finalizers) = finalizers.as_array_mut()
        && !finalizers.iter().any(|finalizer| finalizer == FINALIZER)
    {
        finalizers.push(FINALIZER.into());
    }
    let message = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon";
    set(
        &mut new,
        [TERMINATING, "True", "InstanceDeletionPending", message],
        now,
    );
    new
}
