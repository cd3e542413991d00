//! How an object is, and how its members sum up.
