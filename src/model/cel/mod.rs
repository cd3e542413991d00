//! Bounded CEL: expressions that people write in policies, with a limit on what one may cost.
