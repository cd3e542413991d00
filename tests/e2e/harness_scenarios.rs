//! The harness proves itself before it judges the hub.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod, Service};
use kube::Client;
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::harness::{Fleet, FleetOptions, Usage, eventually, is_running};
use crate::scenario::Scenario;

pub(crate) fn scenarios() -> Vec<Scenario> {
    let small = || FleetOptions {
        members: 2,
        nodes_per_member: 1,
        ..FleetOptions::default()
    };
    vec![
        Scenario::shared("a_fleet_is_ready_with_nodes_in_every_member", a_fleet_is_ready),
        Scenario::shared(
            "a_deployment_in_a_member_becomes_ready_and_deletes",
            a_deployment_lives_and_ends,
        ),
        Scenario::shared(
            "a_deployment_in_the_hub_api_stays_a_template",
            a_template_stays_a_template,
        ),
        Scenario::shared(
            "no_two_clusters_share_service_addresses_or_node_ports",
            allocations_differ,
        ),
        Scenario::shared("the_audit_log_names_who_wrote_what", writes_are_named),
        Scenario::alone(
            "a_stopped_api_server_is_silent_and_the_others_are_not",
            small(),
            one_is_silent,
        ),
        Scenario::alone(
            "an_api_server_restarts_on_its_port_with_its_objects",
            small(),
            one_restarts,
        ),
        Scenario::alone(
            "no_process_and_no_folder_outlives_its_fleet",
            small(),
            nothing_is_left,
        ),
    ]
}

async fn a_fleet_is_ready(fleet: &Fleet) {
    for member in fleet.members() {
        let nodes: Api<Node> = Api::all(member.admin());
        let labels: HashSet<String> = nodes
            .list(&ListParams::default())
            .await
            .unwrap()
            .into_iter()
            .map(zone)
            .collect();
        assert_eq!(
            labels.len(),
            3,
            "{}: one node in each of three zones, not {labels:?}",
            member.name()
        );
    }
    let nodes: Api<Node> = Api::all(fleet.hub().admin());
    assert_eq!(
        nodes.list(&ListParams::default()).await.unwrap().items.len(),
        0,
        "nothing runs in the hub API"
    );
}

async fn a_deployment_lives_and_ends(fleet: &Fleet) {
    let client = fleet.members()[0].admin();
    let namespace = make_namespace(fleet, &client, "lives").await;
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), &namespace);
    deployments
        .create(&PostParams::default(), &deployment("web", 2))
        .await
        .unwrap();
    eventually(
        Duration::from_secs(5),
        "2 replicas are ready",
        async || match deployments
            .get("web")
            .await?
            .status
            .and_then(|status| status.ready_replicas)
        {
            Some(2) => Ok(()),
            other => Err(format!("readyReplicas {other:?}").into()),
        },
    )
    .await;

    deployments.delete("web", &DeleteParams::default()).await.unwrap();
    let pods: Api<Pod> = Api::namespaced(client, &namespace);
    eventually(Duration::from_secs(5), "its pods are gone", async || {
        match pods.list(&ListParams::default()).await?.items.len() {
            0 => Ok(()),
            left => Err(format!("{left} pods").into()),
        }
    })
    .await;
}

async fn a_template_stays_a_template(fleet: &Fleet) {
    let client = fleet.hub().admin();
    let namespace = make_namespace(fleet, &client, "template").await;
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), &namespace);
    deployments
        .create(&PostParams::default(), &deployment("web", 2))
        .await
        .unwrap();
    // The namespace's end is the hub's controllers at work; that no pod came before proves which ones.
    let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace);
    assert_eq!(pods.list(&ListParams::default()).await.unwrap().items.len(), 0);
    let namespaces: Api<Namespace> = Api::all(client);
    namespaces
        .delete(&namespace, &DeleteParams::default())
        .await
        .unwrap();
    eventually(
        Duration::from_secs(10),
        "its namespace ends",
        async || match namespaces.get_opt(&namespace).await? {
            None => Ok(()),
            Some(left) => Err(format!("{:?}", left.status.and_then(|status| status.conditions)).into()),
        },
    )
    .await;
}

async fn allocations_differ(fleet: &Fleet) {
    let mut networks = HashSet::new();
    for plane in fleet.control_planes() {
        let client = plane.admin();
        let namespace = make_namespace(fleet, &client, "ports").await;
        let services: Api<Service> = Api::namespaced(client, &namespace);
        let service = object(json!({
            "metadata": {"name": "web"},
            "spec": {"type": "NodePort", "selector": {"app": "web"}, "ports": [{"port": 80}]},
        }));
        let made: Service = services.create(&PostParams::default(), &service).await.unwrap();
        let spec = made.spec.unwrap();
        let address = spec.cluster_ip.unwrap();
        let network: String = address.split('.').take(2).collect::<Vec<_>>().join(".");
        assert_eq!(plane.service_cidr(), format!("{network}.0.0/16"));
        let (first, last) = plane.node_ports();
        let port = spec.ports.unwrap()[0].node_port.unwrap();
        assert!(
            (i32::from(first)..=i32::from(last)).contains(&port),
            "{port} in {first}-{last}"
        );
        assert!(
            networks.insert(network),
            "{address} of {} is in another cluster's network",
            plane.name()
        );
        assert!(
            networks.insert(first.to_string()),
            "{} shares its node ports",
            plane.name()
        );
    }
}

async fn writes_are_named(fleet: &Fleet) {
    let member = &fleet.members()[1];
    let namespace = make_namespace(fleet, &member.admin(), "written").await;
    let writes = member.writes();
    let ours: Vec<_> = writes
        .iter()
        .filter(|write| write.name.as_deref() == Some(&namespace))
        .collect();
    assert!(
        ours.iter()
            .any(|write| write.user == "admin" && write.verb == "create" && write.succeeded()),
        "{ours:?}"
    );
    assert!(
        writes
            .iter()
            .any(|write| write.user.starts_with("system:serviceaccount:kube-system:")),
        "controllers write under names of their own"
    );
}

async fn one_is_silent(fleet: Fleet) {
    let (stopped, other) = (&fleet.members()[0], &fleet.members()[1]);
    let patience = Duration::from_millis(700);
    let client = stopped.impatient_admin(patience).await.unwrap();
    client.apiserver_version().await.expect("it answers before");

    stopped.stop().unwrap();
    let asked = Instant::now();
    client.apiserver_version().await.expect_err("it is silent");
    assert!(
        asked.elapsed() > patience / 2,
        "silence, not a refusal: {:?}",
        asked.elapsed()
    );
    other
        .admin()
        .apiserver_version()
        .await
        .expect("the other member answers");
    fleet
        .hub()
        .admin()
        .apiserver_version()
        .await
        .expect("the hub API answers");

    stopped.cont().unwrap();
    eventually(Duration::from_secs(5), "it answers again", async || {
        Ok(client.apiserver_version().await?)
    })
    .await;
}

async fn one_restarts(fleet: Fleet) {
    let member = &fleet.members()[0];
    let namespace = make_namespace(&fleet, &member.admin(), "kept").await;
    let (before, url) = (member.api_server_pid(), member.url());
    member.kill_api_server();
    assert!(!is_running(before), "a killed API server is gone");
    member
        .admin()
        .apiserver_version()
        .await
        .expect_err("nobody answers");
    member.restart_api_server().await.unwrap();
    assert_ne!(member.api_server_pid(), before);
    assert_eq!(member.url(), url);
    let namespaces: Api<Namespace> = Api::all(member.admin());
    namespaces
        .get(&namespace)
        .await
        .expect("its objects are still there");
}

async fn nothing_is_left(fleet: Fleet) {
    let (pids, folder) = (fleet.pids(), fleet.folder().to_owned());
    assert_eq!(
        pids.len(),
        1 + 2 + 2 * 4,
        "etcd, two programs of the hub API, four of each member"
    );
    assert!(pids.iter().all(|pid| is_running(*pid)), "every program runs");
    let used: Usage = fleet.usage();
    assert!(used.cpu > Duration::ZERO && used.memory > 100 << 20, "{used:?}");
    fleet.members()[0].stop().unwrap(); // a frozen program must end as well
    drop(fleet);
    let left: Vec<_> = pids.into_iter().filter(|pid| is_running(*pid)).collect();
    assert!(left.is_empty(), "still running: {left:?}");
    assert!(
        !folder.exists() || std::env::var_os("HANSE_KEEP").is_some(),
        "{} is left",
        folder.display()
    );
}

async fn make_namespace(fleet: &Fleet, client: &Client, prefix: &str) -> String {
    let name = fleet.namespace(prefix);
    let namespaces: Api<Namespace> = Api::all(client.clone());
    namespaces
        .create(
            &PostParams::default(),
            &object(json!({"metadata": {"name": name}})),
        )
        .await
        .unwrap();
    name
}

fn deployment(name: &str, replicas: u32) -> Deployment {
    object(json!({
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "main", "image": "example.com/main:1"}]},
            },
        },
    }))
}

fn zone(node: Node) -> String {
    node.metadata
        .labels
        .unwrap_or_default()
        .remove("topology.kubernetes.io/zone")
        .unwrap_or_default()
}

fn object<K: DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).unwrap()
}
