//! What pods and nodes are to a decision: label selectors, what a pod asks of a node, what a node can still take.
//!
//! ```text
//! pod spec ─► PodSpec ─► Amounts (what it asks)     ┐
//! pod spec ─► PodShape (selector, affinity, taints) ├─► how many such pods the node can still take
//! node ─────► NodeFacts, NodeRoom (what is free)    ┘
//! ```

mod amounts;
mod node;
mod selector;
mod shape;
mod spec;

pub use amounts::{Amounts, ResourceList};
pub use node::{NodeFacts, NodeRoom, NodeTaint};
pub use selector::{Error, LabelMatcher};
pub use shape::{PodShape, Unfit};
pub use spec::PodSpec;
