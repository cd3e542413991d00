//! Watches that arrive late, with gaps, or not to their end.

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use tower::BoxError;

use super::{EventFate, Faults};
use crate::sandbox::serve::Body;

/// A watch with its faults. A frozen server holds its events back; a cut ends it without an error, as upstream does.
pub(super) fn through(faults: Faults, body: Body) -> Body {
    let mut cuts = faults.0.cuts.subscribe();
    cuts.mark_unchanged();
    let events = stream::unfold((faults, body, cuts), |(faults, mut body, mut cuts)| async move {
        loop {
            let frame = tokio::select! {
                biased;
                _ = cuts.changed() => return None,
                frame = body.frame() => frame?,
            };
            let (delay, fate) = faults.0.state.lock().event();
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            // A watch that has begun is cut off only with everything else.
            faults.thawed("").await;
            match fate {
                EventFate::Passes => return Some((frame, (faults, body, cuts))),
                EventFate::Dropped => {}
                EventFate::Cut => return None,
            }
        }
    });
    let events = events.map(|frame: Result<Frame<Bytes>, BoxError>| frame);
    StreamBody::new(events).boxed_unsync()
}
