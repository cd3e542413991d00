//! Taking away what the hub put into a member: exactly the recorded object, after a live look at it.

use json_patch::{
    Patch, PatchOperation, RemoveOperation, ReplaceOperation, TestOperation, jsonptr::PointerBuf,
};
use serde_json::Value;

use super::proof::is_ours;
use crate::{
    act::wire::{Error, HubIdentity, Target},
    model::{api::PlacedObject, mark},
};

/// What became of a removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pruned {
    /// It is not there, or what is there is not ours.
    Gone,
    /// It was told to go and is still ending.
    Ending,
}

/// Deletes the recorded object if it is still the one that is there.
pub async fn prune(hub: &HubIdentity, target: Target<'_>, recorded: &PlacedObject) -> Result<Pruned, Error> {
    take_away(hub, target, recorded, false).await
}

/// As [`prune`], and it is gone only when everything that it owns is.
pub async fn prune_with_all(
    hub: &HubIdentity,
    target: Target<'_>,
    recorded: &PlacedObject,
) -> Result<Pruned, Error> {
    take_away(hub, target, recorded, true).await
}

async fn take_away(
    hub: &HubIdentity,
    target: Target<'_>,
    recorded: &PlacedObject,
    with_all: bool,
) -> Result<Pruned, Error> {
    let Some(live) = target.get().await? else {
        return Ok(Pruned::Gone);
    };
    if !is_ours(hub, target.key, recorded.uid.as_deref(), &live) {
        tracing::info!(object = %target.key, "left alone: it is not the object that the hub made");
        return Ok(Pruned::Gone);
    }
    if live.metadata.deletion_timestamp.is_some() {
        return Ok(Pruned::Ending);
    }
    let uid = live.metadata.uid.unwrap_or_default();
    let version = live.metadata.resource_version.unwrap_or_default();
    let deleted = if with_all {
        target.delete_with_all(&uid, &version).await
    } else {
        target.delete_exactly(&uid, &version).await
    };
    match deleted {
        // It changed under our eyes; the next pass looks again.
        Err(error) if error.code() == Some(409) => Ok(Pruned::Ending),
        Err(error) => Err(error),
        Ok(()) => Ok(if target.get().await?.is_none() {
            Pruned::Gone
        } else {
            Pruned::Ending
        }),
    }
}

/// Leaves the object where it is and takes the hub's signs off it.
pub async fn orphan(hub: &HubIdentity, target: Target<'_>, recorded: &PlacedObject) -> Result<Pruned, Error> {
    let Some(live) = target.get().await? else {
        return Ok(Pruned::Gone);
    };
    if !is_ours(hub, target.key, recorded.uid.as_deref(), &live) {
        return Ok(Pruned::Gone);
    }
    let Some(whole) = target.get_whole().await? else {
        return Ok(Pruned::Gone);
    };
    match target.patch_json(signs_off(hub, &whole)).await {
        Ok(_) => Ok(Pruned::Gone),
        Err(error) if matches!(error.code(), Some(409 | 422)) => Ok(Pruned::Ending),
        Err(error) => Err(error),
    }
}

/// The patch that removes our managedFields entries, labels and annotations, and nothing else; it tests the
/// version it was made from.
fn signs_off(hub: &HubIdentity, live: &Value) -> Patch {
    let pointer = |parts: &[&str]| PointerBuf::from_tokens(parts.iter().copied());
    let metadata = &live["metadata"];
    let mut operations = vec![PatchOperation::Test(TestOperation {
        path: pointer(&["metadata", "resourceVersion"]),
        value: metadata["resourceVersion"].clone(),
    })];
    let ours = |entry: &Value| {
        let manager = entry["manager"].as_str().unwrap_or_default();
        manager == hub.manager || manager == hub.second_manager()
    };
    let kept: Vec<Value> = metadata["managedFields"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|entry| !ours(entry))
        .cloned()
        .collect();
    // An empty list means "don't touch"; a list with one empty entry clears it.
    let value = if kept.is_empty() {
        Value::Array(vec![Value::Object(serde_json::Map::new())])
    } else {
        kept.into()
    };
    operations.push(PatchOperation::Replace(ReplaceOperation {
        path: pointer(&["metadata", "managedFields"]),
        value,
    }));
    let mut remove = |field: &str, keys: &[&str]| {
        for key in keys.iter().filter(|key| metadata[field].get(**key).is_some()) {
            let path = pointer(&["metadata", field, key]);
            operations.push(PatchOperation::Remove(RemoveOperation { path }));
        }
    };
    remove("labels", &[mark::MANAGED_BY, mark::TENANT, mark::BINDING]);
    remove(
        "annotations",
        &[mark::HUB, mark::OBJECT, mark::TEMPLATE, mark::INTENT],
    );
    Patch(operations)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn orphaning_removes_only_the_hubs_signs() {
        let hub = HubIdentity {
            id: "0123abcd-ef".into(),
            manager: "hanse-0123abcd".into(),
        };
        let mut live = json!({"metadata": {
            "resourceVersion": "7",
            "labels": {"app": "web", "hanse.dev/tenant": "shop"},
            "annotations": {"hanse.dev/object": "x", "note": "mine"},
            "managedFields": [{"manager": "hanse-0123abcd"}, {"manager": "kubectl"}]
        }, "spec": {"replicas": 3}});
        let patch = signs_off(&hub, &live);
        json_patch::patch(&mut live, &patch).unwrap();
        assert_eq!(
            live,
            json!({"metadata": {
                "resourceVersion": "7", "labels": {"app": "web"}, "annotations": {"note": "mine"},
                "managedFields": [{"manager": "kubectl"}]
            }, "spec": {"replicas": 3}})
        );
    }
}
