//! Which policy governs which template.
