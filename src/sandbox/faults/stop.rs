//! Holding one write for ever, so that its client can be killed in the middle of it.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tower::BoxError;

/// On which side of a write its client is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The write never happens.
    Before,
    /// The write has happened; nobody is told.
    After,
}

/// Which write is held. Clones count together.
#[derive(Debug, Clone)]
pub struct Stop(Arc<Mutex<Count>>);

#[derive(Debug)]
struct Count {
    user: String,
    seen: usize,
    number: usize,
    moment: Moment,
    reached: Option<oneshot::Sender<()>>,
}

/// Resolves when the write is there and held.
#[derive(Debug)]
pub struct Stopped(oneshot::Receiver<()>);

impl Stopped {
    /// Waits for the write. False when it can't come any more: nothing counts.
    pub async fn wait(&mut self) -> bool {
        (&mut self.0).await.is_ok()
    }
}

impl Stop {
    /// The write with this number, from 1, of users whose name begins with `user`; Leases are not counted: they are
    /// written by the clock. All later writes of these users are held too: who is to be killed does nothing more.
    #[must_use]
    pub fn at_write(user: &str, number: usize, moment: Moment) -> (Self, Stopped) {
        let (reached, waits) = oneshot::channel();
        let count = Count {
            user: user.to_owned(),
            seen: 0,
            number,
            moment,
            reached: Some(reached),
        };
        (Self(Arc::new(Mutex::new(count))), Stopped(waits))
    }

    /// How many writes were counted.
    #[must_use]
    pub fn seen(&self) -> usize {
        self.0.lock().seen
    }

    pub(super) fn count(&self, user: &str, path: &str) -> Option<Held> {
        let mut count = self.0.lock();
        let is_lease = path.contains("/leases/") || path.ends_with("/leases");
        if !user.starts_with(&count.user) || (is_lease && count.seen < count.number) {
            return None;
        }
        count.seen += 1;
        if count.seen < count.number {
            return None;
        }
        let is_the_one = count.seen == count.number;
        Some(Held {
            moment: if is_the_one { count.moment } else { Moment::Before },
            reached: count.reached.take(),
        })
    }
}

/// A write that is not answered.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) moment: Moment,
    reached: Option<oneshot::Sender<()>>,
}

impl Held {
    /// Tells who waits, and never answers.
    pub(super) async fn for_ever<T>(mut self) -> Result<T, BoxError> {
        if let Some(reached) = self.reached.take() {
            let _ = reached.send(());
        }
        std::future::pending().await
    }
}
