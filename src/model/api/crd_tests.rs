use std::path::Path;

use rstest::rstest;
use serde_json::{Value, json};

use super::super::{not_implemented, reason};
use super::*;

/// Compares a generated file with what is checked in; with `HANSE_UPDATE` set it is written instead.
fn assert_current(path: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("HANSE_UPDATE").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, text).unwrap();
    }
    let checked_in = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(checked_in == text, "{path} is stale: run `make crds`");
}

#[test]
fn the_published_crds_are_current() {
    for crd in crds() {
        let path = format!("manifests/crds/{}.yaml", crd.metadata.name.as_deref().unwrap());
        assert_current(&path, &render(&crd).unwrap());
    }
}

#[test]
fn the_reference_of_conditions_and_reasons_is_current() {
    assert_current("docs/reference/reasons.md", &reason::reference());
}

#[test]
fn every_rule_and_refusal_finds_its_field() {
    for mut crd in crds() {
        let kind = crd.spec.names.kind.clone();
        let schema = crd.spec.versions[0]
            .schema
            .as_mut()
            .unwrap()
            .open_api_v3_schema
            .as_mut()
            .unwrap();
        let paths = refusals(&kind)
            .iter()
            .map(|r| r.path)
            .chain(rules(&kind).iter().map(|r| r.path));
        for path in paths.chain(["status.conditions"]) {
            assert!(field_mut(schema, path).is_some(), "{kind} {path}");
        }
    }
}

#[test]
fn every_field_of_every_kind_is_explained() {
    fn undescribed(schema: &JSONSchemaProps, path: &str, found: &mut Vec<String>) {
        for (name, field) in schema.properties.iter().flatten() {
            let path = format!("{path}.{name}");
            if field.description.is_none() && path != ".metadata" {
                found.push(path.clone());
            }
            undescribed(field, &path, found);
        }
        if let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items {
            undescribed(items, &format!("{path}[]"), found);
        }
    }
    for crd in crds() {
        let schema = crd.spec.versions[0]
            .schema
            .clone()
            .unwrap()
            .open_api_v3_schema
            .unwrap();
        let mut found = Vec::new();
        undescribed(&schema, "", &mut found);
        assert!(found.is_empty(), "{}: {found:?}", crd.spec.names.kind);
    }
}

#[test]
fn no_schema_writes_defaults_into_peoples_objects() {
    for crd in crds() {
        let text = render(&crd).unwrap();
        assert!(
            !text.contains("default:") && !text.contains("nullable:"),
            "{}",
            crd.spec.names.kind
        );
    }
}

#[rstest]
#[case("Cluster", json!({"spec": {"connection": {"kubeconfigSecret": {}}, "cordoned": false, "taints": []}}), &[])]
#[case("Cluster", json!({"spec": {"connection": {"agent": {}}, "cordoned": true}}), &[
    ("/spec/connection/agent", "spec.connection.agent is not implemented yet"),
])]
#[case("PropagationPolicy", json!({"spec": {"conflict": "Adopt"}}), &[])]
fn what_is_not_implemented_is_found_offline_with_the_words_of_the_api_server(
    #[case] kind: &str,
    #[case] object: Value,
    #[case] expected: &[(&str, &str)],
) {
    let found = not_implemented(kind, &object);
    let found: Vec<_> = found
        .iter()
        .map(|f| (f.pointer.as_str(), f.message.as_str()))
        .collect();
    assert_eq!(found, expected);
}
