//! What touches a socket, or decides whether a write may start.
