//! Stable hashes.
