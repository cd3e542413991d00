//! Bounded CEL: expressions that people write in policies, with a limit on what one may cost.
//!
//! ```text
//! text ─compile─► Program ─evaluate(variables)─► value
//!         │                    └ cost is estimated on the real sizes first; too costly is an error
//!         └ length, nesting, known variables and functions are checked here
//! ```
//!
//! The functions are those of the Kubernetes API server (strings, lists, sets, regex, quantity, semver, math,
//! format). Integers are signed, as there. Nothing here can stop an evaluation once it runs, so what may cost
//! too much is refused before.

mod bound;
mod cost;
mod functions;
mod names;
mod program;
mod rewrite;
#[cfg(test)]
mod tests;
mod value;

pub use program::{Error, Program};
