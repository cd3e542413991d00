//! Kubernetes quantities as integers.
