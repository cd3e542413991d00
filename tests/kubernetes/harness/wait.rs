//! The one place where a test waits.

use std::fmt::Display;
use std::future::Future;
use std::time::{Duration, Instant};

/// How often a condition is looked at.
const PAUSE: Duration = Duration::from_millis(50);

/// A loaded machine is slow: bounds are printed, and fail only beyond this many times.
const LENIENCE: u32 = 4;

/// What was seen instead of what is waited for. Anything that can be displayed turns into it with `?` or `.into()`.
pub struct NotYet(pub String);

impl<T: Display> From<T> for NotYet {
    fn from(seen: T) -> Self {
        Self(seen.to_string())
    }
}

/// Waits until `look` answers `Ok`, which should be so within `bound`; returns the answer.
///
/// The time taken is printed beside the bound. Panics, with what was seen last, after four times the bound.
#[allow(clippy::panic, reason = "a test fails by panicking")]
pub async fn eventually<T, F, Fut>(bound: Duration, what: &str, look: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, NotYet>>,
{
    let started = Instant::now();
    match poll(bound * LENIENCE, look).await {
        Ok(value) => {
            let took = started.elapsed();
            let late = if took > bound { "  (late)" } else { "" };
            eprintln!("    {what}: {took:.1?} of {bound:?}{late}");
            value
        }
        Err(NotYet(seen)) => panic!("{what}: not so after {:?}; last seen: {seen}", started.elapsed()),
    }
}

/// Looks until the answer is `Ok` or the time is over, then returns the last answer. At least one look is finished
/// or cut off at the end of the time: a look that hangs does not hang the test.
pub(super) async fn poll<T, F, Fut>(within: Duration, mut look: F) -> Result<T, NotYet>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, NotYet>>,
{
    let deadline = tokio::time::Instant::now() + within;
    let mut last = NotYet::from("the first look did not finish");
    loop {
        match tokio::time::timeout_at(deadline, look()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(seen)) => last = seen,
            Err(_) => return Err(last),
        }
        if tokio::time::Instant::now() + PAUSE > deadline {
            return Err(last);
        }
        tokio::time::sleep(PAUSE).await;
    }
}
