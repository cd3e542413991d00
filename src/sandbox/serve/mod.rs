//! HTTP: requests become calls of `api`, and objects become answers.

pub(crate) mod discovery;
pub(crate) mod listen;
