//! The fleet as a value: small fact rows about members, and the immutable snapshot every decision reads.
//!
//! Rows are folded out of watch events by `act::fleet`; member objects are never held whole. A row says what
//! was last seen, and [`Reach`] whether that may still be believed: old numbers are never shown as new.

mod apis;
mod key;
mod member;
mod row;

pub use apis::{ApiKind, Apis};
pub use key::BindingKey;
pub use member::{Held, Member, Nodes, Reach, Resources, Snapshot};
pub use row::{ObjectRow, Pace};
