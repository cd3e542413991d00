//! What things are: values, and pure functions on them that every other floor may use.
//!
//! Nothing here knows a client, a clock or a task. Text from outside becomes a value here, once, at its edge:
//! names are validated ([`name`]), quantities become integers ([`quantity`]), YAML becomes objects with
//! positions ([`manifest`]), and what is wrong with them becomes a [`manifest::Diagnostic`].

pub mod api;
pub mod cel;
pub mod clock;
pub mod fleet;
pub mod hash;
pub mod kind;
pub mod manifest;
pub mod mark;
pub mod name;
pub mod pod;
pub mod quantity;
pub mod schema;
pub mod template;
