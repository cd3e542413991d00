//! A Kubernetes in this process: an API server, its controllers, a scheduler and nodes, without sockets or files.
//!
//! ```text
//! kube::Client ─► faults ─► serve ─► access ─► api ──► write ──► store ─┬─► watches
//!  (tower, or      429,5xx   HTTP     who may   verbs   defaults,        │
//!   TLS on         cuts      paths    what              patches,         └─► actors ─► api
//!   loopback)                                           validation             deployments, pods, namespaces …
//! ```
//!
//! It exists so that the hub, unchanged, runs against a whole fleet in one process: the demo needs nothing installed,
//! tests take milliseconds, days with faults pass under a paused clock and come back from a seed. It is not for
//! production: nothing outlives the process. The parity suite plays the same requests against it and against the real
//! API server; `docs/reference/sandbox.md` lists what differs, and why.
//!
//! What each room may know: [`store`] knows objects and revisions but no kinds; [`kinds`] knows shapes but no objects;
//! `write` is pure (old object, request, kind → new object or refusal); `access` decides from users and roles;
//! `api` is the only one that puts them together, and the only one the actors and `serve` call. All but waiting
//! for a watch is synchronous: a request is answered whole, at one revision.

pub(crate) mod access;
pub(crate) mod actors;
pub(crate) mod admission;
pub(crate) mod api;
mod cluster;
#[cfg(test)]
mod cluster_tests;
pub(crate) mod crd;
pub(crate) mod failure;
mod faults;
pub(crate) mod kinds;
pub(crate) mod object;
pub(crate) mod selector;
pub(crate) mod serve;
pub(crate) mod store;
pub(crate) mod task;
pub(crate) mod write;

pub use actors::{Actors, KubeletScript, Levers, NodeSize, Play, Rule};
pub use api::Write;
pub use cluster::{ADMIN, Cluster, Listening, Options, Service};
pub use faults::{Faults, Moment, Odds, Stop, Stopped};
pub use serve::Body;
pub use serve::listen::Error as ListenError;
