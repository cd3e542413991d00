//! What the hub must understand of pods: label selectors, taints, requests.
