//! A hub API that answers late, or not yet.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::shop::{apply, apply_all, deployment, federation, held, seed, settled, until};

/// Two requests of a renewal take longer than the renew deadline leaves: leadership is kept, and for most of the time
/// no write may start.
const LATE: Duration = Duration::from_millis(2500);

#[tokio::test(start_paused = true)]
async fn a_leader_that_renews_late_forgets_nothing_of_what_it_could_not_write() {
    let federation = federation(seed()).await;
    apply_all(federation.hub()).await;
    settled(&federation).await;
    // Faults that are over leave nothing that would look at everything again.
    federation.hub().faults().set_latency(LATE..LATE);
    tokio::time::sleep(Duration::from_secs(20)).await;
    for replicas in 3..10 {
        apply(federation.hub(), &deployment("web", replicas)).await;
        apply(federation.hub(), &deployment("cart", replicas)).await;
    }
    federation.hub().faults().clear();
    for member in federation.members() {
        until("the last numbers are in every member", async || {
            let held = held(member).await;
            let replicas = |name: &str| held[name]["spec"]["replicas"].clone();
            let seen = json!([replicas("Deployment/web"), replicas("Deployment/cart")]);
            (seen == json!([9, 9])).then_some(()).ok_or(seen.to_string())
        })
        .await;
    }
    federation.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_starts_before_its_hub_api_answers_waits_for_it_and_can_be_stopped_meanwhile() {
    let mut federation = federation(seed()).await;
    apply_all(federation.hub()).await;
    let fair = settled(&federation).await;
    federation.stop_hub().await;

    federation.serve().await.unwrap();
    federation.hub().faults().take_down();
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(federation.waiting(), ["the hub API"]);
    federation.hub().faults().bring_up();
    until("the hub serves", async || match federation.waiting() {
        waiting if waiting.is_empty() => Ok(()),
        waiting => Err(waiting.join(", ")),
    })
    .await;
    assert_eq!(settled(&federation).await, fair);
    federation.stop_hub().await;

    federation.serve().await.unwrap();
    federation.hub().faults().freeze();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let asked = Instant::now();
    federation.stop_hub().await;
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    federation.hub().faults().thaw();
    federation.end().await;
}
