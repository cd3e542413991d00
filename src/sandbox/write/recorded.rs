//! The answers of the real server (`make builtin`), played against this room.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::model::clock::{Timestamp, parse_timestamp};
use crate::model::schema::Schemas;
use crate::sandbox::failure::Failure;
use crate::sandbox::kinds::{Origin, builtin};
use crate::sandbox::object::{self, metadata_mut};

#[path = "../../../examples/builtin/still.rs"]
mod stilled;

const RECORDED: &str = include_str!("recorded.json");
const THING: &str = include_str!("../../../examples/builtin/thing.yaml");

/// Answers that differ, and why: by session and step.
const KNOWN: &[(&str, usize, &str)] = &[(
    "a custom kind",
    12,
    "upstream judges the properties of an object in any order, so the message's causes come in any",
)];

fn recorded() -> Value {
    serde_json::from_str(RECORDED).unwrap()
}

fn now() -> Timestamp {
    parse_timestamp("2026-01-31T12:00:00Z").unwrap()
}

/// The custom kind of the sessions.
pub(super) fn thing() -> Resource {
    let definition: Value = serde_saphyr::from_str(THING).unwrap();
    let schemas = Schemas::from_crd(&definition).unwrap();
    let registry = builtin();
    let model = registry.resource("apps", "deployments").unwrap();
    let version = Version {
        schema: schemas.kind("example.com", "v1", "Thing"),
        ..model.versions[0].clone()
    };
    Resource {
        group: "example.com".into(),
        plural: "things".into(),
        singular: "thing".into(),
        kind: "Thing".into(),
        list_kind: "ThingList".into(),
        versions: vec![version],
        origin: Origin::Custom {
            definition: "uid".into(),
        },
        ..(**model).clone()
    }
}

/// As it is compared.
fn still(answer: Value) -> Value {
    let mut answer = stilled::still(answer);
    tidy(&mut answer);
    answer
}

/// Go shows some absent fields as null and says nothing of an empty list; causes come in any order.
fn tidy(answer: &mut Value) {
    match answer {
        Value::Object(fields) => {
            fields.values_mut().for_each(tidy);
            fields.retain(|name, value| !(value.is_null() || name == "details" && *value == json!({})));
            if let Some(causes) = fields.get_mut("causes").and_then(Value::as_array_mut) {
                causes.sort_by_key(|cause| cause["field"].to_string());
                fields.remove("message");
            }
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// As the API would do it, without a store.
struct Play {
    resource: Resource,
    object: Option<Value>,
}

impl Play {
    fn step(&mut self, name: &str, step: &Value) -> Result<Value, Failure> {
        let resource = self.resource.clone();
        let version = &resource.versions[0];
        let endpoint = Endpoint {
            resource: &resource,
            version,
            subresource: step["at"].as_str().unwrap_or_default(),
        };
        let manager = step["by"].as_str().unwrap();
        let mut body = step["body"].clone();
        let deed = step["do"].as_str().unwrap();
        if matches!(deed, "create" | "apply" | "replace") {
            let mut whole =
                json!({"apiVersion": endpoint.api_version(), "kind": *resource.kind, "metadata": {}});
            for (field, value) in body.as_object().unwrap() {
                whole[field] = value.clone();
            }
            whole["metadata"]["name"] = name.into();
            body = whole;
        }
        let old = self.object.clone();
        let mut new = match deed {
            "create" => {
                let (mut new, _) = decode(&resource, version, body, FieldValidation::Strict)?;
                default_fields(&resource, version, &mut new);
                managed_fields::update(endpoint, None, &mut new, manager, now());
                new
            }
            "apply" => apply(
                endpoint,
                old.as_ref(),
                &body,
                manager,
                step["force"] == true,
                now(),
            )?,
            _ => {
                let old = old.clone().unwrap();
                let words = match deed {
                    "merge" => Patch::Merge(body),
                    "strategic" => Patch::Strategic(body),
                    _ => Patch::Json(body),
                };
                let new = patch(&resource, version, &old, &words)?;
                let (mut new, _) = decode_patched(&resource, version, new, FieldValidation::Ignore)?;
                default_fields(&resource, version, &mut new);
                managed_fields::update(endpoint, Some(&old), &mut new, manager, now());
                new
            }
        };
        if let Some(old) = &old {
            prepare_update(endpoint, old, &mut new);
        } else {
            prepare_create(endpoint, &mut new);
            let metadata = metadata_mut(&mut new);
            metadata.insert("uid".to_owned(), "u".into());
            metadata.insert("creationTimestamp".to_owned(), "2026-01-31T12:00:00Z".into());
        }
        let change = Change {
            resource: &resource,
            version,
            subresource: endpoint.subresource,
            old: old.as_ref(),
            new: &new,
        };
        let causes = validate(&change);
        if !causes.is_empty() {
            return Err(Failure::invalid(&resource.group, &resource.kind, name, causes));
        }
        let is_deleted = object::is_deleting(&new);
        self.object = (!is_deleted).then(|| new.clone());
        Ok(new)
    }
}

fn kind(name: &str) -> Resource {
    let registry = builtin();
    let found = registry.all().find(|resource| *resource.kind == *name);
    found.map_or_else(thing, |resource| (**resource).clone())
}

#[test]
fn sessions_are_answered_as_the_real_server_answers_them() {
    let recorded = recorded();
    let mut differences = BTreeMap::new();
    for (number, session) in recorded["sessions"].as_array().unwrap().iter().enumerate() {
        let name = session["name"].as_str().unwrap();
        let mut play = Play {
            resource: kind(session["kind"].as_str().unwrap()),
            object: None,
        };
        for (at, step) in session["steps"].as_array().unwrap().iter().enumerate() {
            let answer = match play.step(&format!("session-{number}"), step) {
                Ok(object) => still(object),
                Err(failure) => still(failure.status()),
            };
            let expected = still(step["answer"].clone());
            let is_known = KNOWN
                .iter()
                .any(|(session, step, _)| *session == name && *step == at);
            if answer != expected && !is_known {
                let place = format!("{name}, step {at}: {} by {}", step["do"], step["by"]);
                differences.insert(place, (expected, answer));
            }
        }
    }
    let shown: Vec<String> = differences
        .iter()
        .map(|(place, (real, ours))| format!("{place}\n{}", diff(real, ours)))
        .collect();
    assert!(shown.is_empty(), "{} differ\n{}", shown.len(), shown.join("\n"));
}

#[test]
fn probes_get_the_defaults_that_the_real_server_gives() {
    let mut shown = Vec::new();
    for probe in recorded()["probes"].as_array().unwrap() {
        let sent = &probe["sent"];
        let registry = builtin();
        let resource = registry
            .all()
            .find(|resource| {
                *resource.kind == *sent["kind"].as_str().unwrap()
                    && resource.api_version(&resource.storage) == sent["apiVersion"]
            })
            .unwrap();
        let mut play = Play {
            resource: (**resource).clone(),
            object: None,
        };
        let step = json!({"do": "create", "by": "probe", "body": sent});
        let name = sent["metadata"]["name"].as_str().unwrap();
        let answer = match play.step(name, &step) {
            Ok(object) => still(object),
            Err(failure) => still(failure.status()),
        };
        let (ours, real) = (bare(answer), bare(still(probe["answer"].clone())));
        if ours != real {
            shown.push(format!("{} {name}\n{}", sent["kind"], diff(&real, &ours)));
        }
    }
    assert!(shown.is_empty(), "{} differ\n{}", shown.len(), shown.join("\n"));
}

/// Without what allocation and admission add, which are other rooms'.
fn bare(mut answer: Value) -> Value {
    let fields = answer.as_object_mut().unwrap();
    match fields["kind"].as_str().unwrap() {
        "Job" => {
            fields["spec"].as_object_mut().unwrap().remove("selector");
            for key in [
                "batch.kubernetes.io/controller-uid",
                "batch.kubernetes.io/job-name",
                "controller-uid",
                "job-name",
            ] {
                for place in ["/spec/template/metadata/labels", "/metadata/labels"] {
                    let place = answer.pointer_mut(place).and_then(Value::as_object_mut);
                    place.map(|labels| labels.remove(key));
                }
            }
            for place in ["/spec/template/metadata", "/metadata"] {
                let place = answer.pointer_mut(place).and_then(Value::as_object_mut).unwrap();
                place.retain(|name, value| name != "labels" || *value != json!({}));
            }
        }
        "PersistentVolume" | "PersistentVolumeClaim" => {
            fields["metadata"].as_object_mut().unwrap().remove("finalizers");
            fields["status"]
                .as_object_mut()
                .unwrap()
                .remove("lastPhaseTransitionTime");
        }
        "CustomResourceDefinition" => {
            fields["status"].as_object_mut().unwrap().remove("storedVersions");
        }
        // Go leaves the list out of an object that has none, though the schema requires it.
        "ValidatingAdmissionPolicyBinding" => {
            fields["metadata"]
                .as_object_mut()
                .unwrap()
                .remove("managedFields");
        }
        "Node" => {
            fields["spec"].as_object_mut().unwrap().remove("taints");
        }
        _ => {}
    }
    answer
}

/// The places where two values differ.
fn diff(real: &Value, ours: &Value) -> String {
    let mut lines = Vec::new();
    walk("", Some(real), Some(ours), &mut lines);
    lines.join("\n")
}

fn walk(place: &str, real: Option<&Value>, ours: Option<&Value>, lines: &mut Vec<String>) {
    match (real, ours) {
        (Some(real), Some(ours)) if real == ours => {}
        (Some(Value::Object(real)), Some(Value::Object(ours))) => {
            let keys: std::collections::BTreeSet<&String> = real.keys().chain(ours.keys()).collect();
            for key in keys {
                walk(&format!("{place}/{key}"), real.get(key), ours.get(key), lines);
            }
        }
        (Some(Value::Array(real)), Some(Value::Array(ours))) => {
            for index in 0..real.len().max(ours.len()) {
                walk(
                    &format!("{place}/{index}"),
                    real.get(index),
                    ours.get(index),
                    lines,
                );
            }
        }
        (real, ours) => {
            let text = |value: Option<&Value>| value.map_or("nothing".to_owned(), Value::to_string);
            lines.push(format!("  {place}: real {} ours {}", text(real), text(ours)));
        }
    }
}
