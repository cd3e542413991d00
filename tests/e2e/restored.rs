//! A hub API that is put back to a backup while the hub runs.

use std::time::Duration;

use futures::future::join_all;
use serde_json::json;

use crate::harness::{Federation, Fleet, FleetOptions, NotYet, eventually};
use crate::scenario::Scenario;
use crate::shop::{Shop, config_map, merge, objects};

pub(crate) fn scenarios() -> Vec<Scenario> {
    let small = FleetOptions {
        members: 1,
        nodes_per_member: 1,
        ..FleetOptions::default()
    };
    vec![
        Scenario::alone(
            "a_hub_whose_api_is_restored_from_a_backup_begins_anew",
            small,
            restored,
        )
        .only_on_kubernetes("nothing of the sandbox outlives it: it has no store to back up"),
    ]
}

async fn restored(fleet: Fleet) {
    let federation = Federation::start(&fleet, env!("CARGO_BIN_EXE_hub"), &[])
        .await
        .unwrap();
    let shop = Shop::open(&fleet, &federation, "restored").await;
    shop.apply_and_wait(&[config_map("text", "one")]).await;
    let backup = fleet.back_up().unwrap();

    shop.apply_and_wait(&[config_map("text", "two"), config_map("late", "x")])
        .await;
    // Far enough that the servers' own writes after their start do not make up for it.
    let noise = objects(fleet.hub().admin(), "default", "ConfigMap");
    for round in 0..60 {
        let one = |lane: u32| {
            let text = json!({"data": {"round": format!("{round}")}});
            let noise = &noise;
            async move {
                let name = format!("noise-{lane}");
                if round == 0 {
                    crate::shop::create(noise, config_map(&name, "x")).await;
                }
                merge(noise, &name, "noise", text).await;
            }
        };
        join_all((0..20).map(one)).await;
    }
    let pid = federation.serve.pid();
    fleet.restore(&backup).await.unwrap();

    let bound = Duration::from_secs(30);
    eventually(bound, "the hub notices", async || {
        let log = federation.serve.log();
        if log.contains("restored from a backup") {
            Ok(())
        } else {
            Err(NotYet(log.lines().last().unwrap_or_default().to_owned()))
        }
    })
    .await;
    assert_eq!(federation.serve.pid(), pid);
    federation.wait_until_all_are_ready(&fleet).await.unwrap();
    // What was known of the later time is not believed any more, and what is new counts.
    shop.edit("ConfigMap", "text", json!({"data": {"text": "three"}}))
        .await;
    shop.within(bound, &[0], "ConfigMap", "text", "an edit arrives", |live| {
        live["data"]["text"] == "three"
    })
    .await;
    shop.apply_and_wait(&[config_map("after", "x")]).await;
    shop.within(bound, &[0], "ConfigMap", "after", "a new one arrives", |_| true)
        .await;
    assert!(
        shop.binding("ConfigMap", "late").await.is_none(),
        "nothing is left of what the backup does not have"
    );
    shop.delete("ConfigMap", "text").await;
    shop.nowhere(&[0], "ConfigMap", "text").await;
}
