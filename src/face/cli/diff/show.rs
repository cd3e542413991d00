//! Differences as text.

use serde_json::{Map, Value};
use similar::TextDiff;

use super::super::{failure::Failure, output::yaml};
use crate::model::name::ClusterName;

/// A unified diff of what is in a member and what would be; empty when that is the same.
pub(super) fn difference(
    cluster: &ClusterName,
    shown: &str,
    before: Option<&Value>,
    after: Option<&Value>,
) -> Result<String, Failure> {
    let (mut before, mut after) = (before.map(readable), after.map(readable));
    redact(before.as_mut(), after.as_mut());
    if before == after {
        return Ok(String::new());
    }
    let text = |object: Option<&Value>| object.map_or(Ok(String::new()), yaml);
    let (before, after) = (text(before.as_ref())?, text(after.as_ref())?);
    let heads = [
        format!("{cluster}/{shown} (runs)"),
        format!("{cluster}/{shown} (would run)"),
    ];
    Ok(TextDiff::from_lines(before.as_str(), after.as_str())
        .unified_diff()
        .context_radius(3)
        .header(&heads[0], &heads[1])
        .to_string())
}

/// Without what a server writes by itself, and without the hub's marks, which say nothing about what runs.
fn readable(object: &Value) -> Value {
    let mut object = object.clone();
    let Some(fields) = object.as_object_mut() else {
        return object;
    };
    fields.remove("status");
    let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) else {
        return object;
    };
    for field in [
        "managedFields",
        "resourceVersion",
        "uid",
        "generation",
        "creationTimestamp",
        "selfLink",
    ] {
        metadata.remove(field);
    }
    for field in ["labels", "annotations"] {
        let Some(marks) = metadata.get_mut(field).and_then(Value::as_object_mut) else {
            continue;
        };
        // The second holds the whole object once more, a Secret's bytes too.
        marks.retain(|key, _| {
            !key.starts_with("hanse.dev/") && key != "kubectl.kubernetes.io/last-applied-configuration"
        });
        if marks.is_empty() {
            metadata.remove(field);
        }
    }
    object
}

/// A Secret's bytes are never shown: only which of them differ.
fn redact(before: Option<&mut Value>, after: Option<&mut Value>) {
    let is_secret = |object: &Value| {
        object.get("kind").is_some_and(|kind| kind == "Secret")
            && object.get("apiVersion").is_some_and(|version| version == "v1")
    };
    let (mut before, mut after) = (
        before.filter(|object| is_secret(object)),
        after.filter(|object| is_secret(object)),
    );
    for field in ["data", "stringData"] {
        let of = |object: &Option<&mut Value>| -> Map<String, Value> {
            let fields = object.as_ref().and_then(|object| object.get(field));
            fields.and_then(Value::as_object).cloned().unwrap_or_default()
        };
        let (was, is) = (of(&before), of(&after));
        let hide = |object: &mut Option<&mut Value>, other: &Map<String, Value>, word: &str| {
            let fields = object.as_mut().and_then(|object| object.get_mut(field));
            for (key, value) in fields.and_then(Value::as_object_mut).into_iter().flatten() {
                let same = other.get(key).is_none_or(|other| other == value);
                *value = if same {
                    "***".into()
                } else {
                    format!("*** ({word})").into()
                };
            }
        };
        hide(&mut before, &is, "before");
        hide(&mut after, &was, "after");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(before: Option<&Value>, after: Option<&Value>) -> String {
        difference(&"eu-1".parse().unwrap(), "secret/db", before, after).unwrap()
    }

    #[test]
    fn a_secrets_bytes_are_told_apart_and_never_shown() {
        let secret = |data: Value| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, "data": data});
        let text = shown(
            Some(&secret(
                json!({"password": "b25l", "same": "c2FtZQ==", "gone": "Z29uZQ=="}),
            )),
            Some(&secret(
                json!({"password": "dHdv", "same": "c2FtZQ==", "new": "bmV3"}),
            )),
        );
        for bytes in ["b25l", "dHdv", "c2FtZQ==", "Z29uZQ==", "bmV3"] {
            assert!(!text.contains(bytes), "{text}");
        }
        for line in [
            "-  password: '*** (before)'",
            "+  password: '*** (after)'",
            "-  gone: ",
            "+  new: ",
        ] {
            assert!(text.replace('"', "'").contains(line), "{text}");
        }
        assert_eq!(
            shown(
                Some(&secret(json!({"a": "eA=="}))),
                Some(&secret(json!({"a": "eA=="})))
            ),
            ""
        );
    }

    #[test]
    fn what_servers_and_the_hub_write_by_themselves_is_no_difference() {
        let object = |metadata: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "status": {"x": metadata}});
        let text = shown(
            Some(&object(
                json!({"name": "c", "uid": "1", "resourceVersion": "7", "labels": {"hanse.dev/tenant": "a"}}),
            )),
            Some(&object(
                json!({"name": "c", "uid": "2", "managedFields": [], "annotations": {"hanse.dev/intent": "b"}}),
            )),
        );
        assert_eq!(text, "");
        let text = shown(None, Some(&object(json!({"name": "c"}))));
        assert!(
            text.starts_with("--- eu-1/secret/db (runs)\n+++ eu-1/secret/db (would run)\n")
                && text.contains("\n+  name: c"),
            "{text}"
        );
    }
}
