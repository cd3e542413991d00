//! What ends, and what goes with it.

use super::*;

#[tokio::test(start_paused = true)]
async fn every_namespace_has_an_account_and_the_root_certificate() {
    let world = World::new(0);
    world.create(
        "",
        "namespaces",
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "new"}}),
    );
    world.after(1).await;
    let has = |resource: &str, name: &str| {
        world
            .server
            .store()
            .get(&Key::new(resource, Some("new"), name))
            .is_some()
    };
    assert!(has("serviceaccounts", "default") && has("configmaps", "kube-root-ca.crt"));
    let target = world
        .server
        .target("", "serviceaccounts", "new", "default")
        .unwrap();
    let writer = Writer::controller("test");
    world
        .server
        .delete(&writer, &target, &DeleteOptions::default())
        .unwrap();
    world.after(1).await;
    assert!(has("serviceaccounts", "default"));
}

#[tokio::test(start_paused = true)]
async fn a_namespace_ends_with_all_that_is_in_it() {
    let world = World::new(1);
    world.create("apps", "deployments", deployment("web", 3));
    world.after(5).await;
    world.delete("", "namespaces", "shop", Propagation::Background);
    world.after(5).await;
    assert!(world.get("namespaces", "shop").is_none());
    assert!(world.pods().is_empty() && world.list("configmaps").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_namespace_tells_what_holds_it() {
    let world = World::new(1);
    let held = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "held", "namespace": "shop", "finalizers": ["example.com/hold"]},
    });
    world.create("", "configmaps", held);
    world.delete("", "namespaces", "shop", Propagation::Background);
    world.after(5).await;
    let namespace = world.get("namespaces", "shop").unwrap();
    let message = |kind: &str| {
        let conditions = namespace["status"]["conditions"].as_array().unwrap();
        super::super::conditions::find(conditions, kind).unwrap()["message"].clone()
    };
    assert_eq!(
        message("NamespaceContentRemaining"),
        "Some resources are remaining: configmaps. has 1 resource instances"
    );
    assert_eq!(
        message("NamespaceFinalizersRemaining"),
        "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances"
    );
    let before = world.server.store().revision();
    world.after(3600).await;
    assert_eq!(
        world.server.store().revision(),
        before,
        "it waits without writing"
    );
    world.update("", "configmaps", "held", |map| {
        map["metadata"]["finalizers"] = json!([]);
    });
    world.after(5).await;
    assert!(world.get("namespaces", "shop").is_none());
}

fn map(name: &str, owners: &[&Object]) -> Value {
    let owners: Vec<Value> = owners
        .iter()
        .map(|owner| {
            json!({
                "apiVersion": "v1", "kind": "ConfigMap", "name": owner["metadata"]["name"],
                "uid": owner["metadata"]["uid"], "blockOwnerDeletion": true,
            })
        })
        .collect();
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "shop", "ownerReferences": owners},
    })
}

#[tokio::test(start_paused = true)]
async fn dependents_go_with_their_last_owner() {
    let world = World::new(0);
    let (one, two) = (
        world.create("", "configmaps", map("one", &[])),
        world.create("", "configmaps", map("two", &[])),
    );
    let child = world.create("", "configmaps", map("child", &[&one, &two]));
    world.create("", "configmaps", map("grandchild", &[&child]));
    world.delete("", "configmaps", "one", Propagation::Background);
    world.after(1).await;
    let child = world.get("configmaps", "child").unwrap();
    assert_eq!(child["metadata"]["ownerReferences"].as_array().unwrap().len(), 1);
    world.delete("", "configmaps", "two", Propagation::Background);
    world.after(1).await;
    assert!(world.get("configmaps", "child").is_none());
    assert!(world.get("configmaps", "grandchild").is_none());
}

#[tokio::test(start_paused = true)]
async fn an_object_that_names_an_owner_that_never_was_goes() {
    let world = World::new(0);
    let ghost = std::sync::Arc::new(json!({"metadata": {"name": "ghost", "uid": "none"}}));
    world.create("", "configmaps", map("child", &[&ghost]));
    world.after(1).await;
    assert!(world.get("configmaps", "child").is_none());
}

#[tokio::test(start_paused = true)]
async fn orphans_lose_their_owner_and_stay() {
    let world = World::new(0);
    let owner = world.create("", "configmaps", map("owner", &[]));
    world.create("", "configmaps", map("child", &[&owner]));
    world.delete("", "configmaps", "owner", Propagation::Orphan);
    world.after(1).await;
    assert!(world.get("configmaps", "owner").is_none());
    let child = world.get("configmaps", "child").unwrap();
    assert!(child["metadata"]["ownerReferences"].is_null());
}

#[tokio::test(start_paused = true)]
async fn an_owner_in_the_foreground_waits_for_its_dependents() {
    let world = World::new(0);
    let owner = world.create("", "configmaps", map("owner", &[]));
    let mut child = map("child", &[&owner]);
    child["metadata"]["finalizers"] = json!(["example.com/hold"]);
    world.create("", "configmaps", child);
    world.delete("", "configmaps", "owner", Propagation::Foreground);
    world.after(1).await;
    assert!(world.get("configmaps", "owner").is_some());
    assert!(crate::sandbox::object::is_deleting(
        &world.get("configmaps", "child").unwrap()
    ));
    world.update("", "configmaps", "child", |map| {
        map["metadata"]["finalizers"] = json!([]);
    });
    world.after(1).await;
    assert!(world.get("configmaps", "owner").is_none() && world.get("configmaps", "child").is_none());
}
