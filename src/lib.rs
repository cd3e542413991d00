//! Hanse makes many Kubernetes clusters behave like one cluster with spare room.
//!
//! ```text
//! policy files, manifests ──hub apply──►  hub API  ◄── owners with kubectl
//!                                           │ watch
//!  member watches ─► facts ─► index ─► snapshot ─► plan ─► binding ─► intent ─► apply ─► member
//!         ▲                                                                          │
//!         └───────────────────────── status, drift, events ◄─────────────────────────┘
//! ```
//!
//! Four floors, each of which may use only the floors before it:
//!
//! - [`model`]: what things are. Values, and pure functions on them.
//! - [`decide`]: what should be. Pure and synchronous; time is an argument; every answer carries its reasons.
//! - [`act`]: what is done. Async, clients, retries.
//! - [`face`]: what people and machines see.
//!
//! [`telemetry`] stands beside them: it uses only `model`, and `act` and `face` use it. So does [`sandbox`], a
//! Kubernetes in this process: only the command line's demo and simulation, tests and benches use it.
//! `tests/architecture.rs` reads every `crate::` path and fails on any other arrow.

pub mod act;
pub mod decide;
pub mod face;
pub mod model;
pub mod sandbox;
pub mod telemetry;
