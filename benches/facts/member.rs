//! Members that are only text: enough of the Kubernetes API to be listed and watched, made up as it is asked for.

use std::{convert::Infallible, sync::LazyLock, time::Duration};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use futures::StreamExt;
use serde_json::{Value, json};

pub(crate) const HUB: &str = "0123456789";
pub(crate) const API: &str = "hub-api";
const NODES: usize = 20;
const DEPLOYMENTS: usize = 20;
/// Between two events of one member.
const CHURN: Duration = Duration::from_millis(200);

/// Serves every member, each under its name, until standard input is closed.
pub(crate) async fn serve(pods: usize) {
    let router = Router::new()
        .route("/{member}/readyz", get(|| async { "ok" }))
        .route("/{member}/version", get(|| async { Json(version()) }))
        .route(
            "/{member}/api",
            get(|| async {
                Json(discovery(
                    "",
                    "v1",
                    &[("pods", "Pod", true), ("nodes", "Node", false)],
                ))
            }),
        )
        .route(
            "/{member}/apis",
            get(|| async { Json(discovery("apps", "v1", &[("deployments", "Deployment", true)])) }),
        )
        .route("/{member}/api/v1/namespaces/kube-system", get(kube_system))
        .route(
            "/{member}/apis/coordination.k8s.io/v1/namespaces/hanse-system/leases/hub-claim",
            get(|| async { Json(claim()) }),
        )
        .route("/{member}/api/v1/pods", get(list_pods))
        .route("/{member}/api/v1/nodes", get(list_nodes))
        .route("/{member}/apis/apps/v1/deployments", get(list_deployments))
        .route(
            "/{member}/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            get(list_nothing),
        )
        .fallback(not_found)
        .with_state(pods);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    std::thread::spawn(|| {
        let _ = std::io::Read::read(&mut std::io::stdin(), &mut [0]);
        std::process::exit(0);
    });
    axum::serve(listener, router).await.unwrap();
}

#[derive(serde::Deserialize)]
struct Wish {
    #[serde(default)]
    watch: Option<String>,
    #[serde(default, rename = "continue")]
    from: Option<usize>,
    #[serde(default)]
    limit: Option<usize>,
}

async fn not_found() -> Response {
    let status =
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404});
    (StatusCode::NOT_FOUND, Json(status)).into_response()
}

fn version() -> Value {
    // One that does not stream lists: pages are the dearer way.
    json!({"major": "1", "minor": "31", "gitVersion": "v1.31.0", "gitCommit": "", "gitTreeState": "", "buildDate": "",
        "goVersion": "", "compiler": "", "platform": ""})
}

fn discovery(group: &str, version: &str, kinds: &[(&str, &str, bool)]) -> Value {
    let resource = |(plural, kind, namespaced): &(&str, &str, bool)| {
        json!({"resource": plural, "responseKind": {"group": group, "version": version, "kind": kind},
            "scope": if *namespaced { "Namespaced" } else { "Cluster" }, "verbs": ["get", "list", "watch", "create"]})
    };
    let resources: Vec<_> = kinds.iter().map(resource).collect();
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "items": [
        {"metadata": {"name": group}, "versions": [{"version": version, "freshness": "Current", "resources": resources}]}]})
}

async fn kube_system(Path(member): Path<String>) -> Json<Value> {
    Json(
        json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
        "metadata": {"name": "kube-system", "uid": format!("kube-system-{member}")}}),
    )
}

fn claim() -> Value {
    json!({"kind": "Lease", "apiVersion": "coordination.k8s.io/v1",
        "metadata": {"name": "hub-claim", "namespace": "hanse-system"}, "spec": {"holderIdentity": format!("{HUB}/{API}")}})
}

async fn list_nothing(Query(wish): Query<Wish>) -> Response {
    answer(&wish, 0, &|_, _| String::new(), None)
}

async fn list_nodes(Query(wish): Query<Wish>) -> Response {
    answer(&wish, NODES, &node, None)
}

async fn list_deployments(Query(wish): Query<Wish>) -> Response {
    answer(&wish, DEPLOYMENTS, &deployment, None)
}

async fn list_pods(State(pods): State<usize>, Query(wish): Query<Wish>) -> Response {
    answer(&wish, pods, &pod, Some(pods))
}

/// A page of a list, or a watch in which one object after the other changes.
fn answer(
    wish: &Wish,
    total: usize,
    object: &dyn Fn(usize, u64) -> String,
    churn: Option<usize>,
) -> Response {
    if wish.watch.is_some() {
        let events = futures::stream::unfold(0_u64, move |turn| async move {
            let Some(pods) = churn.filter(|pods| *pods > 0) else {
                return std::future::pending().await;
            };
            tokio::time::sleep(CHURN).await;
            let index = usize::try_from(turn).unwrap_or_default() * 7 % pods;
            let event = format!(
                "{{\"type\":\"MODIFIED\",\"object\":{}}}\n",
                pod(index, 1_000_000 + turn)
            );
            Some((Ok::<_, Infallible>(Bytes::from(event)), turn + 1))
        });
        return Response::new(Body::from_stream(events.boxed()));
    }
    let from = wish.from.unwrap_or_default();
    let until = total.min(from + wish.limit.unwrap_or(total));
    let items: Vec<String> = (from..until).map(|index| object(index, 1)).collect();
    let more = if until < total {
        format!("\"continue\":\"{until}\",")
    } else {
        String::new()
    };
    let list = format!(
        "{{\"kind\":\"List\",\"apiVersion\":\"v1\",\"metadata\":{{{more}\"resourceVersion\":\"1000000\"}},\"items\":[{}]}}",
        items.join(",")
    );
    ([("content-type", "application/json")], list).into_response()
}

fn managed_fields() -> Value {
    json!([{"manager": "kube-controller-manager", "operation": "Update", "apiVersion": "v1", "time": "2026-01-01T00:00:00Z",
        "fieldsType": "FieldsV1", "fieldsV1": {"f:metadata": {"f:generateName": {}, "f:labels": {".": {}, "f:app": {},
        "f:pod-template-hash": {}}, "f:ownerReferences": {".": {}, "k:{\"uid\":\"7d2f2c1e-8a55-4f0e-9a51-000000000000\"}": {}}},
        "f:spec": {"f:containers": {"k:{\"name\":\"app\"}": {".": {}, "f:image": {}, "f:imagePullPolicy": {}, "f:name": {},
        "f:resources": {".": {}, "f:limits": {".": {}, "f:memory": {}}, "f:requests": {".": {}, "f:cpu": {}, "f:memory": {}}},
        "f:terminationMessagePath": {}, "f:terminationMessagePolicy": {}}}, "f:dnsPolicy": {}, "f:enableServiceLinks": {},
        "f:restartPolicy": {}, "f:schedulerName": {}, "f:securityContext": {}, "f:terminationGracePeriodSeconds": {}}}},
        {"manager": "kubelet", "operation": "Update", "apiVersion": "v1", "time": "2026-01-01T00:00:05Z", "fieldsType": "FieldsV1",
        "subresource": "status", "fieldsV1": {"f:status": {"f:conditions": {}, "f:containerStatuses": {}, "f:hostIP": {}, "f:phase": {},
        "f:podIP": {}, "f:podIPs": {}, "f:startTime": {}}}}])
}

/// Made once: making JSON for each pod would cost more than reading it.
static POD: LazyLock<String> = LazyLock::new(pod_with_blanks);

fn pod(index: usize, version: u64) -> String {
    let digits = format!("{index:012x}");
    let pod = POD
        .replace("$INDEX", &digits)
        .replace("$VERSION", &version.to_string());
    pod.replace("$TEAM", &(index % 50).to_string())
        .replace("$NODE", &(index % NODES).to_string())
}

fn pod_with_blanks() -> String {
    let conditions: Vec<_> = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"]
        .iter()
        .map(|type_| json!({"type": type_, "status": "True", "lastProbeTime": null, "lastTransitionTime": "2026-01-01T00:00:00Z"}))
        .collect();
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web-5d6f7c8b9-$INDEX", "generateName": "web-5d6f7c8b9-", "namespace": "team-$TEAM",
            "uid": "7d2f2c1e-8a55-4f0e-9a51-$INDEX", "resourceVersion": "$VERSION",
            "creationTimestamp": "2026-01-01T00:00:00Z", "labels": {"app": "web", "pod-template-hash": "5d6f7c8b9"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d6f7c8b9",
                "uid": "7d2f2c1e-8a55-4f0e-9a51-000000000000", "controller": true, "blockOwnerDeletion": true}],
            "managedFields": managed_fields()},
        "spec": {"nodeName": "node-$NODE", "restartPolicy": "Always", "serviceAccountName": "default",
            "volumes": [{"name": "kube-api-access-abcde", "projected": {"sources": [{"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}}]}}],
            "containers": [{"name": "app", "image": "registry.example/shop/web:v1.2.3", "ports": [{"containerPort": 8080, "protocol": "TCP"}],
                "env": [{"name": "A", "value": "b"}, {"name": "C", "value": "d"}],
                "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
                "volumeMounts": [{"name": "kube-api-access-abcde", "readOnly": true, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}]}],
            "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300},
                {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}]},
        "status": {"phase": "Running", "conditions": conditions, "hostIP": "10.0.0.1", "podIP": "10.1.2.3", "qosClass": "Burstable",
            "containerStatuses": [{"name": "app", "ready": true, "started": true, "restartCount": 0, "image": "registry.example/shop/web:v1.2.3",
                "imageID": "registry.example/shop/web@sha256:0000000000000000000000000000000000000000000000000000000000000000",
                "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}, "lastState": {}}]}})
    .to_string()
}

fn node(index: usize, version: u64) -> String {
    json!({"apiVersion": "v1", "kind": "Node",
        "metadata": {"name": format!("node-{index}"), "uid": format!("node-{index}"), "resourceVersion": version.to_string(),
            "labels": {"topology.kubernetes.io/region": "eu", "topology.kubernetes.io/zone": "a"}},
        "spec": {}, "status": {"allocatable": {"cpu": "16", "memory": "64Gi", "pods": "200"},
            "conditions": [{"type": "Ready", "status": "True"}]}})
    .to_string()
}

fn deployment(index: usize, version: u64) -> String {
    let name = format!("web-{index}");
    json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": "shop", "uid": format!("deployment-{index}"), "resourceVersion": version.to_string(),
            "generation": 1, "labels": {"hanse.dev/managed-by": "hanse", "hanse.dev/binding": format!("deployment-{name}")},
            "annotations": {"hanse.dev/object": format!("apps/Deployment/shop/{name}"), "hanse.dev/intent": "0123456789abcdef"},
            "managedFields": managed_fields()},
        "spec": {"replicas": 3}, "status": {"observedGeneration": 1, "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3,
            "availableReplicas": 3, "conditions": [{"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable",
            "message": "Deployment has minimum availability.", "lastUpdateTime": "2026-01-01T00:00:00Z", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}})
    .to_string()
}
