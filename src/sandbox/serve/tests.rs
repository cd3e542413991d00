//! Requests and their answers, as a client sees them.
