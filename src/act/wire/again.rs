//! When a broken watch of the hub API is tried again.

use std::time::Duration;

use kube::runtime::utils::Backoff;

/// After 200 ms, doubled up to 5 s. The library's own default waits up to a minute
/// after bad weather, and in that minute nobody's change is taken up.
#[derive(Debug, Default)]
pub struct Again {
    failures: u32,
}

impl Iterator for Again {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let delay = FIRST_RETRY.saturating_mul(1 << self.failures.min(5));
        self.failures += 1;
        Some(delay.min(LAST_RETRY))
    }
}

impl Backoff for Again {
    fn reset(&mut self) {
        self.failures = 0;
    }
}

const FIRST_RETRY: Duration = Duration::from_millis(200);
const LAST_RETRY: Duration = Duration::from_secs(5);
