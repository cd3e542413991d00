//! What touches a socket, or decides whether a write may start.
//!
//! ```text
//! kube::Client ─► identity header ─► gate + time limits ─► auth ─► HTTP/2 connections
//!   (per who)       (per tenant)      (writes only while leader)    (requests · probe · watches ≤ 60 each)
//! ```
//!
//! [`Stack`] is all of that for one API server. [`Target`] is the short list of ways to write to it. [`Tasks`]
//! is the only place where tasks start. Nothing here knows what is written, or why.

mod again;
mod count;
mod dial;
mod error;
mod gate;
mod identity;
mod lane;
mod observed;
mod queue;
mod resolve;
mod stack;
mod task;
mod write;

pub use again::Again;
pub use count::{HUB, count};
pub use dial::Dial;
pub use error::{Error, brief, is_certificate};
pub use gate::{Gate, NotLeader, TimedOut};
pub use identity::{ActAs, HubIdentity, TENANTS_NAMESPACE};
pub use lane::{Backlog, Lane, Outstanding};
pub use observed::{Editor, Managers, Observed, RollingUpdate, ScaleTarget, Spec, UpdateStrategy};
pub use queue::{Load, Queue, Work};
pub use resolve::is_link_local;
pub use stack::{HttpService, ResponseBody, Seat, Stack};
pub use task::Tasks;
pub use write::{Created, Target};
