//! The harness proves itself before it judges the hub.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod, Service, ServiceAccount};
use kube::Client;
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::harness::{Fleet, FleetOptions, HubCommand, Need, NotYet, Usage, eventually, is_running, kubectl};
use crate::scenario::Scenario;

pub(crate) fn scenarios() -> Vec<Scenario> {
    let with = |members| FleetOptions {
        members,
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
        Scenario::shared(
            "pods_end_complete_or_stay_unready_as_they_are_told",
            pods_do_as_told,
        ),
        Scenario::shared("the_audit_log_names_who_wrote_what", writes_are_named),
        Scenario::shared("kubectl_works_with_the_kubeconfigs", kubectl_works).needs(Need::Kubectl),
        Scenario::alone(
            "a_stopped_api_server_is_silent_and_the_others_are_not",
            with(2),
            one_is_silent,
        ),
        Scenario::alone(
            "an_api_server_restarts_on_its_port_with_its_objects",
            with(1),
            one_restarts,
        ),
        Scenario::alone(
            "no_process_and_no_folder_outlives_its_fleet",
            with(2),
            nothing_is_left,
        )
        .only_on_kubernetes("it counts programs, and the sandbox has none"),
        Scenario::plain(
            "no_process_and_no_folder_outlives_a_killed_test",
            nothing_survives_sigkill,
        )
        .needs(Need::Kubernetes),
        Scenario::plain(
            "a_hub_process_is_started_restarted_and_ended",
            a_hub_process_is_driven,
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
    assert!(!before.is_some_and(is_running), "a killed API server is gone");
    member
        .admin()
        .apiserver_version()
        .await
        .expect_err("nobody answers");
    member.restart_api_server().await.unwrap();
    assert!(before.is_none() || member.api_server_pid() != before);
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

/// The environment variable that turns this test program into the victim of `nothing_survives_sigkill`.
pub(crate) const VICTIM: &str = "HANSE_E2E_VICTIM";

/// Starts a fleet, says on stdout what must not survive, and waits for its end.
#[allow(clippy::print_stdout, reason = "the other side reads it")]
pub(crate) async fn be_the_victim() {
    let fleet = Fleet::start(FleetOptions {
        members: 0,
        ..FleetOptions::default()
    })
    .await
    .unwrap();
    println!("{}", json!({"pids": fleet.pids(), "folder": fleet.folder()}));
    std::future::pending::<()>().await;
}

async fn nothing_survives_sigkill() {
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .env(VICTIM, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = victim.stdout.take().unwrap();
    let line = tokio::task::spawn_blocking(|| BufReader::new(output).lines().next())
        .await
        .unwrap();
    victim.kill().unwrap();
    victim.wait().unwrap();

    let said: Value = serde_json::from_str(&line.expect("the victim's fleet starts").unwrap()).unwrap();
    let pids: Vec<u32> = serde_json::from_value(said["pids"].clone()).unwrap();
    assert_eq!(pids.len(), 3);
    eventually(Duration::from_secs(2), "its programs are gone", async || {
        let left: Vec<_> = pids.iter().filter(|pid| is_running(**pid)).collect();
        if left.is_empty() {
            Ok(())
        } else {
            Err(format!("still running: {left:?}").into())
        }
    })
    .await;
    if std::env::var_os("HANSE_KEEP").is_some() {
        return;
    }
    let folder = PathBuf::from(said["folder"].as_str().unwrap());
    eventually(Duration::from_secs(3), "its folder is gone", async || {
        if folder.exists() {
            Err(format!("{} is there", folder.display()).into())
        } else {
            Ok(())
        }
    })
    .await;
}

/// A stand-in for the hub: what is proven is the driver.
async fn a_hub_process_is_driven() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("hub");
    let text = r#"#!/bin/sh
case "$1" in
serve)
    trap 'echo drained; exit 3' TERM
    echo "INFO listening on 127.0.0.1:$$ args=[$*]"
    while :; do sleep 0.05; done ;;
*)
    cat; echo "$*" >&2; exit 2 ;;
esac
"#;
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let hub = HubCommand::new(&script).against(Path::new("/hub.kubeconfig"));

    let answer = hub
        .run_with_input(&["apply", "-f", "-"], "kind: Tenant")
        .await
        .unwrap();
    assert_eq!((answer.code, &*answer.stdout), (2, "kind: Tenant"));
    assert_eq!(answer.stderr, "apply -f - --kubeconfig /hub.kubeconfig\n");

    let mut serve = hub
        .serve("serve", folder.path(), &["--log-format", "text"])
        .await
        .unwrap();
    assert_eq!(serve.address(), format!("127.0.0.1:{}", serve.pid()));
    assert!(
        serve
            .log()
            .contains("--listen 127.0.0.1:0 --kubeconfig /hub.kubeconfig --log-format text")
    );
    let first = serve.pid();
    serve.kill();
    assert!(!is_running(first));
    serve.restart().await.unwrap();
    assert_ne!(serve.pid(), first);
    assert_eq!(serve.address(), format!("127.0.0.1:{}", serve.pid()));
    assert_eq!(serve.terminate(Duration::from_secs(5)).await.unwrap(), 3);
    assert!(serve.log().ends_with("drained\n"));
}

async fn pods_do_as_told(fleet: &Fleet) {
    let client = fleet.members()[2].admin();
    let namespace = make_namespace(fleet, &client, "told").await;
    // A bare pod needs the namespace's ServiceAccount, which a controller makes.
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), &namespace);
    eventually(
        Duration::from_secs(2),
        "the ServiceAccount is there",
        async || Ok(accounts.get("default").await?),
    )
    .await;

    let jobs: Api<Job> = Api::namespaced(client.clone(), &namespace);
    let template = json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "example.com/c:1"}]}});
    let job = object(json!({"metadata": {"name": "once"}, "spec": {"template": template}}));
    jobs.create(&PostParams::default(), &job).await.unwrap();
    let pods: Api<Pod> = Api::namespaced(client, &namespace);
    for (name, annotation) in [
        ("unready", "test.hanse.dev/never-ready"),
        ("stubborn", "test.hanse.dev/uses-grace"),
    ] {
        let pod = object(json!({
            "metadata": {"name": name, "annotations": {annotation: "true"}},
            "spec": {"terminationGracePeriodSeconds": 2, "containers": [{"name": "c", "image": "example.com/c:1"}]},
        }));
        pods.create(&PostParams::default(), &pod).await.unwrap();
    }
    let condition = async |name: &str| {
        let status = pods.get(name).await?.status.unwrap_or_default();
        let ready = status
            .conditions
            .into_iter()
            .flatten()
            .find(|condition| condition.type_ == "Ready");
        Ok::<_, NotYet>((
            status.phase.unwrap_or_default(),
            ready.map(|ready| ready.status).unwrap_or_default(),
        ))
    };
    for (name, ready) in [("unready", "False"), ("stubborn", "True")] {
        eventually(
            Duration::from_secs(3),
            &format!("{name} runs"),
            async || match condition(name).await? {
                (phase, seen) if phase == "Running" && seen == ready => Ok(()),
                other => Err(format!("{other:?}").into()),
            },
        )
        .await;
    }
    eventually(Duration::from_secs(5), "the Job is complete", async || match jobs
        .get("once")
        .await?
        .status
        .and_then(|status| status.succeeded)
    {
        Some(1) => Ok(()),
        other => Err(format!("succeeded {other:?}").into()),
    })
    .await;

    let asked = Instant::now();
    pods.delete("stubborn", &DeleteParams::default()).await.unwrap();
    eventually(Duration::from_secs(4), "stubborn is gone", async || {
        match pods.get_opt("stubborn").await? {
            None => Ok(()),
            Some(_) => Err("it is there".into()),
        }
    })
    .await;
    // Deletion timestamps are whole seconds, so the grace of 2 s ends up to 1 s early.
    assert!(
        asked.elapsed() >= Duration::from_millis(900),
        "it used its grace: {:?}",
        asked.elapsed()
    );
}

async fn kubectl_works(fleet: &Fleet) {
    // `kubectl auth whoami` asks the same, but in protobuf, which the sandbox doesn't speak.
    let review = fleet.folder().join("review.json");
    std::fs::write(
        &review,
        r#"{"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}"#,
    )
    .unwrap();
    let file = review.display().to_string();
    for plane in fleet.control_planes() {
        let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
        let command = ["create", "--raw", path, "-f", &file];
        let answer = kubectl(plane.kubeconfig(), &command).await.unwrap();
        let review: Value = serde_json::from_slice(&answer.stdout).unwrap_or_default();
        assert_eq!(review["status"]["userInfo"]["username"], "admin", "{answer:?}");
    }
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
