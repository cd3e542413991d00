//! What people see of a kind.
