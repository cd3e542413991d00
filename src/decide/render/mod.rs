//! From a template to the exact bytes one member should hold.
