//! What is known of the built-in kinds: where replicas and pod templates lie in them, what they need to run,
//! and which are never propagated at all.
//!
//! Everything here answers from the kind and the object alone; what a member serves is in `fleet::Apis`.

mod needs;
mod never;
mod order;
mod shape;

pub use needs::{Dependency, dependencies, mandatory};
pub use never::{Facts, Refusal, is_never_selected, is_told_of_each, never_selected};
pub use order::Stage;
pub use shape::{is_autoscaler, pod_template_pointer, replicas_pointer, scale_target};
