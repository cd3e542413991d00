//! What is done: watches, writes and retries. `wire ← fleet ← {propagate, enforce} ← engine`.

pub mod enforce;
pub mod engine;
pub mod fleet;
pub mod propagate;
pub mod wire;
