//! What a tenant owns in a member, and what it may not bring there.
