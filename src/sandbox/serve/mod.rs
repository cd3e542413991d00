//! HTTP: requests become calls of `api`, and objects become answers.

pub(crate) mod discovery;
pub(crate) mod listen;
pub(crate) mod openapi;
pub(crate) mod table;
