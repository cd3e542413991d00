//! The body of an answer: all at once, or a watch's lines as they come.

use futures::{Stream, StreamExt as _};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Bytes;
use tower::BoxError;

/// The body of an answer. A watch has one frame per event; dropping it ends the watch.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

pub(crate) fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

pub(super) fn lines(lines: impl Stream<Item = Bytes> + Send + 'static) -> Body {
    StreamBody::new(lines.map(|line| Ok(Frame::data(line)))).boxed_unsync()
}
