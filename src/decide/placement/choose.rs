//! Whether a choice of members contains a member.
