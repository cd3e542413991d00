//! The custom resources of the group `hanse.dev`, as `manifests/crds/` publishes them.
