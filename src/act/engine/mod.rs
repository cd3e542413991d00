//! The loops: what is seen at the hub API becomes decisions, decisions become bindings, bindings become work.
//!
//! ```text
//! hub API ─watch─► Index ─► queue ─► reconcile: decide ─► binding written ─► lanes, one per member ─► member
//!                    ▲                    ▲                                        │
//!                    └── own answers      └── Change (fleet) ◄─ rows ◄─ watch ◄────┘
//!                                                │
//!                            status queue ◄──────┘ ─► binding status, template status
//! ```
//!
//! Everything is keyed by [`BindingKey`](crate::model::fleet::BindingKey) and level-triggered: a pass reads
//! what is, does what is missing, and may be lost, repeated or late. Only the leader's passes write. Nothing
//! is decided before every watch of the hub API has shown its first list.

mod assumed;
mod bindings;
mod bundle;
mod claims;
mod clusters;
mod compare;
mod confirmed;
mod decision;
mod drift;
mod election;
#[expect(
    clippy::module_inception,
    reason = "the file holds the type that gives the room its name"
)]
mod engine;
mod error;
mod follow;
mod hold;
mod index;
mod kind_rules;
mod lanes;
mod members;
mod needs;
mod overrides;
mod policies;
mod reconcile;
mod recreate;
mod removals;
mod remove;
mod scaled;
mod serve;
mod sinks;
mod status;
mod sums;
mod suspended;
mod sweep;
mod templates;
mod tenants;
mod trouble;

pub use election::LeaseTimes;
pub use error::Error;
pub use serve::{Options, serve};
