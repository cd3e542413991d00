//! At rest nothing is written.

use std::time::Duration;

use hanse::face::cli::embedded::Embedded;
use hanse::sandbox::Write;

use crate::shop::{apply_all, federation, seed, settled};

/// Writes of all clusters but those of Leases.
fn writes(federation: &Embedded) -> Vec<(String, Write)> {
    let of = |cluster: &hanse::sandbox::Cluster| {
        let name = cluster.name().to_owned();
        let writes = cluster
            .writes()
            .into_iter()
            .filter(|write| write.resource != "leases");
        writes.map(move |write| (name.clone(), write)).collect::<Vec<_>>()
    };
    federation.clusters().flat_map(of).collect()
}

#[tokio::test(start_paused = true)]
async fn a_virtual_hour_at_rest_and_a_restart_write_nothing_but_leases() {
    let mut federation = federation(seed()).await;
    apply_all(federation.hub()).await;
    settled(&federation).await;
    // Numbers of Clusters may follow for 30 s.
    tokio::time::sleep(Duration::from_mins(1)).await;
    let before = writes(&federation).len();
    tokio::time::sleep(Duration::from_hours(1)).await;
    let after = writes(&federation);
    assert_eq!(after[before..], [], "at rest");

    federation.kill().await;
    federation.serve().await.unwrap();
    tokio::time::sleep(Duration::from_mins(2)).await;
    assert_eq!(federation.waiting(), Vec::<String>::new());
    // The token the hub got to serve again is no write of the hub's.
    let ours = |(_, write): &(String, Write)| write.user.starts_with("system:serviceaccount:hanse-system:");
    let written: Vec<_> = writes(&federation)[before..]
        .iter()
        .filter(|write| ours(write))
        .cloned()
        .collect();
    assert_eq!(written, [], "after a restart");
    federation.end().await;
}
