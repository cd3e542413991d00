//! Requests and their answers, as a client sees them.

use std::time::Duration;

use futures::FutureExt as _;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Bytes;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::model::clock::{Clock, parse_timestamp};
use crate::sandbox::access::{Access, Subject};
use crate::sandbox::kinds::builtin;
use crate::sandbox::store::Store;

struct World {
    http: Http,
    token: String,
}

fn world() -> World {
    let clock = Clock::fixed(parse_timestamp("2026-01-31T12:00:00Z").unwrap());
    let store = Store::default();
    let access = Access::new(store.clone(), clock.clone());
    let admin = Subject::User {
        name: "admin".to_owned(),
        groups: vec!["system:masters".to_owned(), "system:authenticated".to_owned()],
    };
    let token = access.issue(&admin, &[], Duration::from_hours(1)).text;
    let server = Server::new(store, builtin(), clock, access.clone());
    World {
        http: Http::new(server),
        token,
    }
}

impl World {
    async fn with_namespace(self) -> Self {
        for namespace in ["shop", "other"] {
            let body = json!({"metadata": {"name": namespace}});
            assert_eq!(self.ask("POST /api/v1/namespaces", body).await.0, 201);
        }
        let account = json!({"metadata": {"name": "default"}});
        assert_eq!(
            self.ask("POST /api/v1/namespaces/shop/serviceaccounts", account)
                .await
                .0,
            201
        );
        self
    }

    fn raw(&self, line: &str, body: &Value, accept: &str) -> Response<Body> {
        let (method, path) = line.split_once(' ').unwrap();
        let (method, content) = match method {
            "APPLY" => ("PATCH", "application/apply-patch+yaml"),
            "MERGE" => ("PATCH", "application/merge-patch+json"),
            other => (other, "application/json"),
        };
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(AUTHORIZATION, format!("Bearer {}", self.token))
            .header(CONTENT_TYPE, content)
            .header(ACCEPT, accept)
            .body(Bytes::from(body))
            .unwrap();
        self.http.answer(request)
    }

    async fn ask(&self, line: &str, body: Value) -> (u16, Value) {
        let answer = self.raw(line, &body, "application/json");
        let code = answer.status().as_u16();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into());
        (code, body)
    }

    fn watch(&self, path: &str) -> Lines {
        let answer = self.raw(&format!("GET {path}"), &Value::Null, "application/json");
        assert_eq!(answer.status(), 200);
        Lines {
            body: answer.into_body(),
            ready: Vec::new(),
        }
    }
}

struct Lines {
    body: Body,
    ready: Vec<Value>,
}

impl Lines {
    async fn next(&mut self) -> Option<Value> {
        if self.ready.is_empty() {
            let frame = self.body.frame().await?.unwrap().into_data().unwrap();
            let lines = frame.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            self.ready = lines.map(|line| serde_json::from_slice(line).unwrap()).collect();
            assert!(frame.starts_with(b"{\"type\":"));
        }
        Some(self.ready.remove(0))
    }

    /// `ADDED web`
    async fn word(&mut self) -> String {
        let line = self.next().await.unwrap();
        let name = line["object"]["metadata"]["name"].as_str().unwrap_or_default();
        format!("{} {name}", line["type"].as_str().unwrap())
    }
}

fn configmap(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "1"}})
}

const MAPS: &str = "/api/v1/namespaces/shop/configmaps";

#[rstest]
#[case::no_such_object("GET /api/v1/namespaces/shop/configmaps/web", json!(null), 404, "NotFound", "configmaps \"web\" not found")]
#[case::no_such_kind("GET /apis/apps/v1/namespaces/shop/gadgets", json!(null), 404, "NotFound", "the server could not find the requested resource")]
#[case::no_such_path("GET /nowhere", json!(null), 404, "", "")]
#[case::no_such_namespace(
    "POST /api/v1/namespaces/gone/configmaps",
    configmap("web"),
    404,
    "NotFound",
    "namespaces \"gone\" not found"
)]
#[case::there_already("POST /api/v1/namespaces", json!({"metadata": {"name": "shop"}}), 409, "AlreadyExists", "namespaces \"shop\" already exists")]
#[case::another_namespace("POST /api/v1/namespaces/shop/configmaps", json!({"metadata": {"name": "a", "namespace": "other"}}), 400, "BadRequest", "the namespace of the provided object does not match the namespace sent on the request")]
#[case::another_version("POST /api/v1/namespaces/shop/configmaps", json!({"apiVersion": "v2", "kind": "ConfigMap", "metadata": {"name": "a"}}), 400, "BadRequest", "the API version in the data (v2) does not match the expected API version (v1)")]
#[case::another_name(
    "PUT /api/v1/namespaces/shop/configmaps/b",
    configmap("a"),
    400,
    "BadRequest",
    "the name of the object (a) does not match the name on the URL (b)"
)]
#[case::made_with_a_revision("POST /api/v1/namespaces/shop/configmaps", json!({"metadata": {"name": "a", "resourceVersion": "5"}}), 500, "", "resourceVersion should not be set on objects to be created")]
#[case::replaced_before_made(
    "PUT /api/v1/namespaces/shop/configmaps/a",
    configmap("a"),
    404,
    "NotFound",
    "configmaps \"a\" not found"
)]
#[case::no_such_verb(
    "POST /api/v1/namespaces/shop/configmaps/a",
    configmap("a"),
    405,
    "MethodNotAllowed",
    "the server does not allow this method on the requested resource"
)]
#[case::immortal("DELETE /api/v1/namespaces/kube-system", json!(null), 403, "Forbidden", "namespaces \"kube-system\" is forbidden: this namespace may not be deleted")]
#[case::unknown_field("GET /api/v1/namespaces/shop/pods?fieldSelector=spec.x%3D1", json!(null), 400, "BadRequest", "field label not supported: spec.x")]
#[case::a_match_without_revision("GET /api/v1/pods?resourceVersionMatch=Exact", json!(null), 422, "Invalid", "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided")]
#[case::from_the_future("GET /api/v1/pods?resourceVersion=99", json!(null), 504, "Timeout", "Timeout: Too large resource version: 99, current: 3")]
#[case::half_a_dry_run(
    "POST /api/v1/namespaces/shop/configmaps?dryRun=Some",
    configmap("a"),
    422,
    "Invalid",
    "CreateOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: [\"Some\"]: supported values: \"All\""
)]
#[case::apply_by_nobody(
    "APPLY /api/v1/namespaces/shop/configmaps/a",
    configmap("a"),
    422,
    "Invalid",
    "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch"
)]
#[case::a_pod_without_account("POST /api/v1/namespaces/other/pods", json!({"metadata": {"name": "p"}}), 403, "Forbidden", "pods \"p\" is forbidden: error looking up service account other/default: serviceaccount \"default\" not found")]
#[tokio::test]
async fn a_refusal_has_upstreams_words(
    #[case] line: &str,
    #[case] body: Value,
    #[case] code: u16,
    #[case] reason: &str,
    #[case] message: &str,
) {
    let world = world().with_namespace().await;
    let (answered, status) = world.ask(line, body).await;
    assert_eq!(answered, code, "{status}");
    assert_eq!(status["reason"].as_str().unwrap_or_default(), reason, "{status}");
    if !message.is_empty() {
        assert_eq!(status["message"], message);
    }
}

#[tokio::test]
async fn an_object_lives_and_dies() {
    let world = world().with_namespace().await;
    let (code, made) = world.ask(&format!("POST {MAPS}"), configmap("web")).await;
    assert_eq!(code, 201);
    assert_eq!(made["metadata"]["namespace"], "shop");
    assert_eq!(made["metadata"]["creationTimestamp"], "2026-01-31T12:00:00Z");
    let one = format!("{MAPS}/web");
    assert_eq!(
        world.ask(&format!("GET {one}"), Value::Null).await,
        (200, made.clone())
    );

    // Nothing changed: nothing is written.
    let (_, same) = world.ask(&format!("PUT {one}"), made.clone()).await;
    assert_eq!(
        same["metadata"]["resourceVersion"],
        made["metadata"]["resourceVersion"]
    );

    let mut held = made.clone();
    held["metadata"]["finalizers"] = json!(["shop.dev/hold"]);
    let (_, held) = world.ask(&format!("PUT {one}"), held).await;
    let (code, stale) = world
        .ask(
            &format!("PUT {one}"),
            json!({"metadata": {"name": "web", "resourceVersion": "1"}}),
        )
        .await;
    assert_eq!((code, &stale["reason"]), (409, &json!("Conflict")));

    let wrong = json!({"preconditions": {"uid": "nobody"}});
    assert_eq!(world.ask(&format!("DELETE {one}"), wrong).await.0, 409);
    let (code, leaving) = world.ask(&format!("DELETE {one}"), Value::Null).await;
    assert_eq!((code, &leaving["kind"]), (200, &json!("ConfigMap")));
    assert_eq!(leaving["metadata"]["deletionTimestamp"], "2026-01-31T12:00:00Z");

    let mut free = leaving;
    free["metadata"]["finalizers"] = Value::Null;
    assert_eq!(world.ask(&format!("PUT {one}"), free).await.0, 200);
    assert_eq!(world.ask(&format!("GET {one}"), Value::Null).await.0, 404);
    assert_eq!(held["metadata"]["uid"], made["metadata"]["uid"]);
}

#[tokio::test]
async fn a_dry_run_leaves_nothing() {
    let world = world().with_namespace().await;
    let before = world.http.server().store().revision();
    let (code, made) = world
        .ask(&format!("POST {MAPS}?dryRun=All"), configmap("web"))
        .await;
    assert_eq!((code, made["metadata"]["uid"].is_string()), (201, true));
    assert_eq!(world.http.server().store().revision(), before);
}

#[tokio::test]
async fn pages_are_of_one_moment() {
    let world = world().with_namespace().await;
    for name in ["a", "b", "c", "d"] {
        world.ask(&format!("POST {MAPS}"), configmap(name)).await;
    }
    let names = |list: &Value| -> Vec<String> {
        let items = list["items"].as_array().unwrap();
        items
            .iter()
            .map(|item| item["metadata"]["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let (_, first) = world.ask(&format!("GET {MAPS}?limit=2"), Value::Null).await;
    assert_eq!(names(&first), ["a", "b"]);
    assert_eq!(first["metadata"]["remainingItemCount"], 2);
    assert_eq!(first["items"][0]["kind"], Value::Null);
    world.ask(&format!("DELETE {MAPS}/c"), Value::Null).await;
    world.ask(&format!("POST {MAPS}"), configmap("bb")).await;
    let next = first["metadata"]["continue"].as_str().unwrap();
    let (_, second) = world
        .ask(&format!("GET {MAPS}?limit=2&continue={next}"), Value::Null)
        .await;
    assert_eq!(names(&second), ["c", "d"]);
    assert_eq!(
        second["metadata"]["resourceVersion"],
        first["metadata"]["resourceVersion"]
    );
    world.http.server().store().compact();
    let (code, late) = world
        .ask(&format!("GET {MAPS}?limit=2&continue={next}"), Value::Null)
        .await;
    assert_eq!((code, &late["reason"]), (410, &json!("Expired")));
}

#[tokio::test(start_paused = true)]
async fn a_watch_starts_with_the_state_and_follows_it() {
    let world = world().with_namespace().await;
    world.ask(&format!("POST {MAPS}"), configmap("old")).await;
    let query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut watch = world.watch(&format!("{MAPS}?{query}&timeoutSeconds=300"));
    assert_eq!(watch.word().await, "ADDED old");
    let end = watch.next().await.unwrap();
    assert_eq!(
        end["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"],
        "true"
    );
    assert!(watch.next().now_or_never().is_none());

    world.ask(&format!("POST {MAPS}"), configmap("new")).await;
    world
        .ask("POST /api/v1/namespaces/other/configmaps", configmap("elsewhere"))
        .await;
    world.ask(&format!("DELETE {MAPS}/old"), Value::Null).await;
    assert_eq!(watch.word().await, "ADDED new");
    assert_eq!(watch.word().await, "DELETED old");
    // A change elsewhere moves the revision: the next bookmark says so, and the one after has nothing to say.
    world
        .ask("POST /api/v1/namespaces/other/configmaps", configmap("last"))
        .await;
    let bookmark = watch.next().await.unwrap();
    let revision = world.http.server().store().revision().to_string();
    assert_eq!(bookmark["type"], "BOOKMARK");
    assert_eq!(bookmark["object"]["metadata"]["resourceVersion"], revision);
    assert_eq!(watch.next().await, None);
}

#[tokio::test]
async fn a_watch_of_a_selection_sees_objects_come_and_go() {
    let world = world().with_namespace().await;
    let mut watch = world.watch(&format!(
        "{MAPS}?watch=true&labelSelector=app%3Dweb&resourceVersion=1"
    ));
    let mut map = configmap("web");
    let (_, made) = world.ask(&format!("POST {MAPS}"), map.clone()).await;
    map["metadata"]["labels"] = json!({"app": "web"});
    map["metadata"]["resourceVersion"] = made["metadata"]["resourceVersion"].clone();
    world.ask(&format!("PUT {MAPS}/web"), map).await;
    world.ask(&format!("PUT {MAPS}/web"), configmap("web")).await;
    assert_eq!(watch.word().await, "ADDED web");
    assert_eq!(watch.word().await, "DELETED web");
}

#[tokio::test]
async fn a_watch_that_is_too_late_is_told() {
    let world = world().with_namespace().await;
    world.http.server().store().compact();
    let mut watch = world.watch(&format!("{MAPS}?watch=true&resourceVersion=1"));
    let line = watch.next().await.unwrap();
    assert_eq!(
        (&line["type"], &line["object"]["code"]),
        (&json!("ERROR"), &json!(410))
    );
    assert_eq!(watch.next().await, None);
}

#[tokio::test]
async fn metadata_alone_is_answered_to_who_wants_no_more() {
    let world = world().with_namespace().await;
    world.ask(&format!("POST {MAPS}"), configmap("web")).await;
    let accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
    let answer = world.raw(&format!("GET {MAPS}"), &Value::Null, accept);
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    let list: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(list["kind"], "PartialObjectMetadataList");
    assert_eq!(list["items"][0]["kind"], "PartialObjectMetadata");
    assert_eq!(list["items"][0]["data"], Value::Null);
    let answer = world.raw(
        &format!("GET {MAPS}"),
        &Value::Null,
        "application/vnd.kubernetes.protobuf",
    );
    assert_eq!(answer.status(), 406);
}

#[tokio::test]
async fn a_pod_is_bound_once_and_given_time_to_end() {
    let world = world().with_namespace().await;
    let pods = "/api/v1/namespaces/shop/pods";
    let pod =
        json!({"metadata": {"generateName": "web-"}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let (code, pod) = world.ask(&format!("POST {pods}"), pod).await;
    assert_eq!(code, 201, "{pod}");
    let name = pod["metadata"]["name"].as_str().unwrap();
    assert_eq!(
        (name.len(), &pod["spec"]["serviceAccountName"]),
        (9, &json!("default"))
    );
    assert_eq!(pod["spec"]["tolerations"].as_array().unwrap().len(), 2);
    assert_eq!(pod["spec"]["priority"], 0);
    let binding = json!({
        "apiVersion": "v1", "kind": "Binding", "metadata": {"name": name, "annotations": {"by": "test"}},
        "target": {"kind": "Node", "name": "n1"},
    });
    let bind = format!("POST {pods}/{name}/binding");
    assert_eq!(world.ask(&bind, binding.clone()).await.0, 201);
    let (code, again) = world.ask(&bind, binding).await;
    assert_eq!(code, 409);
    let said = format!(
        "Operation cannot be fulfilled on pods/binding \"{name}\": pod {name} is already assigned to node \"n1\""
    );
    assert_eq!(again["message"], said);
    let (_, leaving) = world.ask(&format!("DELETE {pods}/{name}"), Value::Null).await;
    assert_eq!(leaving["metadata"]["deletionTimestamp"], "2026-01-31T12:00:30Z");
    let (_, sooner) = world
        .ask(&format!("DELETE {pods}/{name}?gracePeriodSeconds=5"), Value::Null)
        .await;
    assert_eq!(sooner["metadata"]["deletionTimestamp"], "2026-01-31T12:00:05Z");
    let (code, _) = world
        .ask(&format!("DELETE {pods}/{name}?gracePeriodSeconds=0"), Value::Null)
        .await;
    assert_eq!(code, 200);
    assert_eq!(world.ask(&format!("GET {pods}/{name}"), Value::Null).await.0, 404);
}

#[tokio::test]
async fn services_get_addresses_and_ports_that_nobody_has() {
    let world = world().with_namespace().await;
    let services = "/api/v1/namespaces/shop/services";
    let service = |name: &str, spec: Value| json!({"metadata": {"name": name}, "spec": spec});
    let ports = json!([{"port": 80, "protocol": "TCP"}]);
    let plain = json!({"type": "ClusterIP", "ports": ports, "selector": {"app": "a"}});
    let (_, one) = world
        .ask(&format!("POST {services}"), service("one", plain.clone()))
        .await;
    let (_, two) = world
        .ask(&format!("POST {services}"), service("two", plain))
        .await;
    assert!(one["spec"]["clusterIP"].as_str().unwrap().starts_with("10.96."));
    assert_ne!(one["spec"]["clusterIP"], two["spec"]["clusterIP"]);
    let taken = json!({"ports": ports, "clusterIP": one["spec"]["clusterIP"]});
    let (code, refused) = world
        .ask(&format!("POST {services}"), service("three", taken))
        .await;
    assert_eq!((code, &refused["reason"]), (422, &json!("Invalid")));
    let open = json!({"type": "NodePort", "ports": ports});
    let (_, open) = world
        .ask(&format!("POST {services}"), service("open", open))
        .await;
    let port = open["spec"]["ports"][0]["nodePort"].as_u64().unwrap();
    assert!((30_000..=32_767).contains(&port));
    // An update that says nothing of them keeps both.
    let update = service("open", json!({"type": "NodePort", "ports": ports}));
    let (_, kept) = world.ask(&format!("PUT {services}/open"), update).await;
    assert_eq!(kept["spec"], open["spec"]);
}

#[tokio::test]
async fn both_kinds_of_events_are_one() {
    let world = world().with_namespace().await;
    let event = json!({
        "metadata": {"name": "e"}, "regarding": {"kind": "Pod", "name": "web", "namespace": "shop"},
        "note": "hello", "reason": "Said", "type": "Normal", "action": "Say", "eventTime": "2026-01-31T12:00:00.000000Z",
        "reportingController": "shop.dev/hub", "reportingInstance": "hub-1",
    });
    let new = "/apis/events.k8s.io/v1/namespaces/shop/events";
    assert_eq!(world.ask(&format!("POST {new}"), event).await.0, 201);
    let (_, list) = world
        .ask(
            "GET /api/v1/namespaces/shop/events?fieldSelector=involvedObject.name%3Dweb",
            Value::Null,
        )
        .await;
    assert_eq!(list["items"][0]["message"], "hello");
    let (_, back) = world.ask(&format!("GET {new}/e"), Value::Null).await;
    assert_eq!(
        (&back["note"], &back["apiVersion"]),
        (&json!("hello"), &json!("events.k8s.io/v1"))
    );
}

#[tokio::test]
async fn writes_are_remembered_with_who_and_what() {
    let world = world().with_namespace().await;
    world.ask(&format!("POST {MAPS}"), configmap("web")).await;
    world.ask(&format!("GET {MAPS}/web"), Value::Null).await;
    world.ask(&format!("DELETE {MAPS}/gone"), Value::Null).await;
    let writes = world.http.writes();
    let told: Vec<_> = writes
        .iter()
        .skip(3)
        .map(|write| {
            (
                write.user.as_str(),
                write.verb,
                write.resource.as_str(),
                write.name.as_deref(),
                write.status,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("admin", "create", "configmaps", Some("web"), 201),
            ("admin", "delete", "configmaps", Some("gone"), 404)
        ]
    );
}

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/shop/deployments";

fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {
            "replicas": 2, "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "c", "image": "i"}]},
            },
        },
    })
}

#[tokio::test]
async fn an_apply_with_an_impossible_revision_creates_and_never_merges() {
    let world = world().with_namespace().await;
    let apply = format!("APPLY {DEPLOYMENTS}/web?fieldManager=hub");
    let mut intent = deployment();
    intent["metadata"]["resourceVersion"] = "1".into();
    let (code, made) = world.ask(&apply, intent.clone()).await;
    assert_eq!(code, 201, "{made}");
    assert_eq!(made["metadata"]["generation"], 1);
    assert_eq!(made["metadata"]["managedFields"][0]["operation"], "Apply");
    let (code, again) = world.ask(&apply, intent).await;
    assert_eq!((code, &again["reason"]), (409, &json!("Conflict")));
    // Without it the same intent changes nothing, and nothing is written.
    let (code, same) = world.ask(&apply, deployment()).await;
    assert_eq!((code, &same["metadata"]), (200, &made["metadata"]));
    let mut theirs = deployment();
    theirs["spec"]["replicas"] = 5.into();
    let (code, conflict) = world
        .ask(&format!("APPLY {DEPLOYMENTS}/web?fieldManager=other"), theirs)
        .await;
    assert_eq!(
        (code, &conflict["details"]["causes"][0]["reason"]),
        (409, &json!("FieldManagerConflict"))
    );
}

#[tokio::test]
async fn status_and_scale_are_endpoints_of_their_own() {
    let world = world().with_namespace().await;
    let (_, made) = world.ask(&format!("POST {DEPLOYMENTS}"), deployment()).await;
    let both = json!({"spec": {"replicas": 7}, "status": {"replicas": 2, "observedGeneration": 1}});
    let (code, told) = world
        .ask(&format!("MERGE {DEPLOYMENTS}/web/status"), both.clone())
        .await;
    assert_eq!(code, 200, "{told}");
    assert_eq!(
        (&told["spec"], &told["status"]["replicas"]),
        (&made["spec"], &json!(2))
    );
    assert_eq!(told["metadata"]["generation"], 1);
    let (_, scale) = world
        .ask(&format!("GET {DEPLOYMENTS}/web/scale"), Value::Null)
        .await;
    assert_eq!(
        (&scale["spec"]["replicas"], &scale["status"]["selector"]),
        (&json!(2), &json!("app=web"))
    );
    let (code, scaled) = world
        .ask(
            &format!("MERGE {DEPLOYMENTS}/web/scale"),
            json!({"spec": {"replicas": 3}}),
        )
        .await;
    assert_eq!((code, &scaled["spec"]["replicas"]), (200, &json!(3)), "{scaled}");
    let (_, now) = world.ask(&format!("GET {DEPLOYMENTS}/web"), Value::Null).await;
    assert_eq!(
        (&now["spec"]["replicas"], &now["metadata"]["generation"]),
        (&json!(3), &json!(2))
    );
}

#[tokio::test]
async fn a_namespace_ends_when_its_finalizer_goes() {
    let world = world().with_namespace().await;
    let (_, leaving) = world.ask("DELETE /api/v1/namespaces/other", Value::Null).await;
    assert_eq!(leaving["status"]["phase"], "Terminating", "{leaving}");
    let (code, refused) = world
        .ask("POST /api/v1/namespaces/other/configmaps", configmap("late"))
        .await;
    assert_eq!(code, 403);
    assert_eq!(
        refused["message"],
        "configmaps \"late\" is forbidden: unable to create new content in namespace other because it is being terminated"
    );
    assert_eq!(refused["details"]["causes"][0]["reason"], "NamespaceTerminating");
    let mut free = leaving;
    free["spec"]["finalizers"] = json!([]);
    assert_eq!(
        world.ask("PUT /api/v1/namespaces/other/finalize", free).await.0,
        200
    );
    assert_eq!(
        world.ask("GET /api/v1/namespaces/other", Value::Null).await.0,
        404
    );
}

#[tokio::test]
async fn a_client_finds_out_what_there_is() {
    let world = world();
    let (_, groups) = world.ask("GET /apis", Value::Null).await;
    assert_eq!(groups["kind"], "APIGroupList");
    let (_, listed) = world.ask("GET /api/v1", Value::Null).await;
    let names: Vec<&str> = listed["resources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert!(names.contains(&"pods") && names.contains(&"pods/status"));
    let (code, _) = world.ask("GET /openapi/v3/apis/apps/v1", Value::Null).await;
    assert_eq!(code, 200);
    let (_, version) = world.ask("GET /version", Value::Null).await;
    assert_eq!(version["gitVersion"], "v1.37.2");
}
