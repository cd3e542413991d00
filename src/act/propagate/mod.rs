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

mod adopt;
mod apply;
mod difference;
mod drift;
mod events;
mod hand_over;
mod ledger;
mod proof;
mod prune;
mod status;

pub use apply::{Applied, Wish, apply};
pub use drift::Drift;
pub use events::{Events, Note};
pub use ledger::{Ledger, Looked, Problem, Standing, Trials};
pub use prune::{Pruned, orphan, prune, prune_with_all};
pub use status::{
    Rows, Scheduling, Standings, binding_status, bundle_status, cleared_status, is_settled, template_status,
};
