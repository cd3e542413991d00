//! Claims, and autoscalers: what a script says, through `/scale`.

use super::*;

fn class(name: &str, mode: &str, provisioner: &str) -> Value {
    json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name},
        "provisioner": provisioner, "volumeBindingMode": mode,
    })
}

fn claim(name: &str, class: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name, "namespace": "shop"},
        "spec": {
            "accessModes": ["ReadWriteOnce"], "volumeMode": "Filesystem", "storageClassName": class,
            "resources": {"requests": {"storage": "1Gi"}},
        },
    })
}

fn pod_with(claim: &str) -> Value {
    let volumes = json!([{"name": "disk", "persistentVolumeClaim": {"claimName": claim}}]);
    bare_pod("reader", &json!({"volumes": volumes, "restartPolicy": "Always"}))
}

impl World {
    fn phase(&self, claim: &str) -> String {
        let claim = self.get("persistentvolumeclaims", claim).unwrap();
        claim["status"]["phase"].as_str().unwrap_or_default().to_owned()
    }
}

#[tokio::test(start_paused = true)]
async fn a_claim_gets_a_volume_at_once_or_with_its_first_pod_and_takes_it_along() {
    let world = World::new(1);
    let provisioner = "sandbox.hanse.dev/volumes";
    for (name, mode) in [("standard", "Immediate"), ("late", "WaitForFirstConsumer")] {
        world.create("storage.k8s.io", "storageclasses", class(name, mode, provisioner));
        world.create("", "persistentvolumeclaims", claim(name, name));
    }
    world.after(5).await;
    assert_eq!(
        [world.phase("standard"), world.phase("late")],
        ["Bound", "Pending"]
    );
    world.create("", "pods", pod_with("late"));
    world.after(5).await;
    assert_eq!(world.phase("late"), "Bound");
    assert_eq!(world.ready_pods(), 1);
    assert_eq!(world.list("persistentvolumes").len(), 2);
    world.delete("", "persistentvolumeclaims", "standard", Propagation::Background);
    world.after(5).await;
    assert_eq!(world.list("persistentvolumes").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_pod_waits_for_its_claim_and_a_claim_for_a_volume_that_fits() {
    let world = World::new(1);
    let volume = |name: &str, size: &str| {
        json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
            "spec": {
                "capacity": {"storage": size}, "accessModes": ["ReadWriteOnce"], "volumeMode": "Filesystem",
                "storageClassName": "by-hand", "hostPath": {"path": "/disk"},
            },
        })
    };
    world.create("", "pods", pod_with("disk"));
    world.create("", "persistentvolumes", volume("tiny", "100Mi"));
    world.after(5).await;
    let told = |world: &World| {
        world.pods()[0]["status"]["conditions"][0]["message"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert!(
        told(&world).contains("persistentvolumeclaim \"disk\" not found"),
        "{}",
        told(&world)
    );
    world.create("", "persistentvolumeclaims", claim("disk", "by-hand"));
    world.after(5).await;
    assert!(told(&world).contains("unbound immediate"), "{}", told(&world));
    for (name, size) in [("huge", "9Ti"), ("fits", "1Gi")] {
        world.create("", "persistentvolumes", volume(name, size));
    }
    world.after(5).await;
    let disk = world.get("persistentvolumeclaims", "disk").unwrap();
    assert_eq!(
        (&disk["spec"]["volumeName"], world.ready_pods()),
        (&json!("fits"), 1)
    );
    world.delete("", "persistentvolumeclaims", "disk", Propagation::Background);
    world.after(5).await;
    let fits = world
        .server
        .store()
        .get(&Key::new("persistentvolumes", None, "fits"))
        .unwrap();
    assert_eq!(fits["status"]["phase"], "Released");
}

#[tokio::test(start_paused = true)]
async fn an_autoscaler_keeps_its_bounds_and_scales_as_the_script_says() {
    let world = World::new(1);
    world.create("apps", "deployments", deployment("web", 1));
    world.create(
        "autoscaling",
        "horizontalpodautoscalers",
        json!({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
                "minReplicas": 2, "maxReplicas": 5,
            },
        }),
    );
    let replicas = || world.get("deployments.apps", "web").unwrap()["spec"]["replicas"].clone();
    world.after(20).await;
    assert_eq!(replicas(), 2);
    world
        .levers
        .script_replicas(|_, now| Some(if now.as_second() < START + 60 { 4 } else { 9 }));
    world.after(20).await;
    assert_eq!(replicas(), 4);
    world.after(60).await;
    assert_eq!(replicas(), 5);
    let web = world.get("deployments.apps", "web").unwrap();
    let fields = web["metadata"]["managedFields"].as_array().unwrap();
    let of_scale = fields
        .iter()
        .find(|entry| entry["subresource"] == "scale")
        .unwrap();
    assert_eq!(of_scale["fieldsV1"], json!({"f:spec": {"f:replicas": {}}}));
}
