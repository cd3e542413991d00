//! The hub dies before and after each of its writes.

use hanse::face::cli::embedded::Embedded;
use hanse::sandbox::{Moment, Stop};

use crate::shop::{apply_all, federation, judge, observe, seed, settled};

/// The hub's accounts at the hub API (`hub-api`) and in members (`hub`).
const HUB: &str = "system:serviceaccount:hanse-system:hub";

/// Kills the hub at its write with this number. Whether there was one.
async fn killed_at(federation: &mut Embedded, number: usize, moment: Moment) -> bool {
    let (stop, mut stopped) = Stop::at_write(HUB, number, moment);
    for cluster in federation.clusters() {
        cluster.faults().stop_at(&stop);
    }
    let hub = federation.hub().clone();
    let reached = tokio::select! {
        biased;
        reached = stopped.wait() => reached,
        () = async { apply_all(&hub).await; settled(federation).await; } => false,
    };
    federation.kill().await;
    for cluster in federation.clusters() {
        cluster.faults().clear();
    }
    reached
}

#[tokio::test(start_paused = true)]
async fn killed_before_or_after_any_write_it_ends_in_the_same_state() {
    let seed = seed();
    let undisturbed = {
        let federation = federation(seed).await;
        apply_all(federation.hub()).await;
        let state = settled(&federation).await;
        federation.end().await;
        state
    };
    let mut kills = 0;
    for moment in [Moment::Before, Moment::After] {
        for number in 1.. {
            let mut federation = federation(seed).await;
            let observer = observe(&federation);
            let reached = killed_at(&mut federation, number, moment).await;
            if reached {
                kills += 1;
                federation.serve().await.unwrap();
                apply_all(federation.hub()).await;
                let state = settled(&federation).await;
                assert_eq!(state, undisturbed, "killed {moment:?} write {number}");
                judge(&federation, &observer);
            }
            federation.end().await;
            if !reached {
                assert!(number > 20, "only {number} writes were made");
                break;
            }
        }
    }
    eprintln!("{kills} kills");
}
