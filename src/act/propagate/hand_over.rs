//! Handing fields over to members, and taking them back (PROTOCOL §3.6).
//!
//! A field that only the hub owns is reset when the hub's apply leaves it out: `replicas` would become 1. So it first
//! changes hands: our entry in managedFields loses it and the entry of our second manager gets it, in one patch of
//! managedFields that is bound to the version it was made from. No value is written, so none can be lost, and the
//! member's managers take the field from the second manager as they would from anybody. When a field is no longer left,
//! it comes back the same way, and the next apply says its value, or drops it.

use json_patch::{AddOperation, Patch, PatchOperation, TestOperation, jsonptr::PointerBuf};
use serde_json::{Value, json};

use crate::{
    act::wire::{Error, HubIdentity, Target},
    model::schema::{FieldSet, Pointer},
};

/// Sees to it that our manager owns none of the fields that are left to the member, and all others that were ours. The
/// version to apply over, or `None` when the object changed meanwhile, or is gone.
pub(super) async fn settle(
    hub: &HubIdentity,
    target: Target<'_>,
    left: &[Pointer],
) -> Result<Option<String>, Error> {
    let Some(live) = target.get_whole().await? else {
        return Ok(None);
    };
    let version = live["metadata"]["resourceVersion"].as_str().map(str::to_owned);
    let Some(managed) = handed_over(&live, hub, left) else {
        return Ok(version);
    };
    match target.patch_json(managed_fields(&live, managed)).await {
        Ok(observed) => Ok(observed.metadata.resource_version),
        Err(error) if matches!(error.code(), Some(404 | 409 | 422)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The patch that replaces managedFields in exactly this state of the object.
pub(super) fn managed_fields(live: &Value, entries: Vec<Value>) -> Patch {
    let pointer = |field: &str| PointerBuf::from_tokens(["metadata", field]);
    // An empty list means "don't touch"; a list with one empty entry clears it.
    let entries = if entries.is_empty() {
        vec![json!({})]
    } else {
        entries
    };
    Patch(vec![
        PatchOperation::Test(TestOperation {
            path: pointer("resourceVersion"),
            value: live["metadata"]["resourceVersion"].clone(),
        }),
        // Replaces what is there, and an object may have none.
        PatchOperation::Add(AddOperation {
            path: pointer("managedFields"),
            value: entries.into(),
        }),
    ])
}

/// The entries of managedFields with every field in the right hands; `None` when they are already.
fn handed_over(live: &Value, hub: &HubIdentity, left: &[Pointer]) -> Option<Vec<Value>> {
    let mut entries = live["metadata"]["managedFields"].as_array()?.clone();
    let second_manager = hub.second_manager();
    let ours_at = entries
        .iter()
        .position(|entry| is_apply_of(entry, &hub.manager))?;
    let second_at = entries
        .iter()
        .position(|entry| is_apply_of(entry, &second_manager));
    let ours = fields(&entries[ours_at]);
    let second = second_at.map(|at| fields(&entries[at])).unwrap_or_default();
    let meant = |set: &FieldSet| {
        left.iter()
            .map(|pointer| pointer.within(set))
            .fold(FieldSet::default(), FieldSet::union)
    };
    let leaving = meant(&ours);
    let kept = meant(&second);
    let returning = second.difference(&kept);
    if leaving.is_empty() && returning.is_empty() {
        return None;
    }
    let now_second = kept.union(leaving.clone());
    entries[ours_at]["fieldsV1"] = ours.difference(&leaving).union(returning).to_fields_v1();
    match second_at {
        Some(at) if now_second.is_empty() => _ = entries.remove(at),
        Some(at) => entries[at]["fieldsV1"] = now_second.to_fields_v1(),
        None => {
            let mut entry = entries[ours_at].clone();
            entry["manager"] = second_manager.into();
            entry["fieldsV1"] = now_second.to_fields_v1();
            entries.push(entry);
        }
    }
    Some(entries)
}

pub(super) fn is_apply_of(entry: &Value, manager: &str) -> bool {
    entry["manager"] == manager
        && entry["operation"] == "Apply"
        && entry.get("subresource").is_none_or(|sub| sub == "")
}

pub(super) fn fields(entry: &Value) -> FieldSet {
    FieldSet::from_fields_v1(&entry["fieldsV1"])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::schema::Step;

    fn hub() -> HubIdentity {
        HubIdentity {
            id: "0123abcd-ef".into(),
            manager: "hanse-0123abcd".into(),
        }
    }

    fn entry(manager: &str, fields: &Value) -> Value {
        json!({"manager": manager, "operation": "Apply", "apiVersion": "apps/v1", "time": "T", "fieldsType": "FieldsV1", "fieldsV1": fields})
    }

    fn live(entries: &[Value]) -> Value {
        json!({"metadata": {"resourceVersion": "7", "managedFields": entries}})
    }

    fn left(texts: &[&str]) -> Vec<Pointer> {
        texts.iter().map(|text| Pointer::parse(text).unwrap()).collect()
    }

    #[test]
    fn a_field_goes_to_the_second_manager_and_comes_back() {
        let ours =
            json!({"f:metadata": {"f:labels": {"f:a": {}}}, "f:spec": {"f:paused": {}, "f:replicas": {}}});
        let before = live(&[entry("kubectl", &json!({})), entry("hanse-0123abcd", &ours)]);
        let handed = handed_over(&before, &hub(), &left(&["/spec/replicas"])).unwrap();
        assert_eq!(
            handed[1]["fieldsV1"],
            json!({"f:metadata": {"f:labels": {"f:a": {}}}, "f:spec": {"f:paused": {}}})
        );
        assert_eq!(
            handed[2],
            entry("hanse-0123abcd-ignored", &json!({"f:spec": {"f:replicas": {}}}))
        );
        let after = live(&handed);
        assert_eq!(handed_over(&after, &hub(), &left(&["/spec/replicas"])), None);
        // One more is left, and the first one no longer.
        let moved = handed_over(&after, &hub(), &left(&["/spec/paused"])).unwrap();
        assert_eq!(moved[2]["fieldsV1"], json!({"f:spec": {"f:paused": {}}}));
        assert_eq!(moved[1]["fieldsV1"]["f:spec"], json!({"f:replicas": {}}));
        let back = handed_over(&after, &hub(), &[]).unwrap();
        assert_eq!(back, before["metadata"]["managedFields"].as_array().unwrap()[..]);
    }

    #[test]
    fn what_a_member_has_taken_is_not_taken_back() {
        let ours = json!({"f:spec": {"f:paused": {}}});
        let entries = [
            entry("hanse-0123abcd", &ours),
            entry("autoscaler", &json!({"f:spec": {"f:replicas": {}}})),
        ];
        assert_eq!(
            handed_over(&live(&entries), &hub(), &left(&["/spec/replicas"])),
            None
        );
        assert_eq!(handed_over(&live(&entries[1..]), &hub(), &[]), None);
    }

    const FIELDS: [&str; 4] = ["a", "b", "c", "d"];

    proptest! {
        /// Whatever is left, one time after the other: no field is ever lost, each is in the right hands, and doing it
        /// twice is doing it once.
        #[test]
        fn every_field_stays_owned_and_in_the_right_hands(turns in prop::collection::vec(prop::collection::btree_set(0..FIELDS.len(), 0..=FIELDS.len()), 1..5)) {
            let all: serde_json::Map<String, Value> = FIELDS.iter().map(|field| (format!("f:{field}"), json!({}))).collect();
            let mut object = live(&[entry("hanse-0123abcd", &json!({"f:spec": all}))]);
            for turn in turns {
                let texts: Vec<String> = turn.iter().map(|at| format!("/spec/{}", FIELDS[*at])).collect();
                let left: Vec<Pointer> = texts.iter().map(|text| Pointer::parse(text).unwrap()).collect();
                if let Some(entries) = handed_over(&object, &hub(), &left) {
                    object = live(&entries);
                }
                prop_assert_eq!(handed_over(&object, &hub(), &left), None);
                let of = |manager: &str| FieldSet::of_manager(&object, manager, false);
                let (ours, second) = (of("hanse-0123abcd"), of("hanse-0123abcd-ignored"));
                for (at, field) in FIELDS.iter().enumerate() {
                    let path = [Step::Field("spec".to_owned()), Step::Field((*field).to_owned())];
                    prop_assert_eq!(second.contains(&path), turn.contains(&at));
                    prop_assert_eq!(ours.contains(&path), !turn.contains(&at));
                }
            }
        }
    }
}
