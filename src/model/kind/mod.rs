//! What is known of kinds: where replicas and the pod template are, what they depend on, what is never selected.
