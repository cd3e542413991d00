//! Holding one write for ever, so that its client can be killed in the middle of it.

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

/// Resolves when the write is there and held.
#[derive(Debug)]
pub struct Stopped(oneshot::Receiver<()>);

impl Stopped {
    /// Waits for the write. False when it can't come any more: other faults took its place.
    pub async fn wait(&mut self) -> bool {
        (&mut self.0).await.is_ok()
    }
}

#[derive(Debug)]
pub(super) struct Stop {
    user: String,
    left: usize,
    pub(super) moment: Moment,
    reached: Option<oneshot::Sender<()>>,
}

impl Stop {
    pub(super) fn new(user: &str, number: usize, moment: Moment) -> (Self, Stopped) {
        let (reached, waits) = oneshot::channel();
        let stop = Self {
            user: user.to_owned(),
            left: number.max(1),
            moment,
            reached: Some(reached),
        };
        (stop, Stopped(waits))
    }

    /// Counts a write; what is due is handed out once, and every later write of the user is held as well: who is to
    /// be killed does nothing more.
    pub(super) fn count(&mut self, user: &str) -> Option<Self> {
        if !user.starts_with(&self.user) {
            return None;
        }
        self.left = self.left.saturating_sub(1);
        (self.left == 0).then(|| Self {
            user: self.user.clone(),
            left: 0,
            moment: if self.reached.is_some() {
                self.moment
            } else {
                Moment::Before
            },
            reached: self.reached.take(),
        })
    }

    /// Tells who waits, and never answers.
    pub(super) async fn for_ever<T>(mut self) -> Result<T, BoxError> {
        if let Some(reached) = self.reached.take() {
            let _ = reached.send(());
        }
        std::future::pending().await
    }
}
