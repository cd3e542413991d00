use rstest::rstest;
use serde_json::{Value, json};

use super::{GROUP, PLURAL, run, validate};
use crate::model::clock::Clock;
use crate::sandbox::access::Access;
use crate::sandbox::api::{DeleteOptions, Selection, Server, Target};
use crate::sandbox::failure::Failure;
use crate::sandbox::kinds::{self, Resource};
use crate::sandbox::object::{Object, is_deleting, name};
use crate::sandbox::store::Store;
use crate::sandbox::task::Tasks;
use crate::sandbox::write::Writer;

const OWN: [&str; 5] = [
    include_str!("../../../manifests/crds/clusters.hanse.dev.yaml"),
    include_str!("../../../manifests/crds/clusterpropagationpolicies.hanse.dev.yaml"),
    include_str!("../../../manifests/crds/propagationpolicies.hanse.dev.yaml"),
    include_str!("../../../manifests/crds/tenants.hanse.dev.yaml"),
    include_str!("../../../manifests/crds/workloadbindings.hanse.dev.yaml"),
];

/// A server and the actor.
struct World {
    server: Server,
    writer: Writer,
    tasks: Tasks,
}

impl Drop for World {
    fn drop(&mut self) {
        self.tasks.cancel();
    }
}

impl World {
    fn new() -> Self {
        let store = Store::default();
        let clock = Clock::system();
        let access = Access::new(store.clone(), clock.clone());
        let world = Self {
            server: Server::new(store, kinds::builtin(), clock, access),
            writer: Writer::controller("test"),
            tasks: Tasks::default(),
        };
        world.tasks.spawn(run(world.server.clone()));
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}});
        world.create("", "namespaces", "", namespace).unwrap();
        world
    }

    fn target(&self, group: &str, plural: &str, namespace: &str, name: &str) -> Option<Target> {
        self.server.target(group, plural, namespace, name)
    }

    fn create(&self, group: &str, plural: &str, namespace: &str, object: Value) -> Result<Object, Failure> {
        let target = self.target(group, plural, namespace, "").expect("a kind");
        self.server
            .create(&self.writer, &target, object)
            .map(|written| written.object)
    }

    fn define(&self, definition: Value) -> Result<Object, Failure> {
        self.create(GROUP, PLURAL, "", definition)
    }

    fn definition(&self, name: &str) -> Option<Object> {
        let target = self.target(GROUP, PLURAL, "", name)?;
        self.server.get(&target).ok()
    }

    /// Until the actor has nothing to do.
    async fn settle(&self) {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
}

/// A namespaced kind of `example.com`.
fn widgets(plural: &str, kind: &str, short: &[&str]) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.example.com")},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"plural": plural, "kind": kind, "shortNames": short},
            "versions": [
                {"name": "v1alpha1", "served": true, "storage": false, "schema": {"openAPIV3Schema": {"type": "object"}}},
                {"name": "v1", "served": true, "storage": true,
                 "subresources": {"status": {}, "scale": {
                    "specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas",
                    "labelSelectorPath": ".status.selector"}},
                 "additionalPrinterColumns": [{"name": "Replicas", "type": "integer", "jsonPath": ".spec.replicas"}],
                 "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "spec": {"type": "object", "properties": {"replicas": {"type": "integer", "default": 1}}},
                    "status": {"type": "object", "properties": {"replicas": {"type": "integer"}}}}}}},
            ],
        },
    })
}

fn conditions(definition: &Value) -> Vec<String> {
    let conditions = definition["status"]["conditions"].as_array().unwrap();
    let shown = conditions.iter().map(|one| {
        let part = |field: &str| one[field].as_str().unwrap();
        format!(
            "{}={} {}: {}",
            part("type"),
            part("status"),
            part("reason"),
            part("message")
        )
    });
    shown.collect()
}

#[tokio::test(start_paused = true)]
async fn our_own_kinds_are_established_with_all_their_rules() {
    let world = World::new();
    for definition in OWN {
        let definition: Value = serde_saphyr::from_str(definition).unwrap();
        let mut complete = definition.clone();
        super::complete(&mut complete);
        assert_eq!(validate(&complete, None), []);
        world.define(definition).unwrap();
    }
    world.settle().await;
    for plural in [
        "clusters",
        "clusterpropagationpolicies",
        "propagationpolicies",
        "tenants",
        "workloadbindings",
    ] {
        let definition = world.definition(&format!("{plural}.hanse.dev")).unwrap();
        assert_eq!(
            conditions(&definition),
            [
                "NamesAccepted=True NoConflicts: no conflicts found",
                "Established=True InitialNamesAccepted: the initial names have been accepted"
            ]
        );
        assert_eq!(definition["status"]["storedVersions"], json!(["v1alpha1"]));
        let target = world.target("hanse.dev", plural, "", "").expect(plural);
        assert!(target.served().unwrap().schema.is_some());
    }
    let kind = world
        .server
        .kinds()
        .resource("hanse.dev", "clusters")
        .cloned()
        .unwrap();
    assert_eq!(
        (&*kind.kind, &*kind.list_kind, kind.namespaced),
        ("Cluster", "ClusterList", false)
    );
    assert_eq!(
        (kind.short_names.clone(), kind.categories.clone()),
        (vec!["cl".into()], vec!["hanse".into()])
    );
    assert_eq!(kind.versions[0].columns.len(), 8);
}

#[tokio::test(start_paused = true)]
async fn a_kind_has_its_versions_and_endpoints_and_changes_with_its_definition() {
    let world = World::new();
    world.define(widgets("widgets", "Widget", &["wd"])).unwrap();
    world.settle().await;
    let kind = || {
        world
            .server
            .kinds()
            .resource("example.com", "widgets")
            .cloned()
            .unwrap()
    };
    let versions = |kind: &Resource| {
        kind.versions
            .iter()
            .map(|one| one.name.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(versions(&kind()), ["v1", "v1alpha1"], "the preferred comes first");
    let v1 = kind().version("v1").unwrap().clone();
    let scale = v1.scale.unwrap();
    assert_eq!(
        (scale.replicas.as_str(), scale.selector.as_deref()),
        ("/spec/replicas", Some("/status/selector"))
    );
    assert!(v1.status && !kind().version("v1alpha1").unwrap().status);

    let target = world.target(GROUP, PLURAL, "", "widgets.example.com").unwrap();
    let change = |definition: &Value| {
        let mut new = definition.clone();
        new["spec"]["versions"][0]["served"] = false.into();
        Some(new)
    };
    world.server.update_with(&world.writer, &target, change).unwrap();
    world.settle().await;
    assert_eq!(versions(&kind()), ["v1"]);
}

#[tokio::test(start_paused = true)]
async fn a_leaving_definition_waits_for_its_objects() {
    let world = World::new();
    world.define(widgets("widgets", "Widget", &[])).unwrap();
    world.settle().await;
    for (name, finalizers) in [("free", json!([])), ("held", json!(["example.com/hold"]))] {
        let widget = json!({"apiVersion": "example.com/v1", "kind": "Widget",
            "metadata": {"name": name, "finalizers": finalizers}});
        world.create("example.com", "widgets", "shop", widget).unwrap();
    }
    let definition = world.target(GROUP, PLURAL, "", "widgets.example.com").unwrap();
    let left = world
        .server
        .delete(&world.writer, &definition, &DeleteOptions::default())
        .unwrap();
    assert!(!left.gone);
    world.settle().await;
    let widgets = world.target("example.com", "widgets", "shop", "").unwrap();
    let names = |objects: Vec<Object>| objects.iter().map(|one| name(one).to_owned()).collect::<Vec<_>>();
    assert_eq!(names(world.server.list(&widgets).0), ["held"]);
    let waiting = world.definition("widgets.example.com").unwrap();
    assert!(is_deleting(&waiting));
    let says = "Terminating=True InstanceDeletionInProgress: CustomResource deletion is in progress";
    assert!(conditions(&waiting).contains(&says.to_owned()));

    let release = |widget: &Value| {
        let mut new = widget.clone();
        new["metadata"]["finalizers"] = json!([]);
        Some(new)
    };
    world
        .server
        .update_with(&world.writer, &widgets.named("held"), release)
        .unwrap();
    world.settle().await;
    assert!(world.definition("widgets.example.com").is_none());
    assert!(world.target("example.com", "widgets", "shop", "").is_none());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_at_rest() {
    let world = World::new();
    world.define(widgets("widgets", "Widget", &[])).unwrap();
    world.settle().await;
    let revision = world.server.store().revision();
    tokio::time::sleep(std::time::Duration::from_hours(1)).await;
    assert_eq!(world.server.store().revision(), revision);
}

/// A kind with one of everything a schema can demand.
fn demanding() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced", "names": {"plural": "things", "kind": "Thing"},
            "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "selectableFields": [{"jsonPath": ".spec.mode"}],
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "spec": {"type": "object", "required": ["mode"], "properties": {
                        "mode": {"type": "string", "enum": ["A", "B"]},
                        "size": {"type": "integer", "minimum": 1, "maximum": 9, "default": 3},
                        "code": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 3},
                        "list": {"type": "array", "maxItems": 1, "items": {"type": "string"}},
                        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
                      "x-kubernetes-validations": [
                        {"rule": "!has(self.code) || self.mode == 'A'", "message": "code needs mode A",
                         "reason": "FieldValueForbidden"},
                        {"rule": "self.size >= oldSelf.size", "message": "size never falls", "fieldPath": ".size"}]},
                    "status": {"type": "object", "properties": {"seen": {"type": "integer"}}}}}},
            }],
        },
    })
}

#[expect(clippy::needless_pass_by_value, reason = "its values are made on the spot")]
fn thing(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": name}, "spec": spec})
}

#[rstest]
#[case(json!({}), true, "spec.mode: Required value")]
#[case(json!({"mode": null}), true, "spec.mode: Required value")]
#[case(json!({"mode": "C"}), true, r#"spec.mode: Unsupported value: "C": supported values: "A", "B""#)]
#[case(json!({"mode": "A", "code": "abcd"}), true, "spec.code: Too long: may not be more than 3 bytes")]
#[case(json!({"mode": "A", "list": ["a", "b"]}), true, "spec.list: Too many: 2: must have at most 1 item")]
#[case(json!({"mode": "A", "list": [7]}), true,
    r#"spec.list[0]: Invalid value: "integer": spec.list[0] in body must be of type string: "integer""#)]
#[case(json!({"mode": "A", "size": 0}), false,
    "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1")]
#[case(json!({"mode": "A", "code": "X"}), false,
    r#"spec.code: Invalid value: "X": spec.code in body should match '^[a-z]+$'"#)]
#[case(json!({"mode": "B", "code": "abc"}), false, "spec: Forbidden: code needs mode A")]
#[tokio::test(start_paused = true)]
async fn an_object_that_does_not_fit_is_refused_in_upstreams_words(
    #[case] spec: Value,
    #[case] unchecked: bool,
    #[case] words: &str,
) {
    let world = World::new();
    world.define(demanding()).unwrap();
    world.settle().await;
    let failure = world
        .create("example.com", "things", "shop", thing("a", spec))
        .unwrap_err();
    assert_eq!((failure.code, failure.reason), (422, "Invalid"));
    let words = if unchecked {
        format!("[{words}, <nil>: {}]", super::judge::UNCHECKED)
    } else {
        words.to_owned()
    };
    assert_eq!(
        failure.message,
        format!("Thing.example.com \"a\" is invalid: {words}")
    );
}

#[tokio::test(start_paused = true)]
async fn an_object_is_pruned_defaulted_and_compared_with_its_past() {
    let world = World::new();
    world.define(demanding()).unwrap();
    world.settle().await;
    let spec = json!({"mode": "A", "colour": "red", "free": {"any": 1}});
    let made = world
        .create("example.com", "things", "shop", thing("a", spec))
        .unwrap();
    assert_eq!(made["spec"], json!({"mode": "A", "size": 3, "free": {"any": 1}}));
    assert_eq!(made["metadata"]["generation"], 1);

    let target = world.target("example.com", "things", "shop", "a").unwrap();
    let change = |at: &'static str, value: Value| {
        move |thing: &Value| {
            let mut new = thing.clone();
            new[at] = value.clone();
            Some(new)
        }
    };
    let smaller = change("spec", json!({"mode": "A", "size": 2}));
    let failure = world
        .server
        .update_with(&world.writer, &target, smaller)
        .unwrap_err();
    let words = r#"Thing.example.com "a" is invalid: spec.size: Invalid value: size never falls"#;
    assert_eq!(failure.message, words);

    let status = target.at("status");
    let seen = change("status", json!({"seen": 7}));
    let written = world.server.update_with(&world.writer, &status, seen).unwrap();
    assert_eq!(
        (&written["status"], &written["metadata"]["generation"]),
        (&json!({"seen": 7}), &json!(1))
    );
    let ignored = change("status", json!({"seen": 8}));
    let written = world.server.update_with(&world.writer, &target, ignored).unwrap();
    assert_eq!(written["status"], json!({"seen": 7}));

    let selected = |fields: &str| {
        let selection = Selection::parse(&target.named(""), "", fields)?;
        Ok::<usize, Failure>(world.server.select(&target.named(""), &selection).0.len())
    };
    assert_eq!(selected("spec.mode=A").unwrap(), 1);
    assert_eq!(selected("spec.mode=B").unwrap(), 0);
    assert_eq!(selected("spec.size=3").unwrap_err().code, 400);
}

#[rstest]
#[case::name("/metadata/name", json!("gadgets"), r#"metadata.name: Invalid value: "gadgets": must be spec.names.plural+"."+spec.group"#)]
#[case::scope("/spec/scope", json!("World"), r#"spec.scope: Unsupported value: "World": supported values: "Cluster", "Namespaced""#)]
#[case::storage("/spec/versions/0/storage", json!(true), "must have exactly one version marked as storage version")]
#[case::no_type("/spec/versions/1/schema/openAPIV3Schema/properties/spec", json!({}),
    "spec.versions[1].schema.openAPIV3Schema.properties[spec].type: Required value: must not be empty for specified object fields")]
#[case::no_items("/spec/versions/1/schema/openAPIV3Schema/properties/spec", json!({"type": "array"}),
    "spec.versions[1].schema.openAPIV3Schema.properties[spec].items: Required value: must be specified")]
#[case::two_ways("/spec/versions/1/schema/openAPIV3Schema/properties/spec",
    json!({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": {"type": "string"}}),
    "spec.versions[1].schema.openAPIV3Schema.properties[spec].additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive")]
#[case::map_without_keys("/spec/versions/1/schema/openAPIV3Schema/properties/spec",
    json!({"type": "array", "x-kubernetes-list-type": "map", "items": {"type": "object"}}),
    "spec.versions[1].schema.openAPIV3Schema.properties[spec].x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map")]
#[case::rule("/spec/versions/1/schema/openAPIV3Schema/properties/spec",
    json!({"type": "object", "x-kubernetes-validations": [{"rule": "self.a +"}]}), "compilation failed")]
fn a_wrong_definition_is_refused_in_upstreams_words(
    #[case] at: &str,
    #[case] value: Value,
    #[case] words: &str,
) {
    let mut definition = widgets("widgets", "Widget", &[]);
    super::complete(&mut definition);
    assert_eq!(validate(&definition, None), []);
    *definition.pointer_mut(at).unwrap() = value;
    let causes = validate(&definition, None);
    let failure = Failure::invalid(GROUP, "CustomResourceDefinition", name(&definition), causes);
    assert!(failure.message.contains(words), "{}", failure.message);
}

#[tokio::test(start_paused = true)]
async fn an_established_kind_keeps_its_name_scope_and_stored_versions() {
    let world = World::new();
    world.define(widgets("widgets", "Widget", &[])).unwrap();
    world.settle().await;
    let target = world.target(GROUP, PLURAL, "", "widgets.example.com").unwrap();
    let refused = |at: &str, value: Value| {
        let change = |definition: &Value| {
            let mut new = definition.clone();
            *new.pointer_mut(at).unwrap() = value.clone();
            Some(new)
        };
        let failure = world
            .server
            .update_with(&world.writer, &target, change)
            .unwrap_err();
        failure.message
    };
    let words = refused("/spec/scope", json!("Cluster"));
    assert!(
        words.contains(r#"spec.scope: Invalid value: "Cluster": field is immutable"#),
        "{words}"
    );
    let words = refused("/spec/versions/1/name", json!("v2"));
    assert!(
        words.contains("status.storedVersions[0]: Invalid value: \"v1\": missing from spec.versions"),
        "{words}"
    );
}
