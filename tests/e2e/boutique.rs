//! Real applications, from the command line: they run in every member, change and go as their templates do.

use std::process::{Command, Stdio};
use std::time::Duration;

use futures::future::join_all;
use kube::api::{DynamicObject, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::harness::{Federation, Fleet, Need, NotYet, data, eventually, kubectl};
use crate::scenario::Scenario;
use crate::shop::{SOON, Shop, hub_entry, value};

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::federated("the_online_boutique_runs_in_every_member", boutique)
            .needs(Need::Data)
            .needs(Need::Kubectl),
        Scenario::federated(
            "podinfo_comes_from_kustomize_and_its_autoscaler_is_never_fought",
            podinfo,
        )
        .needs(Need::Data)
        .needs(Need::Kubectl),
    ]
}

async fn boutique(fleet: &Fleet, federation: &Federation) {
    let shop = Shop::open(fleet, federation, "boutique").await;
    let file = data().unwrap().join("online-boutique.yaml");
    let file = file.to_string_lossy();
    shop.run(&["apply", "-f", &file, "--wait", "--timeout", "2m"])
        .await
        .success();

    let none = ListParams::default();
    let deployments = shop.on_hub("Deployment").list(&none).await.unwrap();
    assert_eq!(deployments.items.len(), 12);
    for number in 0..fleet.members().len() {
        for (kind, count) in [("Deployment", 12), ("Service", 12), ("ServiceAccount", 12)] {
            let there = shop.in_member(number, kind).list(&none).await.unwrap();
            // The ServiceAccount `default` is the member's own, and eleven are the boutique's.
            assert_eq!(there.items.len(), count, "{kind} in member {}", number + 1);
        }
    }
    let table = kubectl(
        fleet.hub().kubeconfig(),
        &["get", "deploy", "-n", &shop.name, "--no-headers"],
    )
    .await
    .unwrap();
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(
        table.lines().count() == 12 && table.lines().all(|line| line.contains(" 3/1 ")),
        "{table}"
    );

    why(&shop).await;
    nothing_of_ours_but_what_join_made(fleet).await;

    // Every address and port is the member's own.
    let on_hub = value(&shop.on_hub("Service").get("frontend").await.unwrap());
    for (number, member) in fleet.members().iter().enumerate() {
        let there = shop.seen(number, "Service", "frontend").await;
        let network = member.service_cidr();
        let prefix = network.trim_end_matches("0.0/16");
        let address = there["spec"]["clusterIP"].as_str().unwrap();
        assert!(address.starts_with(prefix), "{address} is not of {network}");
        assert_ne!(address, on_hub["spec"]["clusterIP"]);
    }

    shop.edit(
        "Deployment",
        "frontend",
        json!({"metadata": {"labels": {"edited": "yes"}}}),
    )
    .await;
    let set = [
        "set",
        "image",
        "deploy/frontend",
        "server=example.dev/frontend:2",
        "-n",
        &shop.name,
    ];
    assert!(
        kubectl(fleet.hub().kubeconfig(), &set)
            .await
            .unwrap()
            .status
            .success()
    );
    shop.everywhere("Deployment", "frontend", "the new image arrives", |live| {
        live["spec"]["template"]["spec"]["containers"][0]["image"] == "example.dev/frontend:2"
            && live["metadata"]["labels"]["edited"] == "yes"
    })
    .await;
    eventually(SOON * 2, "the new image is available everywhere", async || {
        let status = value(&shop.on_hub("Deployment").get("frontend").await?);
        let (generation, status) = (&status["metadata"]["generation"], &status["status"]);
        let done = status["observedGeneration"] == *generation
            && status["updatedReplicas"] == 3
            && status["availableReplicas"] == 3;
        if done {
            Ok(())
        } else {
            Err(NotYet(status.to_string()))
        }
    })
    .await;

    shop.run(&["delete", "-f", &file]).await.success();
    let members: Vec<usize> = (0..fleet.members().len()).collect();
    eventually(SOON, "the members are empty", async || {
        let mut left = Vec::new();
        for (number, kind) in members
            .iter()
            .flat_map(|number| ["Deployment", "Service"].map(|kind| (*number, kind)))
        {
            let there = shop.in_member(number, kind).list(&none).await?;
            left.extend(there.items.into_iter().filter_map(|object| object.metadata.name));
        }
        if left.is_empty() {
            Ok(())
        } else {
            Err(NotYet(left.join(", ")))
        }
    })
    .await;
    eventually(SOON, "the bindings are gone", async || {
        let left = shop.on_hub("WorkloadBinding").list(&none).await?.items.len();
        if left == 0 {
            Ok(())
        } else {
            Err(NotYet(format!("{left} left")))
        }
    })
    .await;
    shop.close().await;
}

async fn why(shop: &Shop<'_>) {
    let words = shop.run(&["explain", "deployment/frontend"]).await.success();
    assert!(
        words.contains(&shop.name) && words.contains("member-1"),
        "{words}"
    );
    let answer = shop
        .run(&["explain", "deploy/frontend", "-o", "json"])
        .await
        .success();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let clusters = answer["clusters"].as_array().unwrap();
    assert!(
        clusters.len() == 3 && clusters.iter().all(|cluster| cluster["selected"] == true),
        "{answer}"
    );
}

/// No webhook and no custom resource of ours; the policies are the fence of `hub join`.
async fn nothing_of_ours_but_what_join_made(fleet: &Fleet) {
    for member in fleet.members() {
        let kubeconfig = member.kubeconfig();
        for kinds in [
            "validatingwebhookconfigurations,mutatingwebhookconfigurations",
            "crds",
        ] {
            let answer = kubectl(kubeconfig, &["get", kinds, "-o", "name"]).await.unwrap();
            let names = String::from_utf8(answer.stdout).unwrap();
            assert!(!names.contains("hanse"), "{}: {names}", member.name());
        }
    }
}

async fn podinfo(fleet: &Fleet, federation: &Federation) {
    let shop = Shop::open(fleet, federation, "podinfo").await;
    let folder = data().unwrap().join("podinfo");
    let kustomize = Command::new("kubectl")
        .arg("kustomize")
        .arg(&folder)
        .stderr(Stdio::null())
        .output()
        .unwrap();
    let manifests = String::from_utf8(kustomize.stdout).unwrap();
    // Its autoscaler stays Degraded without metrics, so only the workload is waited for.
    shop.hub
        .run_with_input(&["apply", "-n", &shop.name, "-f", "-"], &manifests)
        .await
        .unwrap()
        .success();
    let members: Vec<usize> = (0..fleet.members().len()).collect();
    shop.within(
        Duration::from_mins(1),
        &members,
        "Deployment",
        "podinfo",
        "it runs",
        |live| live["status"]["readyReplicas"].as_i64().unwrap_or(0) > 0,
    )
    .await;
    shop.everywhere(
        "Deployment",
        "podinfo",
        "its replicas are nobody's of the hub",
        |live| hub_entry(live).is_some_and(|entry| entry["fieldsV1"]["f:spec"].get("f:replicas").is_none()),
    )
    .await;
    // As the autoscaler does, in one member more than in the others.
    join_all(members.iter().map(async |number| {
        let count = if *number == 0 { 4 } else { 3 };
        let scale = json!({"spec": {"replicas": count}});
        let params = PatchParams {
            field_manager: Some("kube-controller-manager".to_owned()),
            ..PatchParams::default()
        };
        let objects = shop.in_member(*number, "Deployment");
        objects
            .patch_scale("podinfo", &params, &Patch::Merge(scale))
            .await
            .unwrap();
    }))
    .await;
    // Neither at rest nor with the next change of the template does the hub take them back.
    shop.edit(
        "Deployment",
        "podinfo",
        json!({"metadata": {"annotations": {"note": "changed"}}}),
    )
    .await;
    shop.everywhere("Deployment", "podinfo", "the change arrives", |live| {
        live["metadata"]["annotations"]["note"] == "changed"
    })
    .await;
    for number in members {
        let live = shop.seen(number, "Deployment", "podinfo").await;
        assert_eq!(
            live["spec"]["replicas"],
            if number == 0 { 4 } else { 3 },
            "{live}"
        );
        let entry = hub_entry(&live).unwrap();
        assert!(entry["fieldsV1"]["f:spec"].get("f:replicas").is_none(), "{entry}");
        let autoscaler = shop.seen(number, "HorizontalPodAutoscaler", "podinfo").await;
        assert_eq!(autoscaler["spec"]["maxReplicas"], 4);
    }
    eventually(
        Duration::from_secs(15),
        "the hub counts what the autoscalers made",
        async || {
            let live = value(&shop.on_hub("Deployment").get("podinfo").await?);
            if live["status"]["readyReplicas"] == 10 {
                Ok(())
            } else {
                Err(NotYet(live["status"].to_string()))
            }
        },
    )
    .await;
    let events: Vec<DynamicObject> = shop
        .on_hub("Event")
        .list(&ListParams::default())
        .await
        .unwrap()
        .items;
    assert!(
        !events
            .iter()
            .any(|event| event.data["reason"] == "DriftCorrected"),
        "the autoscaler was fought"
    );
    shop.close().await;
}
