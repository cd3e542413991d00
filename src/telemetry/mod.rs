//! Tracing and the metric registry: the one place for metric names.
