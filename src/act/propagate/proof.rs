//! Is an object in a member ours? Labels and annotations alone prove nothing: controllers copy them.

use crate::{
    act::wire::{HubIdentity, Observed},
    model::{mark, name::ObjectKey},
};

/// Whether the live object is one that the hub made (PROTOCOL §2.3): it has the recorded uid, or our stamp *and* our
/// entry in managedFields. The second is asked for where the hub died between a write and its record: no uid was
/// recorded, or one of an object that is gone, as its name with another uid shows, and that the hub had made again.
/// Nobody else comes by both: what copies annotations copies another object's key, and only an apply as our manager
/// makes the entry.
#[must_use]
pub(super) fn is_ours(
    hub: &HubIdentity,
    key: &ObjectKey,
    recorded_uid: Option<&str>,
    live: &Observed,
) -> bool {
    let is_recorded = recorded_uid.is_some() && live.metadata.uid.as_deref() == recorded_uid;
    is_recorded || bears_proof(hub, key, live)
}

/// Our stamp with the object's own key, our hub id, and an Apply entry of our manager.
#[must_use]
fn bears_proof(hub: &HubIdentity, key: &ObjectKey, live: &Observed) -> bool {
    let annotation = |name| live.metadata.annotations.as_ref().and_then(|all| all.get(name));
    annotation(mark::OBJECT).is_some_and(|stamp| *stamp == key.annotation())
        && annotation(mark::HUB).is_some_and(|id| *id == hub.id)
        && live.managers.hubs.contains_key(&hub.manager)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::model::name::GroupKind;

    #[rstest]
    #[case::recorded_uid(Some("u1"), "core/x", "other", false, true)]
    #[case::made_again_and_not_recorded(Some("u2"), "/ConfigMap/shop/web", "hub-0001", true, true)]
    #[case::made_again_by_another_hub(Some("u2"), "/ConfigMap/shop/web", "hub-0002", true, false)]
    #[case::made_again_by_somebody_else(Some("u2"), "/ConfigMap/shop/web", "hub-0001", false, false)]
    #[case::another_uid_and_a_copied_stamp(Some("u2"), "/ConfigMap/shop/origin", "hub-0001", true, false)]
    #[case::stamp_and_entry(None, "/ConfigMap/shop/web", "hub-0001", true, true)]
    #[case::stamp_without_entry(None, "/ConfigMap/shop/web", "hub-0001", false, false)]
    #[case::copied_stamp(None, "/ConfigMap/shop/origin", "hub-0001", true, false)]
    #[case::another_hub(None, "/ConfigMap/shop/web", "hub-0002", true, false)]
    fn an_object_is_ours_by_uid_or_by_stamp_and_entry(
        #[case] recorded: Option<&str>,
        #[case] stamp: &str,
        #[case] hub_id: &str,
        #[case] entry: bool,
        #[case] ours: bool,
    ) {
        let hub = HubIdentity {
            id: "hub-0001".into(),
            manager: "hanse-hub-0001".into(),
        };
        let key = ObjectKey::parse(&GroupKind::new("", "ConfigMap"), "shop", "web").unwrap();
        let managed = if entry {
            json!([{"manager": hub.manager, "operation": "Apply", "fieldsV1": {}}])
        } else {
            json!([{"manager": hub.manager, "operation": "Update", "fieldsV1": {}}])
        };
        let live: Observed = serde_json::from_value(json!({"metadata": {
            "name": "web", "uid": "u1", "managedFields": managed,
            "annotations": {"hanse.dev/object": stamp, "hanse.dev/hub": hub_id}
        }}))
        .unwrap();
        assert_eq!(is_ours(&hub, &key, recorded, &live), ours);
    }
}
