//! Tracing and the metric registry: the one place for metric names.
//!
//! Every metric is a field of [`Metrics`], with its name and its explanation beside it, so that none is named
//! twice and all can be listed. Labels are types: what may stand in them is bounded by the code, never by what
//! users write.

mod metrics;
mod trace;

pub use metrics::{Member, Metrics, Outcome, Verb, Write, metrics};
pub use trace::{Error, LogFormat, init};
