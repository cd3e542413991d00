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
use http::{Method, Request, Response};
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
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Gated<S> {
    inner: S,
    gate: Gate,
}

impl<S> Service<Request<Body>> for Gated<S>
where
    S: Service<Request<Body>, Response = Response<ResponseBody>, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = Response<ResponseBody>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let limit = match *request.method() {
            Method::GET | Method::HEAD => READ_TIMEOUT,
            _ if self.gate.is_open() => self.gate.write_limit,
            _ => return futures::future::ready(Err(NotLeader.into())).boxed(),
        };
        let answer = self.inner.call(request);
        async move {
            tokio::time::timeout(limit, answer)
                .await
                .map_err(|_| BoxError::from(TimedOut(limit)))?
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
