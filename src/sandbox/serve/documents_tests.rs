//! Discovery and OpenAPI of the built-in kinds and of a custom one.

use serde_json::{Value, json};

use super::discovery::{self, Root};
use super::openapi;
use crate::sandbox::kinds::{Origin, Registry, Resource, Version, builtin};

fn registry() -> Registry {
    let version = |name: &str| Version {
        name: name.into(),
        schema: None,
        verbs: ["get", "list", "patch"].map(Into::into).to_vec(),
        status: true,
        scale: None,
        others: Vec::new(),
        columns: Vec::new(),
        openapi: Some(std::sync::Arc::new(
            json!({"properties": {"spec": {"type": "object"}}}),
        )),
    };
    builtin().with(Resource {
        group: "shop.dev".into(),
        plural: "carts".into(),
        singular: "cart".into(),
        kind: "Cart".into(),
        list_kind: "CartList".into(),
        short_names: vec!["ct".into()],
        categories: Vec::new(),
        namespaced: true,
        versions: vec![version("v1beta1"), version("v1")],
        storage: "v1".into(),
        origin: Origin::Custom {
            definition: "uid".into(),
        },
    })
}

#[test]
fn versions_are_ranked_as_kubernetes_ranks_them() {
    let mut versions = [
        "v1alpha1", "other", "v2", "v1beta2", "v10", "v1", "v1beta10", "else",
    ];
    versions.sort_by_key(|version| std::cmp::Reverse(Version::rank(version)));
    assert_eq!(
        versions,
        [
            "v10", "v2", "v1", "v1beta10", "v1beta2", "v1alpha1", "else", "other"
        ]
    );
}

#[test]
fn groups_come_in_upstreams_order_and_custom_ones_last() {
    let groups = discovery::legacy_groups(&registry());
    let names: Vec<&str> = groups["groups"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|group| group["name"].as_str())
        .collect();
    assert_eq!(names[..3], ["apiregistration.k8s.io", "apps", "events.k8s.io"]);
    assert_eq!(names.last(), Some(&"shop.dev"));
    let group = discovery::legacy_group(&registry(), "shop.dev").unwrap();
    assert_eq!(group["preferredVersion"]["version"], "v1");
}

#[test]
fn both_forms_of_discovery_tell_of_the_same_subresources() {
    let registry = registry();
    let pods = discovery::legacy_resources(&registry, "", "v1").unwrap();
    let eviction = pods["resources"]
        .as_array()
        .unwrap()
        .iter()
        .find(|resource| resource["name"] == "pods/eviction");
    let expected = json!({
        "name": "pods/eviction", "singularName": "", "namespaced": true,
        "group": "policy", "version": "v1", "kind": "Eviction", "verbs": ["create"],
    });
    assert_eq!(eviction, Some(&expected));
    let all = discovery::aggregated(&registry, Root::Core);
    assert_eq!(all["items"].as_array().unwrap().len(), 1);
    let resources = all["items"][0]["versions"][0]["resources"].as_array().unwrap();
    let pods = resources
        .iter()
        .find(|resource| resource["resource"] == "pods")
        .unwrap();
    let eviction = pods["subresources"]
        .as_array()
        .unwrap()
        .iter()
        .find(|sub| sub["subresource"] == "eviction")
        .unwrap();
    assert_eq!(
        eviction["responseKind"],
        json!({"group": "policy", "version": "v1", "kind": "Eviction"})
    );
    assert_eq!(discovery::legacy_resources(&registry, "apps", "v9"), None);
}

#[test]
fn every_document_of_the_index_is_there_and_refers_to_nothing_outside_it() {
    let registry = registry();
    let index = openapi::index(&registry);
    let paths = index["paths"].as_object().unwrap();
    assert!(paths.contains_key("api/v1") && paths.contains_key("apis/shop.dev/v1"));
    for path in paths.keys() {
        let document = openapi::document(&registry, path).unwrap();
        let schemas = document["components"]["schemas"].as_object().unwrap();
        let mut wanted = Vec::new();
        references(&document, &mut wanted);
        for name in wanted {
            assert!(schemas.contains_key(&name), "{path} has no {name}");
        }
    }
    assert_eq!(openapi::document(&registry, "apis/shop.dev/v2"), None);
}

#[test]
fn a_custom_kind_is_found_by_its_name_and_has_metadata() {
    let document = openapi::document(&registry(), "apis/shop.dev/v1").unwrap();
    let cart = &document["components"]["schemas"]["dev.shop.v1.Cart"];
    let kind = json!({"group": "shop.dev", "version": "v1", "kind": "Cart"});
    assert_eq!(cart["x-kubernetes-group-version-kind"], json!([kind]));
    let meta = "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
    assert_eq!(cart["properties"]["metadata"]["allOf"][0]["$ref"], meta);
    let object = &document["paths"]["/apis/shop.dev/v1/namespaces/{namespace}/carts/{name}"];
    assert_eq!(object["patch"]["x-kubernetes-group-version-kind"], kind);
    assert_eq!(
        object["patch"]["requestBody"]["content"]["application/strategic-merge-patch+json"],
        Value::Null
    );
}

#[test]
fn the_index_moves_when_a_schema_does_and_only_there() {
    let before = openapi::index(&registry());
    let mut cart = (**registry().resource("shop.dev", "carts").unwrap()).clone();
    cart.versions[1].openapi = Some(std::sync::Arc::new(json!({"properties": {}})));
    let after = openapi::index(&registry().with(cart));
    let moved = |path: &str| before["paths"][path] != after["paths"][path];
    assert_eq!(
        [
            moved("apis/shop.dev/v1"),
            moved("apis/shop.dev/v1beta1"),
            moved("api/v1")
        ],
        [true, false, false]
    );
}

fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                match value.as_str() {
                    Some(text) if field == "$ref" => {
                        found.push(text.rsplit('/').next().unwrap().to_owned());
                    }
                    _ => references(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}
