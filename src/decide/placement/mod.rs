//! Which members a template runs in, and why not in the others.
