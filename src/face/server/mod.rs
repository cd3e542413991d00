//! HTTP: liveness, readiness, metrics.
