//! Tenant namespaces and rights, on the hub API and in members.
