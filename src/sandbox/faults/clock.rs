//! A clock that is wrong.

use std::sync::atomic::Ordering;

use jiff::SignedDuration;

use super::Faults;
use crate::model::clock::Clock;

impl Faults {
    /// The clock of the cluster: the true one, and by how much it is wrong.
    pub(crate) fn clock(&self, truth: &Clock) -> Clock {
        let (faults, truth) = (self.clone(), truth.clone());
        Clock::from_fn(move || {
            let now = truth.now();
            let ahead = SignedDuration::from_millis(faults.0.skew.load(Ordering::Relaxed));
            now.checked_add(ahead).unwrap_or(now)
        })
    }
}
