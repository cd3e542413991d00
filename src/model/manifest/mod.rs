//! Reading manifests and policy files: YAML with positions, and what is wrong with it as diagnostics.
