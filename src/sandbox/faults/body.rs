//! Watches that arrive late, with gaps, or not to their end.

use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use tokio::sync::watch;
use tower::BoxError;

use super::{EventFate, Faults, broken};
use crate::sandbox::serve::Body;

/// What is followed, and what may end it.
struct Through {
    faults: Faults,
    body: Body,
    cuts: watch::Receiver<u64>,
    silences: watch::Receiver<u64>,
    /// It has failed: nothing comes after that.
    failed: bool,
}

/// A watch with its faults. A frozen server holds its events back; a cut ends it without an error, as upstream does; one
/// that is half open fails after its deadline.
pub(super) fn through(faults: Faults, body: Body) -> Body {
    let (mut cuts, mut silences) = (faults.0.cuts.subscribe(), faults.0.silences.subscribe());
    cuts.mark_unchanged();
    silences.mark_unchanged();
    let watching = Through {
        faults,
        body,
        cuts,
        silences,
        failed: false,
    };
    let events = stream::unfold(watching, async |mut watching| {
        let frame = watching.next().await?;
        Some((frame, watching))
    });
    StreamBody::new(events.boxed()).boxed_unsync()
}

impl Through {
    async fn next(&mut self) -> Option<Result<Frame<Bytes>, BoxError>> {
        if self.failed {
            return None;
        }
        loop {
            let frame = tokio::select! {
                biased;
                _ = self.cuts.changed() => return None,
                _ = self.silences.changed() => {
                    let deadline = self.faults.0.state.lock().half_open_for;
                    return self.silence(deadline).await;
                }
                frame = self.body.frame() => frame?,
            };
            let (delay, fate) = self.faults.0.state.lock().event();
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            // A watch that has begun is cut off only with everything else.
            self.faults.thawed("").await;
            match fate {
                EventFate::Passes => return Some(frame),
                EventFate::Dropped => {}
                EventFate::Cut => return None,
                EventFate::Silent(deadline) => return self.silence(deadline).await,
            }
        }
    }

    async fn silence(&mut self, deadline: Duration) -> Option<Result<Frame<Bytes>, BoxError>> {
        tokio::time::sleep(deadline).await;
        self.failed = true;
        Some(Err(broken("connection timed out")))
    }
}
