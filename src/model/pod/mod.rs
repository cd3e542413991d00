//! What pods and labels are to the hub. For now: label selectors, compiled once and matched often.

mod selector;

pub use selector::{Error, LabelMatcher};
