//! The hub, unchanged, against a fleet in this process, under tokio's paused clock: `cargo test --test simulation`.
//!
//! What is drawn comes from a seed, which is printed; `HANSE_SEED=N cargo test --test simulation` draws the same again.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "everything here is a test"
)]

#[path = "../kubernetes/harness/audit.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "of the harness only this is used: there are no programs here"
)]
mod audit;
mod days;
mod foreign;
mod hours;
mod kills;
mod late;
#[path = "../observer/mod.rs"]
mod observer;
mod orders;
mod partial;
mod rest;
mod scale;
mod shop;
mod world;

use audit::Write;

/// As the hub's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
