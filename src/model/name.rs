//! Validated names.
