//! From a template to the exact bytes that one member shall hold.
//!
//! ```text
//! Template ─strip what the hub API allocated─► overrides ─► replicas ─► stamp ─► Intent
//!          ─fit to the member's schema─► Intent ─leave what is the members'─► Intent
//! ```
//!
//! The same input gives the same bytes: nothing here depends on time, on order of maps or on what was written
//! before.

mod fit;
mod intent;
mod leave;
mod overrides;
mod strip;

pub use fit::{NotKnown, fit};
pub use intent::{Context, Error, Intent, Replicas, render};
pub use leave::{NotLeft, leave, left_to_members};
pub use overrides::{Fault, OverrideError, Wrong, change, lint, overridden, overridden_items};
pub use strip::strip;
