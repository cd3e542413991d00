//! What follows from policies, tenants and members when they change or go.

use kube::api::DeleteParams;
use serde_json::{Value, json};

use crate::harness::{Federation, Fleet, NotYet, eventually};
use crate::scenario::Scenario;
use crate::shop::{SOON, Shop, config_map, create, everywhere_kind, merge, value};

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::federated("a_stronger_policy_takes_over_only_when_it_says_so", takeover),
        Scenario::federated(
            "without_its_policy_a_binding_is_frozen_until_another_matches",
            frozen,
        ),
        Scenario::federated(
            "a_policy_may_take_its_objects_with_it_or_leave_them",
            deletion_of_policies,
        ),
        Scenario::federated(
            "a_deleted_tenant_takes_its_objects_and_namespaces_and_nothing_else",
            tenant_goes,
        ),
        Scenario::federated("workloads_follow_the_labels_of_members", labels_move),
        Scenario::federated(
            "a_deleted_hub_namespace_ends_and_empties_the_members",
            namespace_goes,
        ),
    ]
}

fn policy(name: &str, spec: Value) -> Value {
    let mut all = json!({"resourceSelectors": [{"apiVersion": "v1", "kind": "ConfigMap"}]});
    json_patch::merge(&mut all, &spec);
    json!({"apiVersion": "hanse.dev/v1alpha1", "kind": "PropagationPolicy", "metadata": {"name": name}, "spec": all})
}

fn only(members: &[&str]) -> Value {
    json!({"placement": {"terms": [{"clusters": {"names": members}}]}})
}

fn with(mut spec: Value, more: Value) -> Value {
    json_patch::merge(&mut spec, &more);
    spec
}

async fn is_in(shop: &Shop<'_>, name: &str, members: &[usize]) {
    let others: Vec<usize> = (0..shop.fleet.members().len())
        .filter(|number| !members.contains(number))
        .collect();
    shop.within(
        SOON,
        members,
        "ConfigMap",
        name,
        &format!("it is in {members:?}"),
        |_| true,
    )
    .await;
    shop.nowhere(&others, "ConfigMap", name).await;
}

async fn takeover(fleet: &Fleet, federation: &Federation) {
    let shop = Shop::open_with(fleet, &federation.hub, "takeover", only(&["member-1"])).await;
    shop.apply_and_wait(&[config_map("text", "x")]).await;
    is_in(&shop, "text", &[0]).await;
    // Stronger, but the claim is kept.
    shop.apply(&[policy(
        "polite",
        with(only(&["member-2"]), json!({"priority": 5})),
    )])
    .await;
    shop.apply_and_wait(&[config_map("later", "x")]).await;
    is_in(&shop, "later", &[1]).await;
    is_in(&shop, "text", &[0]).await;
    shop.apply(&[policy(
        "rude",
        with(only(&["member-3"]), json!({"priority": 9, "takeover": "Always"})),
    )])
    .await;
    is_in(&shop, "text", &[2]).await;
    let binding = shop.binding("ConfigMap", "text").await.unwrap();
    assert_eq!(binding["spec"]["policy"]["name"], "rude");
    shop.close().await;
}

async fn frozen(fleet: &Fleet, federation: &Federation) {
    let shop = Shop::open_with(fleet, &federation.hub, "frozen", only(&["member-1", "member-2"])).await;
    shop.apply_and_wait(&[config_map("text", "one"), config_map("other", "one")])
        .await;
    shop.delete("PropagationPolicy", &shop.name).await;
    shop.condition("ConfigMap", "text", "Scheduled", "False", "PolicyGone")
        .await;
    shop.edit("ConfigMap", "text", json!({"data": {"text": "two"}}))
        .await;
    // What would have arrived by now: the same edit under a policy, in another namespace, is quick.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(shop.seen(0, "ConfigMap", "text").await["data"]["text"], "one");
    // Deletion is not held up by it.
    shop.delete("ConfigMap", "other").await;
    shop.nowhere(&[0, 1, 2], "ConfigMap", "other").await;
    shop.apply(&[policy("next", only(&["member-2", "member-3"]))])
        .await;
    shop.within(
        SOON,
        &[1, 2],
        "ConfigMap",
        "text",
        "the next policy brings the change",
        |live| live["data"]["text"] == "two",
    )
    .await;
    is_in(&shop, "text", &[1, 2]).await;
    shop.close().await;
}

async fn deletion_of_policies(fleet: &Fleet, federation: &Federation) {
    let shop = Shop::open(fleet, federation, "unpolicied").await;
    let selected = |name: &str, deletion: &str| {
        let selectors = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": name}]);
        policy(
            name,
            json!({"resourceSelectors": selectors, "deletion": {"policy": deletion}}),
        )
    };
    shop.delete("PropagationPolicy", &shop.name).await;
    shop.apply(&[selected("gone", "Delete"), selected("kept", "Orphan")])
        .await;
    shop.apply_and_wait(&[config_map("gone", "x"), config_map("kept", "x")])
        .await;
    for name in ["gone", "kept"] {
        shop.delete("PropagationPolicy", name).await;
    }
    shop.nowhere(&[0, 1, 2], "ConfigMap", "gone").await;
    shop.everywhere("ConfigMap", "kept", "it stays without our marks", |live| {
        live["metadata"]["labels"].get("hanse.dev/binding").is_none()
    })
    .await;
    // The templates are their owner's.
    assert!(shop.on_hub("ConfigMap").get_opt("gone").await.unwrap().is_some());
    shop.close().await;
}

async fn tenant_goes(fleet: &Fleet, federation: &Federation) {
    let shop = Shop::open(fleet, federation, "leaver").await;
    shop.apply_and_wait(&[config_map("text", "x"), config_map("more", "x")])
        .await;
    create(&shop.in_member(1, "ConfigMap"), config_map("foreign", "theirs")).await;
    let tenants = everywhere_kind(fleet.hub().admin(), "Tenant");
    tenants
        .delete(&shop.name, &DeleteParams::default())
        .await
        .unwrap();
    shop.nowhere(&[0, 1, 2], "ConfigMap", "text").await;
    eventually(SOON, "the tenant ends", async || {
        match tenants.get_opt(&shop.name).await? {
            None => Ok(()),
            Some(tenant) => Err(NotYet(value(&tenant).to_string())),
        }
    })
    .await;
    for number in [0, 2] {
        let namespaces = everywhere_kind(fleet.members()[number].admin(), "Namespace");
        eventually(
            SOON * 2,
            "its namespace in the member ends",
            async || match namespaces.get_opt(&shop.name).await? {
                None => Ok(()),
                Some(namespace) => Err(NotYet(value(&namespace).to_string())),
            },
        )
        .await;
    }
    assert_eq!(
        shop.seen(1, "ConfigMap", "foreign").await["data"]["text"],
        "theirs"
    );
    eventually(SOON, "the tenant has no right left there", async || {
        match shop
            .in_member(1, "RoleBinding")
            .list(&kube::api::ListParams::default())
            .await?
            .items
            .len()
        {
            0 => Ok(()),
            some => Err(NotYet(format!("{some} role bindings"))),
        }
    })
    .await;
    // The Tenant never deletes what is the hub's namespace.
    assert!(shop.on_hub("ConfigMap").get_opt("text").await.unwrap().is_some());
    shop.close().await;
}

async fn labels_move(fleet: &Fleet, federation: &Federation) {
    let key = fleet.namespace("wave");
    let terms =
        json!({"placement": {"terms": [{"clusters": {"selector": {"matchLabels": {key.clone(): "yes"}}}}]}});
    let shop = Shop::open_with(fleet, &federation.hub, "labels", terms).await;
    let clusters = everywhere_kind(fleet.hub().admin(), "Cluster");
    let label = async |member: &str, value: Value| {
        merge(
            &clusters,
            member,
            "owner",
            json!({"metadata": {"labels": {key.clone(): value}}}),
        )
        .await;
    };
    shop.apply(&[config_map("text", "x")]).await;
    shop.condition("ConfigMap", "text", "Scheduled", "False", "NoMatchingCluster")
        .await;
    label("member-1", json!("yes")).await;
    is_in(&shop, "text", &[0]).await;
    label("member-3", json!("yes")).await;
    is_in(&shop, "text", &[0, 2]).await;
    label("member-1", Value::Null).await;
    is_in(&shop, "text", &[2]).await;
    label("member-3", Value::Null).await;
    is_in(&shop, "text", &[]).await;
    shop.close().await;
}

async fn namespace_goes(fleet: &Fleet, federation: &Federation) {
    let shop = Shop::open(fleet, federation, "ending").await;
    shop.apply_and_wait(&[config_map("text", "x")]).await;
    let namespaces = everywhere_kind(fleet.hub().admin(), "Namespace");
    let uid = |object: kube::api::DynamicObject| object.metadata.uid;
    let before = uid(namespaces.get(&shop.name).await.unwrap());
    namespaces
        .delete(&shop.name, &DeleteParams::default())
        .await
        .unwrap();
    shop.nowhere(&[0, 1, 2], "ConfigMap", "text").await;
    // The tenant still wants it: it is made again, empty.
    eventually(
        SOON * 2,
        "the namespace has ended and is there again",
        async || match namespaces.get_opt(&shop.name).await?.map(uid) {
            Some(uid) if uid != before => Ok(()),
            other => Err(NotYet(format!("{other:?}"))),
        },
    )
    .await;
    shop.close().await;
}
