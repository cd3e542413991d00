//! At rest nothing is written.

use std::time::Duration;

use hanse::face::cli::embedded::Embedded;
use hanse::sandbox::{Cluster, Write};

use crate::shop::{apply_all, federation, seed, settled};

/// How much was written to each cluster so far.
fn written(federation: &Embedded) -> Vec<usize> {
    federation.clusters().map(Cluster::written).collect()
}

/// What was written to each cluster since, but Leases, and the token that a hub gets before it serves.
fn since(federation: &Embedded, before: &[usize]) -> Vec<(String, Write)> {
    let of = |(cluster, before): (&Cluster, &usize)| {
        let name = cluster.name().to_owned();
        let writes = cluster.writes_since(*before).into_iter();
        let counts =
            |write: &Write| write.resource != "leases" && write.subresource.as_deref() != Some("token");
        writes
            .filter(counts)
            .map(move |write| (name.clone(), write))
            .collect::<Vec<_>>()
    };
    federation.clusters().zip(before).flat_map(of).collect()
}

#[tokio::test(start_paused = true)]
async fn a_virtual_hour_at_rest_and_a_restart_write_nothing_but_leases() {
    let mut federation = federation(seed()).await;
    apply_all(federation.hub()).await;
    settled(&federation).await;
    // Numbers of Clusters may follow for 30 s.
    tokio::time::sleep(Duration::from_mins(1)).await;
    let before = written(&federation);
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert_eq!(since(&federation, &before), [], "at rest");

    let before = written(&federation);
    federation.kill().await;
    federation.serve().await.unwrap();
    tokio::time::sleep(Duration::from_mins(2)).await;
    assert_eq!(federation.waiting(), Vec::<String>::new());
    assert_eq!(since(&federation, &before), [], "after a restart");
    federation.end().await;
}
