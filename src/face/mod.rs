//! What people and machines see.

pub mod cli;
pub mod server;
