//! Removing what a server allocated (PROTOCOL §3.5).
