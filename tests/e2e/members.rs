//! The fleet on real members: what it sees of them, and how soon it notices that one is silent.

use std::{sync::Arc, time::Duration};

use hanse::{
    act::{
        fleet::{
            Change, Claim, Fleet as Members, FleetConfig, KubeconfigTransport, MemberHandle, WatchScope,
        },
        wire::{Dial, Gate, Stack, Tasks},
    },
    model::{
        api,
        clock::Clock,
        fleet::{Held, Reach},
        mark,
        name::{ClusterName, GroupKind, GroupVersionKind, ObjectKey},
    },
};
use k8s_openapi::{
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    kube_aggregator::pkg::apis::apiregistration::v1::APIService,
};
use kube::{
    Api, Client, Config, CustomResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{
    harness::{ControlPlane, Fleet, FleetOptions, NotYet, eventually},
    scenario::Scenario,
};

pub(crate) fn scenarios() -> Vec<Scenario> {
    let one = || FleetOptions {
        members: 1,
        audited: true,
        ..FleetOptions::default()
    };
    vec![
        Scenario::alone(
            "a_member_is_known_by_its_rows_and_at_rest_nothing_is_written",
            one(),
            rows_and_rest,
        ),
        Scenario::alone(
            "a_silent_member_is_noticed_within_15_s_and_its_return_within_5_s",
            one(),
            silence_and_return,
        ),
    ]
}

/// A fleet of the hub's, with the loop that the engine plays: every Cluster object is given to it.
struct Hub {
    members: Members,
    changes: mpsc::Receiver<Change>,
    clusters: Api<api::Cluster>,
    tasks: Tasks,
}

const NAME: &str = "eu-1";

fn claim() -> Claim {
    Claim {
        hub: "0123456789".to_owned(),
        api: "hub-api".to_owned(),
    }
}

async fn apply(client: &Client, object: Value) {
    let types: kube::core::TypeMeta = serde_json::from_value(object.clone()).unwrap();
    let gvk = kube::core::GroupVersionKind::try_from(&types).unwrap();
    let resource = ApiResource::from_gvk(&gvk);
    let metadata = &object["metadata"];
    let api: Api<DynamicObject> = match metadata["namespace"].as_str() {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let name = metadata["name"].as_str().unwrap();
    api.patch(name, &PatchParams::apply("test").force(), &Patch::Apply(&object))
        .await
        .unwrap();
}

fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

fn lease(holder: &str) -> Value {
    json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": mark::HUB_CLAIM, "namespace": mark::SYSTEM_NAMESPACE},
        "spec": {"holderIdentity": holder}})
}

fn deployment(name: &str, replicas: u32) -> Value {
    let labels = json!({"app": name});
    json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": "shop",
            "labels": {mark::MANAGED_BY: mark::HANSE, mark::BINDING: "deployment-web"}},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels},
            "spec": {"containers": [{"name": "app", "image": "app", "resources": {"requests": {"cpu": "250m", "memory": "64Mi"}}}]}}}})
}

async fn start(fleet: &Fleet, member: &ControlPlane) -> Hub {
    let admin = fleet.hub().admin();
    let crds: Api<CustomResourceDefinition> = Api::all(admin.clone());
    let crd = api::Cluster::crd();
    crds.patch(
        "clusters.hanse.dev",
        &PatchParams::apply("test"),
        &Patch::Apply(&crd),
    )
    .await
    .unwrap();
    let clusters: Api<api::Cluster> = Api::all(admin.clone());
    eventually(Duration::from_secs(5), "clusters are served", || async {
        clusters
            .list(&kube::api::ListParams::default())
            .await
            .map(drop)
            .map_err(NotYet::from)
    })
    .await;
    apply(&admin, namespace(mark::SYSTEM_NAMESPACE)).await;
    let kubeconfig = std::fs::read_to_string(member.kubeconfig()).unwrap();
    apply(
        &admin,
        json!({"apiVersion": "v1", "kind": "Secret", "stringData": {"kubeconfig": kubeconfig},
            "metadata": {"name": "member-eu-1", "namespace": mark::SYSTEM_NAMESPACE}}),
    )
    .await;
    let at = json!({"kubeconfigSecret": {"namespace": mark::SYSTEM_NAMESPACE, "name": "member-eu-1", "key": "kubeconfig"}});
    apply(
        &admin,
        json!({"apiVersion": "hanse.dev/v1alpha1", "kind": "Cluster",
            "metadata": {"name": NAME, "labels": {"env": "prod"}}, "spec": {"connection": at}}),
    )
    .await;

    let kubeconfig = Kubeconfig::read_from(fleet.hub().kubeconfig()).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .unwrap();
    let gate = Gate::always_open();
    let stack = Stack::connect(&config, gate.clone()).unwrap();
    let tasks = Tasks::default();
    let (members, changes) = Members::new(FleetConfig {
        claim: claim(),
        hub: stack,
        gate,
        clock: Clock::system(),
        tasks: tasks.clone(),
        transport: Arc::new(KubeconfigTransport::new(Dial::sockets())),
    });
    let hub = Hub {
        members,
        changes,
        clusters,
        tasks,
    };
    hub.tell().await;
    hub
}

impl Hub {
    async fn tell(&self) -> api::Cluster {
        let cluster = self.clusters.get(NAME).await.unwrap();
        self.members.set(Arc::new(cluster.clone()));
        cluster
    }

    async fn ready(&self) -> (String, String) {
        let cluster = self.tell().await;
        let conditions = cluster.status.unwrap_or_default().conditions;
        api::find_condition(&conditions, api::ConditionType::Ready)
            .map(|ready| (ready.status.clone(), ready.reason.clone()))
            .unwrap_or_default()
    }

    async fn is_ready(&self, status: &str, reason: &str) -> Result<(), NotYet> {
        let ready = self.ready().await;
        if ready == (status.to_owned(), reason.to_owned()) {
            Ok(())
        } else {
            Err(NotYet(format!("{ready:?}")))
        }
    }

    fn reach(&self) -> Option<Reach> {
        let name: ClusterName = NAME.parse().unwrap();
        self.members
            .snapshot()
            .members
            .get(&name)
            .map(|member| member.reach)
    }

    async fn until(&self, bound: Duration, what: &str, reach: Reach) {
        eventually(bound, what, || async {
            if self.reach() == Some(reach) {
                Ok(())
            } else {
                Err(NotYet(format!("{:?}", self.reach())))
            }
        })
        .await;
    }

    fn member(&self) -> Arc<MemberHandle> {
        self.members.member(&NAME.parse().unwrap()).expect("a connection")
    }
}

fn key(kind: &GroupKind, name: &str) -> ObjectKey {
    ObjectKey::parse(kind, "shop", name).unwrap()
}

#[allow(clippy::too_many_lines, reason = "one story of one member")]
async fn rows_and_rest(fleet: Fleet) {
    let second = Duration::from_secs(1);
    let there = &fleet.members()[0];
    let admin = there.admin();
    let mut hub = start(&fleet, there).await;

    // A member that nobody has joined gets no writes, whatever it answers.
    eventually(second * 5, "not joined", || hub.is_ready("False", "NotJoined")).await;
    apply(&admin, namespace(mark::SYSTEM_NAMESPACE)).await;
    apply(&admin, lease("another/hub")).await;
    apply(&admin, lease(&claim().to_string())).await;
    eventually(second * 5, "joined", || hub.is_ready("True", "AsDesired")).await;
    let snapshot = hub.members.snapshot();
    let member = &snapshot.members[&NAME.parse::<ClusterName>().unwrap()];
    assert!(
        member.is_writable() && member.apis.complete && member.nodes.ready > 0,
        "{member:?}"
    );
    assert_eq!(member.labels["env"], "prod");
    assert_eq!(member.region.as_deref(), Some(there.region()));

    // At rest nothing is written, however often nodes and Leases beat.
    eventually(second * 5, "the status holds the numbers", || async {
        let cluster = hub.tell().await;
        let status = cluster.status.unwrap_or_default();
        if status.nodes.is_some() && !status.allocatable.is_empty() {
            Ok(())
        } else {
            Err(NotYet(format!("{status:?}")))
        }
    })
    .await;
    let before = hub.tell().await.metadata.resource_version;
    tokio::time::sleep(second * 10).await;
    assert_eq!(hub.tell().await.metadata.resource_version, before);

    // Rows follow what the member holds, and only what carries the hub's label.
    let deployments = GroupKind::new("apps", "Deployment");
    let handle = hub.member();
    apply(&admin, namespace("shop")).await;
    apply(&admin, deployment("web", 2)).await;
    let scope = || WatchScope::of_tenants(["shop".parse().unwrap()]);
    handle.watch_kind(&deployments, scope());
    handle.watch_kind(&deployments, scope());
    eventually(second * 5, "a row with its status", || async {
        let row = handle
            .row(&key(&deployments, "web"))
            .ok_or_else(|| NotYet("no row".to_owned()))?;
        let status: Value = serde_json::from_str(row.status.as_deref().unwrap_or("null")).unwrap();
        if status["readyReplicas"] == 2 {
            Ok(())
        } else {
            Err(NotYet(format!("{row:?}")))
        }
    })
    .await;
    assert!(handle.is_synced(&deployments, None));
    assert_eq!(handle.rows_of_binding("deployment-web").len(), 1);
    eventually(second, "pods are charged", || async {
        let requested = handle_requested(&hub);
        if requested >= 500 {
            Ok(())
        } else {
            Err(NotYet(requested.to_string()))
        }
    })
    .await;

    // An autoscaler of anybody's is seen.
    apply(
        &admin,
        json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"maxReplicas": 5, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}}),
    )
    .await;
    eventually(second * 2, "autoscaled", || async {
        if handle.autoscaled(&key(&deployments, "web")) {
            Ok(())
        } else {
            Err(NotYet("no".to_owned()))
        }
    })
    .await;

    // An aggregated API that does not answer makes discovery incomplete; both its coming and its going are seen.
    let api_service = "v1.extra.example.com";
    apply(&admin, namespace("extra")).await;
    apply(
        &admin,
        json!({"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": api_service},
            "spec": {"group": "extra.example.com", "version": "v1", "groupPriorityMinimum": 1, "versionPriority": 1,
                "insecureSkipTLSVerify": true, "service": {"namespace": "extra", "name": "nobody"}}}),
    )
    .await;
    let is_complete = async |wanted: bool| {
        let complete = handle.apis().complete;
        if complete == wanted {
            Ok(())
        } else {
            Err(NotYet(format!("complete: {complete}")))
        }
    };
    eventually(second * 10, "an API that does not answer is noticed", || {
        is_complete(false)
    })
    .await;
    let api_services: Api<APIService> = Api::all(admin.clone());
    api_services
        .delete(api_service, &DeleteParams::default())
        .await
        .unwrap();
    eventually(second * 10, "discovery is complete without it", || {
        is_complete(true)
    })
    .await;

    // Kinds come while the hub looks, and their schema with them.
    let widget = GroupVersionKind::new("example.com", "v1", "Widget");
    let deployed = GroupVersionKind::new("apps", "v1", "Deployment");
    assert!(handle.resource(&widget).is_none());
    handle.watch_kind(&widget.group_kind(), WatchScope::AllNamespaces);
    apply(
        &admin,
        json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "widgets.example.com"},
            "spec": {"group": "example.com", "scope": "Namespaced", "names": {"kind": "Widget", "plural": "widgets"},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema":
                    {"type": "object", "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}}}}]}}),
    )
    .await;
    eventually(second * 5, "a new kind is served", || async {
        handle
            .resource(&widget)
            .map(drop)
            .ok_or_else(|| NotYet("no".to_owned()))
    })
    .await;
    eventually(second * 5, "a new kind is watched", || async {
        if handle.is_synced(&widget.group_kind(), None) {
            Ok(())
        } else {
            Err(NotYet("no".to_owned()))
        }
    })
    .await;
    assert!(
        handle
            .schema(&GroupVersionKind::new("none.example.com", "v1", "None"))
            .await
            .unwrap()
            .is_none()
    );
    let _ = handle.schema(&deployed).await.unwrap();

    // Secrets are seen as the tenant would, without a byte of what is in them.
    let secrets = GroupKind::new("", "Secret");
    apply(
        &admin,
        json!({"apiVersion": "v1", "kind": "Secret", "stringData": {"password": "hunter2"},
            "metadata": {"name": "db", "namespace": "shop", "labels": {mark::MANAGED_BY: mark::HANSE}}}),
    )
    .await;
    apply(
        &admin,
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "tenant", "namespace": "shop"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
            "subjects": [{"kind": "ServiceAccount", "namespace": "hanse-tenants", "name": "shop"}]}),
    )
    .await;
    handle.watch_kind(&secrets, scope());
    eventually(second * 5, "a secret is seen", || async {
        let synced = handle.is_synced(&secrets, Some(&"shop".parse().unwrap()));
        if synced && handle.row(&key(&secrets, "db")).is_some() {
            Ok(())
        } else {
            Err(NotYet(synced.to_string()))
        }
    })
    .await;
    assert!(!handle.is_synced(&secrets, None));

    // What is deleted is told, with what its label said.
    let api: Api<DynamicObject> =
        Api::namespaced_with(admin.clone(), "shop", &handle.resource(&deployed).unwrap());
    api.delete("web", &kube::api::DeleteParams::default())
        .await
        .unwrap();
    let gone = async {
        while let Some(change) = hub.changes.recv().await {
            if matches!(&change, Change::Object { gone: true, binding: Some(binding), .. } if binding == "deployment-web")
            {
                return;
            }
        }
    };
    tokio::time::timeout(second * 10, gone)
        .await
        .expect("the deletion is told");

    // Another hub's claim holds it.
    apply(&admin, lease("another/hub")).await;
    eventually(second * 15, "claimed by another hub", || {
        hub.is_ready("False", "ClaimedByAnotherHub")
    })
    .await;
    eventually(second * 5, "the snapshot holds it", async || {
        let name = NAME.parse::<ClusterName>()?;
        match &hub.members.snapshot().members[&name].held {
            Some(Held::Claimed { .. }) => Ok(()),
            held => Err(NotYet(format!("{held:?}"))),
        }
    })
    .await;
    hub.tasks.stop();
    assert!(hub.tasks.join(second * 2).await, "every task ends");
}

fn handle_requested(hub: &Hub) -> u64 {
    let snapshot = hub.members.snapshot();
    snapshot
        .members
        .values()
        .map(|member| member.requested.cpu_milli)
        .sum()
}

async fn silence_and_return(fleet: Fleet) {
    let second = Duration::from_secs(1);
    let there = &fleet.members()[0];
    let admin = there.admin();
    apply(&admin, namespace(mark::SYSTEM_NAMESPACE)).await;
    apply(&admin, lease(&claim().to_string())).await;
    let hub = start(&fleet, there).await;
    eventually(second * 5, "ready", || hub.is_ready("True", "AsDesired")).await;
    let deployments = GroupKind::new("apps", "Deployment");
    hub.member().watch_kind(&deployments, WatchScope::AllNamespaces);

    there.stop().unwrap();
    hub.until(second * 15, "unreachable", Reach::Unreachable).await;
    eventually(second * 3, "the status says so", || {
        hub.is_ready("Unknown", "Unreachable")
    })
    .await;
    assert_eq!(
        hub.tell().await.status.unwrap().nodes,
        None,
        "old numbers are not shown"
    );

    there.cont().unwrap();
    hub.until(second * 5, "back", Reach::Reachable).await;
    apply(&admin, namespace("shop")).await;
    apply(&admin, deployment("web", 1)).await;
    let handle = hub.member();
    eventually(second * 10, "its rows are current again", || async {
        let current = handle.is_synced(&deployments, None) && handle.row(&key(&deployments, "web")).is_some();
        if current {
            Ok(())
        } else {
            Err(NotYet("no".to_owned()))
        }
    })
    .await;
    eventually(second * 5, "ready again", || hub.is_ready("True", "AsDesired")).await;
    hub.tasks.stop();
    assert!(hub.tasks.join(second * 2).await, "every task ends");
}
