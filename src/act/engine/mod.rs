//! Hub API watches, index, work queue, election, binding writes, loops, shutdown.
