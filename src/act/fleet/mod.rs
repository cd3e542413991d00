//! Members: connecting to them, watching over them, and folding what they hold into small rows.
//!
//! ```text
//! Cluster ─set─► Fleet ─► supervise ─► probe · identity · claim ─┐
//!  (engine)                  │          nodes · pods · kinds ────┼─► Snapshot (what decisions read)
//!                         Transport     objects · autoscalers ───┴─► MemberHandle (rows, for propagate)
//!                                             └─► Change ─► engine
//! ```
//!
//! Rows are never dropped because something could not be read: an object is gone when a watch said so or a
//! complete list does not have it, a kind when a complete discovery does not have it.

mod claim;
mod conditions;
mod context;
mod credentials;
mod discovery;
mod ending;
mod error;
mod facts;
#[expect(
    clippy::module_inception,
    reason = "the file holds the type that gives the room its name"
)]
mod fleet;
mod footprint;
mod grant;
mod join;
mod join_error;
mod kubeconfig;
mod leave;
mod member;
mod objects;
mod openapi;
mod ownership;
mod probe;
mod scalers;
mod slim;
mod status;
mod supervise;
mod survey;
mod takeover;
#[cfg(test)]
mod tests;
mod token;
mod transport;
mod watch;
mod watches;
mod watchman;

pub use claim::Claim;
pub use context::Change;
pub use discovery::discover;
pub use error::Error;
pub use fleet::{Fleet, FleetConfig};
pub use footprint::JOIN_VERSION;
pub use grant::secret_name;
pub use join::{Joined, Joiner, Wishes, join};
pub use join_error::JoinError;
pub use kubeconfig::{ALLOW, Allow, vet_kubeconfig};
pub use leave::{Drain, bindings_in, drain, footprint_commands, forget, forget_secret, remove_footprint};
pub use member::MemberHandle;
pub use ownership::read_claim;
pub use survey::{survey, unsurveyed};
pub use takeover::takeover;
pub use token::TokenTimes;
pub use transport::{KubeconfigTransport, Link, Transport};
pub use watches::WatchScope;
