//! Verbs, output, progress.
