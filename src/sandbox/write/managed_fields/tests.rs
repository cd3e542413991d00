use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::model::schema::Step;
use crate::model::clock::parse_timestamp;
use crate::sandbox::kinds::{Resource, builtin};
use crate::sandbox::write::recorded::thing;

fn at(second: u32) -> Timestamp {
    parse_timestamp(&format!("2026-01-31T12:00:{second:02}Z")).unwrap()
}

fn endpoint(resource: &Resource) -> Endpoint<'_> {
    Endpoint {
        resource,
        version: &resource.versions[0],
        subresource: "",
    }
}

fn config_maps() -> Resource {
    (**builtin().resource("", "configmaps").unwrap()).clone()
}

/// What somebody applies to a ConfigMap.
fn data() -> impl Strategy<Value = Map<String, Value>> {
    proptest::collection::btree_map("[a-e]", "[1-3]", 0..4)
        .prop_map(|data| data.into_iter().map(|(key, value)| (key, value.into())).collect())
}

/// What somebody applies to lists by key, sets, maps and atomic maps.
fn spec() -> impl Strategy<Value = Value> {
    let item = ("[a-c]", proptest::option::of(1..3_i32), proptest::option::of(1..4_i32));
    let items = proptest::collection::btree_map("[a-c]", item, 0..3);
    let set = proptest::collection::btree_set("[x-z]", 0..3);
    let maps = (data(), data());
    (items, set, maps, proptest::option::of(1..9_i32)).prop_map(|(items, set, (tags, whole), count)| {
        let items: Vec<Value> = items
            .into_iter()
            .map(|(name, (_, port, v))| {
                let mut item = json!({"name": name});
                if let Some(port) = port {
                    item["port"] = port.into();
                }
                if let Some(v) = v {
                    item["v"] = v.into();
                }
                item
            })
            .collect();
        let mut spec = json!({"items": items, "set": set, "tags": tags, "whole": whole});
        if let Some(count) = count {
            spec["count"] = count.into();
        }
        spec
    })
}

fn intent(resource: &Resource, field: &str, value: &Value) -> Value {
    json!({
        "apiVersion": resource.api_version("v1"), "kind": *resource.kind,
        "metadata": {"name": "a"}, field: value,
    })
}

/// As the API keeps it.
fn kept(mut object: Value) -> Value {
    metadata_mut(&mut object).insert("uid".to_owned(), "u".into());
    object
}

fn owned(object: &Value) -> Vec<(String, FieldSet)> {
    let owners = Owners::of(Some(object)).0;
    owners.into_iter().map(|owner| (owner.manager, owner.fields)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn applying_twice_is_applying_once(first in spec(), second in spec()) {
        let resource = thing();
        let go = |old: Option<&Value>, value: &Value, by: &str, second| {
            apply(endpoint(&resource), old, &intent(&resource, "spec", value), by, true, at(second)).map(kept)
        };
        let one = go(None, &first, "a", 0).unwrap();
        let two = go(Some(&one), &second, "b", 1).unwrap();
        let mut three = go(Some(&two), &second, "b", 2).unwrap();
        keep_times(&two, &mut three);
        prop_assert_eq!(three, two);
    }

    #[test]
    fn without_force_nobody_takes_what_another_has(first in spec(), second in spec()) {
        let resource = thing();
        let go = |old: Option<&Value>, value: &Value, by: &str| {
            apply(endpoint(&resource), old, &intent(&resource, "spec", value), by, false, at(0)).map(kept)
        };
        let one = go(None, &first, "a").unwrap();
        let before = owned(&one);
        match go(Some(&one), &second, "b") {
            Ok(two) => {
                let after = owned(&two);
                let of = |all: &[(String, FieldSet)]| all.iter().find(|(who, _)| who == "a").cloned();
                prop_assert_eq!(of(&before), of(&after));
            }
            Err(failure) => {
                prop_assert_eq!(failure.code, 409);
                prop_assert!(!failure.details.causes.is_empty());
            }
        }
    }

    #[test]
    fn what_i_alone_own_goes_when_i_leave_it_out(mine in data(), theirs in data()) {
        let resource = config_maps();
        let go = |old: Option<&Value>, data: &Map<String, Value>, by: &str| {
            let intent = intent(&resource, "data", &Value::Object(data.clone()));
            apply(endpoint(&resource), old, &intent, by, true, at(0)).map(kept).unwrap()
        };
        let one = go(None, &mine, "me");
        let two = go(Some(&one), &theirs, "they");
        let three = go(Some(&two), &Map::new(), "me");
        let left = three["data"].as_object().cloned().unwrap_or_default();
        prop_assert_eq!(left, theirs);
    }

    #[test]
    fn an_update_owns_what_it_changed_and_the_owner_before_lost_it(mine in data(), theirs in data()) {
        let resource = config_maps();
        let first = intent(&resource, "data", &Value::Object(mine.clone()));
        let one = kept(apply(endpoint(&resource), None, &first, "me", false, at(0)).unwrap());
        let mut two = one.clone();
        two["data"] = Value::Object(theirs.clone());
        update(endpoint(&resource), Some(&one), &mut two, "they", at(1));
        let all = owned(&two);
        let has = |who: &str, key: &str| {
            let place = [Step::Field("data".to_owned()), Step::Field(key.to_owned())];
            all.iter().any(|(manager, set)| manager == who && set.contains(&place))
        };
        for (key, value) in &theirs {
            let is_kept = mine.get(key) == Some(value);
            prop_assert_eq!(has("me", key), is_kept);
            prop_assert_eq!(has("they", key), !is_kept);
        }
        for key in mine.keys().filter(|key| !theirs.contains_key(*key)) {
            prop_assert!(!has("me", key) && !has("they", key));
        }
    }
}

#[test]
fn the_times_of_managers_stay_when_nothing_else_changed() {
    let resource = config_maps();
    let body = intent(&resource, "data", &json!({"a": "1"}));
    let one = kept(apply(endpoint(&resource), None, &body, "a", false, at(0)).unwrap());
    let mut two = one.clone();
    two["metadata"]["managedFields"][0]["time"] = "2026-01-31T13:00:00Z".into();
    keep_times(&one, &mut two);
    assert_eq!(one, two);
    two["data"]["a"] = "2".into();
    two["metadata"]["managedFields"][0]["time"] = "2026-01-31T13:00:00Z".into();
    let changed = two.clone();
    keep_times(&one, &mut two);
    assert_eq!(two, changed);
}

#[test]
fn old_updates_become_one_entry_when_there_are_too_many() {
    let resource = config_maps();
    let mut object = kept(intent(&resource, "data", &json!({"z": "1"})));
    update(endpoint(&resource), None, &mut object, "creator", at(0));
    for number in 0..14_u32 {
        let old = object.clone();
        object["data"][format!("k{number}")] = "1".into();
        update(endpoint(&resource), Some(&old), &mut object, &format!("m{number:02}"), at(number));
    }
    let managers: Vec<String> = owned(&object).into_iter().map(|(manager, _)| manager).collect();
    assert_eq!(managers.len(), 10);
    assert_eq!(managers[0], "ancient-changes");
}
