//! Order inside a member: what a workload can't start without, and how much waits.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Federation, Fleet, NotYet, eventually};
use crate::scenario::Scenario;
use crate::shop::{SOON, Shop, config_map, create, deployment};

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::federated("a_workload_waits_for_what_it_cannot_start_without", waits),
        Scenario::federated("what_a_member_has_already_is_not_waited_for", there_already),
    ]
}

fn following() -> Value {
    json!({
        "resourceSelectors": [{"apiVersion": "apps/v1", "kind": "Deployment"}],
        "placement": {"terms": [{"clusters": {"names": ["member-1", "member-2"]}}]},
        "dependencies": "Follow",
    })
}

fn needing(name: &str, optional: bool) -> Value {
    let mut web = deployment(name);
    web["spec"]["template"]["spec"]["containers"][0]["envFrom"] = json!([
        {"configMapRef": {"name": "settings", "optional": optional}},
        {"configMapRef": {"name": "extras", "optional": true}},
    ]);
    web
}

async fn waits(fleet: &Fleet, federation: &Federation) {
    let shop = Shop::open_with(fleet, &federation.hub, "waiting", following()).await;
    shop.apply(&[needing("web", false), needing("easy", true)]).await;
    let message = shop
        .condition("Deployment", "web", "Applied", "False", "DependencyMissing")
        .await;
    assert!(
        message.contains("ConfigMap settings") && !message.contains("extras"),
        "{message}"
    );
    // What is optional is nothing to wait for.
    shop.within(SOON, &[0, 1], "Deployment", "easy", "it is applied", |_| true)
        .await;
    shop.nowhere(&[0, 1], "Deployment", "web").await;
    shop.apply(&[config_map("settings", "x")]).await;
    for (kind, name) in [("ConfigMap", "settings"), ("Deployment", "web")] {
        shop.within(SOON, &[0, 1], kind, name, "it is there", |_| true)
            .await;
    }
    shop.condition("Deployment", "web", "Applied", "True", "Applied")
        .await;
    eventually(SOON, "the metrics show the lanes", async || {
        let text = metrics(federation.serve.address())
            .await
            .map_err(|error| NotYet(error.to_string()))?;
        let shown = ["hanse_lane_depth", "hanse_lane_in_flight", "hanse_lane_waiting"]
            .iter()
            .all(|name| text.contains(&format!("{name}{{cluster=\"member-1\"}}")));
        if shown { Ok(()) } else { Err(NotYet(text)) }
    })
    .await;
    shop.close().await;
}

async fn metrics(address: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}

async fn there_already(fleet: &Fleet, federation: &Federation) {
    let shop = Shop::open_with(fleet, &federation.hub, "thereal", following()).await;
    shop.apply(&[deployment("first")]).await;
    shop.within(
        SOON,
        &[0, 1],
        "Deployment",
        "first",
        "it makes the namespace",
        |_| true,
    )
    .await;
    for number in [0, 1] {
        create(
            &shop.in_member(number, "ConfigMap"),
            config_map("settings", "theirs"),
        )
        .await;
    }
    let mut web = needing("web", false);
    web["spec"]["template"]["spec"]["containers"][0]["image"] = json!("example.dev/app:7");
    shop.apply(&[web]).await;
    shop.within(SOON, &[0, 1], "Deployment", "web", "it is applied", |_| true)
        .await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    for number in [0, 1] {
        let map = shop.seen(number, "ConfigMap", "settings").await;
        assert_eq!(map["data"]["text"], "theirs", "and left as it is");
    }
    shop.close().await;
}
