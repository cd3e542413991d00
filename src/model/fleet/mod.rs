//! The fleet as a value: small fact rows about members, and the immutable snapshot every decision reads.
