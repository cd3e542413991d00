//! What is known of kinds: where replicas and pod templates lie in them, what they need to run, and which are
//! never propagated at all.
//!
//! ```text
//! built in ────────────┐
//! KindRules ─► Rule ───┼─► Kinds ─► replicas_pointer · pod_template_pointer · dependencies · rule
//! scale of CRDs ───────┘
//! ```
//!
//! [`Kinds`] is all of it at one moment; the free functions know only what is built in. Everything here answers
//! from the kind and the object alone; what a member serves is in `fleet::Apis`.

mod known;
mod needs;
mod never;
mod order;
mod rule;
mod shape;

pub use known::{Kinds, put_number, scale_pointer, take};
pub use needs::{Dependency, dependencies, mandatory};
pub use never::{Facts, Refusal, is_never_selected, is_told_of_each, never_selected};
pub use order::Stage;
pub use rule::{Fault, Problem, Rule};
pub use shape::{
    is_autoscaler, is_built_in, is_given_from_outside, pod_template_pointer, put_scale_range,
    replicas_pointer, scale_range, scale_target,
};
