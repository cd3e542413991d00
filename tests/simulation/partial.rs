//! Nothing is decided on a list that is not whole.

use std::time::Duration;

use rstest::rstest;
use serde_json::json;

use crate::shop::{SHOP, apply, apply_all, federation, judge, observe, policy, seed, settled};

/// Longer than a hub needs to lead: it could decide.
const LONG: Duration = Duration::from_mins(1);

/// What the hub wrote into members so far.
fn written(federation: &hanse::face::cli::embedded::Embedded) -> usize {
    let members = federation.members().iter();
    members.map(|member| member.writes().len()).sum()
}

#[rstest]
#[case::policies("/propagationpolicies")]
#[case::overrides("/overridepolicies")]
#[case::tenants("/tenants")]
#[case::clusters("/clusters")]
#[case::bindings("/workloadbindings")]
#[case::namespaces("/namespaces")]
#[case::templates("/deployments")]
#[tokio::test(start_paused = true)]
async fn a_hub_that_starts_touches_nothing_until_it_has_every_list(#[case] list: &'static str) {
    let mut federation = federation(seed()).await;
    let observer = observe(&federation);
    let mut policy = policy();
    policy["spec"]["deletion"] = json!({"policy": "Delete"});
    apply_all(federation.hub()).await;
    apply(federation.hub(), &policy).await;
    let labelled = json!({
        "apiVersion": "hanse.dev/v1alpha1", "kind": "OverridePolicy", "metadata": {"name": "labelled", "namespace": SHOP},
        "spec": {
            "resourceSelectors": [{"apiVersion": "*", "kind": "*"}],
            "rules": [{"labels": {"set": {"place": "${cluster.name}"}}}],
        },
    });
    apply(federation.hub(), &labelled).await;
    let before = settled(&federation).await;
    tokio::time::sleep(LONG).await;
    federation.kill().await;

    federation.hub().faults().freeze_paths(list);
    let writes = written(&federation);
    federation.serve().await.unwrap();
    tokio::time::sleep(LONG).await;
    assert_eq!(written(&federation), writes, "without the list of {list}");
    assert_ne!(
        federation.waiting(),
        Vec::<String>::new(),
        "it says what it waits for"
    );

    federation.hub().faults().thaw();
    tokio::time::sleep(LONG).await;
    assert_eq!(settled(&federation).await, before);
    assert_eq!(federation.waiting(), Vec::<String>::new());
    assert_eq!(written(&federation), writes, "once the list is whole");
    judge(&federation, &observer);
    federation.end().await;
}
