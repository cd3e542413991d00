//! The write gate: whether a write of the hub may start.
//!
//! No API server checks an epoch, so a leader that lost its Lease can still land a late write. What can be
//! done is done here: after its own monotonic renew deadline nothing starts, every write has a time limit no
//! longer than `lease duration − renew deadline`, and a new leader waits that long before its first one.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use http::{Method, Request, Response, StatusCode, header::RETRY_AFTER};
use kube::client::Body;
use parking_lot::RwLock;
use tokio::time::Instant;
use tower::{BoxError, Layer, Service};

use super::stack::ResponseBody;

/// How long a write may take where nothing else is said: `lease duration − renew deadline` of the defaults.
const WRITE_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a read may take until its answer begins.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Open until a moment that the election moves on; closed until it is opened first.
#[derive(Debug, Clone)]
pub struct Gate {
    state: Arc<RwLock<State>>,
    write_limit: Duration,
}

impl Default for Gate {
    fn default() -> Self {
        Self::closed(WRITE_TIMEOUT)
    }
}

#[derive(Debug, Clone, Copy, Default)]
enum State {
    #[default]
    Closed,
    Until(Instant),
    Always,
}

impl Gate {
    /// A gate for commands that a person runs: there is no leader to be.
    #[must_use]
    pub fn always_open() -> Self {
        Self {
            state: Arc::new(RwLock::new(State::Always)),
            write_limit: WRITE_TIMEOUT,
        }
    }

    /// A gate that the election opens. A write may take `write_limit`, which is at most
    /// `lease duration − renew deadline` (PROTOCOL §6).
    #[must_use]
    pub fn closed(write_limit: Duration) -> Self {
        Self {
            state: Arc::default(),
            write_limit,
        }
    }

    /// Writes may start until `deadline`.
    pub fn open_until(&self, deadline: Instant) {
        *self.state.write() = State::Until(deadline);
    }

    /// No write starts from now on.
    pub fn close(&self) {
        *self.state.write() = State::Closed;
    }

    fn is_always_open(&self) -> bool {
        matches!(*self.state.read(), State::Always)
    }

    /// Whether a write may start now.
    #[must_use]
    pub fn is_open(&self) -> bool {
        match *self.state.read() {
            State::Closed => false,
            State::Until(deadline) => Instant::now() < deadline,
            State::Always => true,
        }
    }
}

/// Until when an API server asked to be left alone: `Retry-After` of its answers 429 and 503. Every write waits for it,
/// not only the one that was refused: the others would be refused too, and make it worse.
#[derive(Debug, Clone, Default)]
struct Pause(Arc<RwLock<Option<Instant>>>);

/// A server that asks for longer is asked again after this.
const PAUSE_MAX: Duration = Duration::from_secs(30);

impl Pause {
    async fn wait(&self) {
        loop {
            let until = *self.0.read();
            match until {
                Some(until) if until > Instant::now() => tokio::time::sleep_until(until).await,
                _ => return,
            }
        }
    }

    /// Takes up what an answer asks for.
    fn hear(&self, answer: &Response<ResponseBody>) {
        if !matches!(
            answer.status(),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
        ) {
            return;
        }
        let seconds = answer
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok());
        let Some(seconds) = seconds.and_then(|seconds| seconds.trim().parse().ok()) else {
            return; // a date is legal, and no API server sends one
        };
        let until = Instant::now() + Duration::from_secs(seconds).min(PAUSE_MAX);
        let mut pause = self.0.write();
        *pause = (*pause).max(Some(until));
    }
}

/// A write was not started because this process is not the leader (any more).
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("failed to write: this hub is not the leader")]
pub struct NotLeader;

/// The API server did not begin to answer in time; whether a write took effect is unknown.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("failed to get an answer within {0:?}")]
pub struct TimedOut(pub Duration);

/// Puts the gate and the time limits before a service.
#[derive(Debug, Clone)]
pub(super) struct GateLayer(pub(super) Gate);

impl<S> Layer<S> for GateLayer {
    type Service = Gated<S>;
    fn layer(&self, inner: S) -> Gated<S> {
        Gated {
            inner,
            gate: self.0.clone(),
            pause: Pause::default(),
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Gated<S> {
    inner: S,
    gate: Gate,
    pause: Pause,
}

impl<S> Service<Request<Body>> for Gated<S>
where
    S: Service<Request<Body>, Response = Response<ResponseBody>, Error = BoxError> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<ResponseBody>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let writes = !matches!(*request.method(), Method::GET | Method::HEAD);
        if writes && !self.gate.is_open() {
            return futures::future::ready(Err(NotLeader.into())).boxed();
        }
        let limit = if writes {
            self.gate.write_limit
        } else {
            READ_TIMEOUT
        };
        // The one that is ready is called, and its clone takes its place.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let (gate, pause) = (self.gate.clone(), self.pause.clone());
        async move {
            // Where a person waits, and for the Lease, the server's answer itself says to come back.
            if writes && !gate.is_always_open() {
                pause.wait().await;
                if !gate.is_open() {
                    return Err(NotLeader.into());
                }
            }
            let answer = tokio::time::timeout(limit, inner.call(request))
                .await
                .map_err(|_| BoxError::from(TimedOut(limit)))??;
            pause.hear(&answer);
            Ok(answer)
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use tower::{ServiceExt, service_fn};

    use super::*;

    /// A server that is too busy for its first request.
    fn busy_once()
    -> impl Service<Request<Body>, Response = Response<ResponseBody>, Error = BoxError, Future: Send + 'static>
    + Clone
    + Send
    + 'static {
        let asked = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        service_fn(move |_| {
            let first = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0;
            let answer = Response::builder()
                .status(if first { 429 } else { 200 })
                .header(RETRY_AFTER, "7")
                .body(
                    http_body_util::Empty::new()
                        .map_err(BoxError::from)
                        .boxed_unsync(),
                )
                .map_err(BoxError::from);
            futures::future::ready(answer)
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_asks_to_be_left_alone_gets_no_write_until_then() {
        let gate = Gate::default();
        gate.open_until(Instant::now() + Duration::from_mins(1));
        let gated = GateLayer(gate.clone()).layer(busy_once());
        let ask = |method: Method| {
            let request = Request::builder().method(method).body(Body::empty()).unwrap();
            gated.clone().oneshot(request)
        };
        let start = Instant::now();
        assert_eq!(ask(Method::PATCH).await.unwrap().status(), 429);
        assert_eq!(ask(Method::GET).await.unwrap().status(), 200);
        assert_eq!(start.elapsed(), Duration::ZERO, "reads don't wait");
        assert_eq!(ask(Method::PATCH).await.unwrap().status(), 200);
        assert_eq!(start.elapsed(), Duration::from_secs(7));
    }

    #[tokio::test(start_paused = true)]
    async fn a_leader_past_its_deadline_starts_no_write() {
        let gate = Gate::default();
        assert!(!gate.is_open());
        gate.open_until(Instant::now() + Duration::from_secs(6));
        assert!(gate.is_open());
        tokio::time::advance(Duration::from_secs(6)).await;
        assert!(!gate.is_open());
    }
}
