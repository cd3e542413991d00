//! Hours in which things go wrong by chance.

use std::time::Duration;

use hanse::sandbox::Odds;
use serde_json::json;

use crate::shop::{apply, apply_all, deployment, federation, held, judge, observe, seed, settled};

#[tokio::test(start_paused = true)]
async fn an_hour_of_bad_weather_changes_nothing_in_the_end() {
    let seed = seed();
    let mut chances = fastrand::Rng::with_seed(seed);
    let mut federation = federation(seed).await;
    let observer = observe(&federation);
    apply_all(federation.hub()).await;
    let fair = settled(&federation).await;
    for cluster in federation.clusters() {
        cluster.faults().set_odds(Odds {
            too_many_requests: 20,
            server_errors: 20,
            refused_connections: 20,
            lost_replies: 20,
            cut_watches: 20,
            ..Odds::default()
        });
        cluster
            .faults()
            .set_latency(Duration::from_millis(1)..Duration::from_millis(80));
        cluster
            .faults()
            .set_watch_delay(Duration::ZERO..Duration::from_millis(300));
    }
    for minute in 0..60 {
        let victim = chances.usize(0..4);
        let cluster = federation.clusters().nth(victim).unwrap().clone();
        match chances.u8(0..6) {
            0 => cluster.compact(),
            1 => cluster.faults().cut_watches(),
            2 if victim > 0 => cluster.faults().freeze(),
            3 => {
                federation.kill().await;
                tokio::time::sleep(Duration::from_secs(chances.u64(0..20))).await;
                while federation.serve().await.is_err() {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
            4 => {
                let mut web = deployment("web", 2);
                web["spec"]["template"]["metadata"]["annotations"] = json!({"minute": minute.to_string()});
                apply(federation.hub(), &web).await;
            }
            _ => {}
        }
        tokio::time::sleep(Duration::from_mins(1)).await;
        cluster.faults().thaw();
        for member in federation.members() {
            let there = held(member).await;
            assert!(
                there.is_empty() || there.contains_key("Deployment/web"),
                "{} lost what was not to go",
                member.name()
            );
        }
    }
    for cluster in federation.clusters() {
        cluster.faults().clear();
    }
    apply_all(federation.hub()).await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(settled(&federation).await, fair);
    judge(&federation, &observer);
    federation.end().await;
}
