//! What is different about an object in one member, made on the object before the hub's marks are put on it.
//!
//! ```text
//! overrides of the template, in order ─► rules that choose the member ─► ${…} filled in ─► image, env, args, labels,
//!                                                                  annotations, command, patch ─► looked over ─► object
//! ```
//!
//! All or nothing: what cannot be made is an error, and then the object is not applied to that member at all. Where it
//! cannot be told whether a rule is for a member, nothing is changed there.

mod change;
mod error;
mod image;
mod lint;
mod member;
mod placeholder;

pub use change::change;
pub use error::{OverrideError, Wrong};
pub use lint::{Fault, lint};
pub use member::{overridden, overridden_items};

#[cfg(test)]
mod tests;
