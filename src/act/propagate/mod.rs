//! Apply, prune, drift, status.
