//! Reading manifests and policy files: YAML with positions, and what is wrong with it as diagnostics.
//!
//! ```text
//! paths ─load─► texts ─read─► (Vec<Document>, Vec<Diagnostic>)
//!                              │ object: the JSON value kubectl would send
//!                              │ at(pointer): where a field stands, to say what is wrong with it
//! ```
//!
//! Nothing here prints: [`Diagnostic`] is a value, `face::cli` draws it. A document with a diagnostic of
//! severity [`Severity::Error`] from reading is never returned as a [`Document`], so what is returned has a
//! kind, a valid name, and no key twice. Every [`Code`] has a page in `docs/errors/`.
//!
//! Scalars are read as kubectl reads them (`014` is 12, `0x1f` is 31, dates stay strings), with one exception
//! that is on purpose: only `true` and `false` are booleans, so `no`, `on` and `y` stay strings.

mod broken;
mod code;
mod compose;
mod diagnostic;
mod document;
mod load;
mod names;
mod read;
mod scalar;
mod source;
#[cfg(test)]
mod tests;
mod tree;

pub use code::Code;
pub use diagnostic::{Diagnostic, Excerpt, Severity};
pub use document::{Document, Place};
pub use load::{LoadError, STDIN, Text, load};
pub use read::read;
pub use source::{Source, Span};
