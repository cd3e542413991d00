//! The hub, unchanged, against a fleet in this process: `cargo test --test simulation`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "everything here is a test"
)]

use hanse::face::cli::embedded::{Embedded, Options, tokio_clock};

#[tokio::test(start_paused = true)]
async fn members_join_and_become_ready() {
    let options = Options {
        clock: tokio_clock(),
        ..Options::default()
    };
    drop(hanse::telemetry::init(
        hanse::telemetry::LogFormat::Text,
        "info,hanse=debug",
    ));
    let mut federation = Embedded::start(&options);
    let started = std::time::Instant::now();
    if let Err(error) = federation
        .federate(|step| eprintln!("{:?} {step}", started.elapsed()))
        .await
    {
        eprintln!("{error:?}");
        for cluster in federation.clusters() {
            for write in cluster
                .writes()
                .iter()
                .filter(|write| write.status >= 400)
                .take(20)
            {
                eprintln!("{} {write:?}", cluster.name());
            }
        }
        panic!("{error}");
    }
    eprintln!("federated after {:?}", started.elapsed());
    federation.end().await;
}
