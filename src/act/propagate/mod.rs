//! Apply, prune, drift, status: making members hold what bindings say, and saying what they hold.
//!
//! ```text
//! binding + intent ─► apply ─► member ─► row ─► status ─► binding, template
//!                     prune ◄─ removing          ▲
//!                     Ledger: what was written ──┘
//! ```
//!
//! Every write is made as the tenant. What was written is recorded in the [`Ledger`] and, with the status, in
//! the binding: the next pass compares with that and writes only when something differs.

mod apply;
mod events;
mod ledger;
mod proof;
mod prune;
mod status;

pub use apply::{Applied, Replicas, apply};
pub use events::{Events, Note};
pub use ledger::{Ledger, Problem, Standing};
pub use prune::{Pruned, orphan, prune};
pub use status::{Scheduling, Standings, binding_status, cleared_status, is_settled, template_status};
