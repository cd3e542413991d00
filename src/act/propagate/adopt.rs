//! Taking over an object that somebody else made in a member (PROTOCOL §3.7).
//!
//! ```text
//! live ─ may it be taken? ─► rehearse the apply ─► managedFields: what the intent says is ours alone ─► apply
//!            no: Conflict        refused: nothing was touched
//! ```
//!
//! Without the middle step the old managers would stay owners of the same fields, and a key that the template drops
//! later would stay in the member for ever. What the intent does not say stays theirs.

use serde_json::Value;

use super::{
    apply::{Applied, record},
    difference::{Difference, changes, words},
    hand_over::{fields, is_apply_of, managed_fields},
};
use crate::{
    act::wire::{Error, HubIdentity, Target},
    decide::render::Intent,
    model::{mark, schema::FieldSet},
};

/// Takes over the live object, or says why not.
pub(super) async fn adopt(
    hub: &HubIdentity,
    target: Target<'_>,
    intent: &Intent,
    owner: Option<String>,
) -> Result<Applied, Error> {
    let Some(live) = target.get_whole().await? else {
        return Ok(Applied::Terminating); // the next pass makes it
    };
    if live["metadata"].get("deletionTimestamp").is_some() {
        return Ok(Applied::Terminating);
    }
    if let Some(why) = refusal(hub, &live) {
        return Ok(Applied::Conflict {
            owner,
            why: Some(why),
        });
    }
    let version = live["metadata"]["resourceVersion"].as_str().unwrap_or_default();
    let rehearsed = target.rehearse(&hub.manager, &intent.body, version).await?;
    let Some(entries) = taken_over(hub, &live, &rehearsed) else {
        return Ok(Applied::Conflict {
            owner,
            why: Some("the member does not say whose its fields would be".to_owned()),
        });
    };
    let changed: Vec<Difference> = changes(&live, &rehearsed)
        .into_iter()
        .filter(|change| !is_sign(&change.pointer))
        .collect();
    let is_secret = intent.key.group.is_empty() && &*intent.key.kind == "Secret";
    let what = if changed.is_empty() {
        "nothing in it changes".to_owned()
    } else {
        words(&changed, is_secret)
    };
    let settled = target.patch_json(managed_fields(&live, entries)).await?;
    let version = settled.metadata.resource_version.unwrap_or_default();
    let observed = target.apply_over(&hub.manager, &intent.body, &version).await?;
    let placed = record(hub, intent, &observed);
    Ok(Applied::Adopted(Box::new(placed), Box::new(observed), what))
}

/// Why nobody may take the object: it is another hub's, or something makes it anew.
fn refusal(hub: &HubIdentity, live: &Value) -> Option<String> {
    let metadata = &live["metadata"];
    let stamp = metadata["annotations"][mark::HUB].as_str();
    let entries = metadata["managedFields"].as_array().into_iter().flatten();
    let another = entries
        .filter(|entry| entry["operation"] == "Apply")
        .filter_map(|entry| entry["manager"].as_str())
        .find(|manager| manager.starts_with("hanse-") && !manager.starts_with(&*hub.manager));
    if stamp.is_some_and(|stamp| stamp != hub.id) || another.is_some() {
        return Some("another hub keeps it".to_owned());
    }
    let owners = metadata["ownerReferences"].as_array().into_iter().flatten();
    if let Some(owner) = owners.into_iter().find(|owner| owner["controller"] == true) {
        let text = |field: &str| owner[field].as_str().unwrap_or_default();
        return Some(format!("{} {} controls it", text("kind"), text("name")));
    }
    let is_system = metadata["labels"].get(mark::SYSTEM).is_some();
    is_system.then(|| format!("it carries the label {}", mark::SYSTEM))
}

/// managedFields in which what our apply will own is owned by nobody else. Our own entry is there already: without any,
/// the server would make up an owner for all that is in the object.
fn taken_over(hub: &HubIdentity, live: &Value, rehearsed: &Value) -> Option<Vec<Value>> {
    let entry = rehearsed["metadata"]["managedFields"]
        .as_array()?
        .iter()
        .find(|entry| is_apply_of(entry, &hub.manager))?;
    let ours = fields(entry);
    let mut taken = FieldSet::default();
    let mut entries = Vec::new();
    for theirs in live["metadata"]["managedFields"].as_array().into_iter().flatten() {
        if is_apply_of(theirs, &hub.manager) {
            continue;
        }
        if theirs.get("subresource").is_some_and(|sub| sub != "") {
            entries.push(theirs.clone());
            continue;
        }
        let set = fields(theirs);
        taken = taken.union(set.intersection(&ours));
        let kept = set.difference(&ours);
        if !kept.is_empty() {
            let mut theirs = theirs.clone();
            theirs["fieldsV1"] = kept.to_fields_v1();
            entries.push(theirs);
        }
    }
    let mut entry = entry.clone();
    if !taken.is_empty() {
        entry["fieldsV1"] = taken.to_fields_v1();
    }
    entries.push(entry);
    Some(entries)
}

/// The hub's own labels and annotations say nothing to a person.
fn is_sign(pointer: &str) -> bool {
    pointer.starts_with("/metadata/labels/hanse.dev~1")
        || pointer.starts_with("/metadata/annotations/hanse.dev~1")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn hub() -> HubIdentity {
        HubIdentity {
            id: "0123abcd-ef".into(),
            manager: "hanse-0123abcd".into(),
        }
    }

    fn entry(manager: &str, operation: &str, fields: &Value) -> Value {
        json!({"manager": manager, "operation": operation, "fieldsV1": fields})
    }

    #[rstest]
    #[case::plain(json!({}), None)]
    #[case::orphaned_by_this_hub(json!({"annotations": {"hanse.dev/hub": "0123abcd-ef"}}), None)]
    #[case::stamped_by_another(json!({"annotations": {"hanse.dev/hub": "other"}}), Some("another hub"))]
    #[case::applied_by_another(json!({"managedFields": [{"manager": "hanse-other", "operation": "Apply"}]}), Some("another hub"))]
    #[case::only_owned(json!({"ownerReferences": [{"kind": "Shop", "name": "s"}]}), None)]
    #[case::controlled(json!({"ownerReferences": [{"kind": "Shop", "name": "s", "controller": true}]}), Some("Shop s controls it"))]
    #[case::system(json!({"labels": {"hanse.dev/system": "true"}}), Some("hanse.dev/system"))]
    fn what_somebody_keeps_is_not_taken(#[case] metadata: Value, #[case] why: Option<&str>) {
        let found = refusal(&hub(), &json!({"metadata": metadata}));
        assert_eq!(found.is_some(), why.is_some(), "{found:?}");
        assert!(why.is_none_or(|why| found.is_some_and(|found| found.contains(why))));
    }

    #[test]
    fn only_what_the_intent_says_changes_hands() {
        let live = json!({"metadata": {"managedFields": [
            entry("kubectl-client-side-apply", "Update", &json!({"f:data": {".": {}, "f:a": {}, "f:mine": {}}})),
            entry("tool", "Apply", &json!({"f:data": {"f:a": {}}})),
            {"manager": "controller", "operation": "Update", "subresource": "status", "fieldsV1": {"f:status": {}}},
        ]}});
        let ours = json!({"f:data": {"f:a": {}, "f:b": {}}, "f:metadata": {"f:labels": {"f:x": {}}}});
        let rehearsed = json!({"metadata": {"managedFields": [entry("hanse-0123abcd", "Apply", &ours)]}});
        let entries = taken_over(&hub(), &live, &rehearsed).unwrap();
        assert_eq!(
            entries,
            [
                entry(
                    "kubectl-client-side-apply",
                    "Update",
                    &json!({"f:data": {".": {}, "f:mine": {}}})
                ),
                live["metadata"]["managedFields"][2].clone(),
                entry("hanse-0123abcd", "Apply", &json!({"f:data": {"f:a": {}}})),
            ]
        );
        let nobody = json!({"metadata": {}});
        assert_eq!(
            taken_over(&hub(), &nobody, &rehearsed).unwrap(),
            [entry("hanse-0123abcd", "Apply", &ours)]
        );
    }
}
