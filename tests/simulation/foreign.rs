//! What is somebody else's stays as it is.

use serde_json::json;

use crate::shop::{
    SHOP, api, apply, delete, deployment, federation, gone, judge, observe, plant_foreign, policy, seed,
    templates, tenant, until,
};

#[tokio::test(start_paused = true)]
async fn an_object_of_somebody_else_outlives_template_policy_and_tenant_untouched() {
    let federation = federation(seed()).await;
    let observer = observe(&federation);
    let [first, second, third] = federation.members() else {
        unreachable!("three members")
    };
    apply(federation.hub(), &tenant()).await;
    apply(federation.hub(), &policy()).await;
    // With its first object a namespace comes to a member.
    apply(federation.hub(), &deployment("cart", 1)).await;
    plant_foreign(second).await;
    for object in templates() {
        apply(federation.hub(), &object).await;
    }
    let maps = api(second.unfaulted(), "ConfigMap");
    let bindings = api(federation.admin(), "WorkloadBinding");
    until("the conflict is told", async || {
        let all = bindings
            .list(&kube::api::ListParams::default())
            .await
            .map_err(|error| error.to_string())?;
        let text = serde_json::to_string(&all.items).unwrap_or_default();
        if text.contains("Conflict") {
            Ok(())
        } else {
            Err(text)
        }
    })
    .await;
    let before = maps.get("text").await.unwrap();
    assert_eq!(before.data["data"], json!({"whose": "theirs"}));

    for object in templates() {
        let [of, name] = [&object["kind"], &object["metadata"]["name"]].map(|text| text.as_str().unwrap());
        delete(federation.hub(), of, name).await;
    }
    delete(federation.hub(), "Tenant", SHOP).await;
    gone(&[first, third]).await;
    until("nothing of ours is left beside it", async || {
        match api(second.unfaulted(), "Deployment").get_opt("web").await {
            Ok(None) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    // A namespace that holds something of somebody else is not the hub's to delete.
    assert_eq!(
        maps.get("text").await.unwrap().metadata.resource_version,
        before.metadata.resource_version
    );
    assert!(maps.get_opt("foreign").await.unwrap().is_some());
    judge(&federation, &observer);
    federation.end().await;
}
