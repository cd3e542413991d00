//! What goes wrong between a client and its API server: scripted, or by chance from a seed.
//!
//! ```text
//! request ─► frozen? ─► latency ─► refused? ─► server ─► reply lost? ─► response
//!                                  429, 5xx,   (stale    (done, not told)  └ watch: late, dropped or cut events,
//!                                  half open    reads)                        or none any more
//! ```
//!
//! Each cluster has its own. Without faults a request passes through untouched. Chances are drawn from one generator
//! per cluster, in the order of requests: with one seed and a paused clock a run is the same again.
//!
//! A half-open connection is one whose other end is gone without a word: nothing comes, and it does not end, until a
//! deadline. A stale read answers from the past, as a replica that lags behind does; watches begin there and bring the
//! rest in its order. The clock of a cluster may be wrong: its times and the ends of its tokens go by it.

mod body;
mod clock;
mod stop;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use jiff::SignedDuration;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;
use tower::BoxError;

pub use stop::{Moment, Stop, Stopped};

use super::failure::Failure;
use super::serve::{Body, refused};
use stop::Held;

/// Nothing in between gives a half-open connection up sooner.
const HALF_OPEN_FOR: Duration = Duration::from_mins(1);
/// How far a replica lags behind.
const LAG: Range<Duration> = Duration::from_millis(100)..Duration::from_secs(5);

/// A request's extension: the server answers reads as of this time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stale(pub(crate) Instant);

/// How often something goes wrong, in thousandths of all requests (or watch events).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Odds {
    /// 429 with Retry-After, nothing done.
    pub too_many_requests: u32,
    /// 500 or 503, nothing done.
    pub server_errors: u32,
    /// The connection ends before the request is read.
    pub refused_connections: u32,
    /// The request is carried out, and the connection ends before the answer.
    pub lost_replies: u32,
    /// A watch ends with this event.
    pub cut_watches: u32,
    /// A watch leaves this event out, which a real API server never does.
    pub dropped_events: u32,
    /// The connection is half open: the request is carried out or not, and nothing is ever heard of it.
    pub half_open: u32,
    /// Instead of this event, nothing more comes on this watch.
    pub silent_watches: u32,
    /// A read, or the list that a watch begins with, answers from the past.
    pub stale_reads: u32,
}

/// The faults of one cluster. Cheap to clone; all clones are the same.
#[derive(Debug, Clone)]
pub struct Faults(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// How the paths end that are not answered; of none, nothing is frozen.
    frozen: watch::Sender<Option<&'static str>>,
    /// Counts the times that all watches were cut.
    cuts: watch::Sender<u64>,
    /// Counts the times that all connections became half open.
    silences: watch::Sender<u64>,
    /// By how many milliseconds the clock is ahead.
    skew: AtomicI64,
}

#[derive(Debug)]
struct State {
    chances: fastrand::Rng,
    odds: Odds,
    latency: Range<Duration>,
    delay: Range<Duration>,
    lag: Range<Duration>,
    half_open_for: Duration,
    down: bool,
    stop: Option<Stop>,
}

impl Faults {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::new(State {
                chances: fastrand::Rng::with_seed(seed),
                odds: Odds::default(),
                latency: Duration::ZERO..Duration::ZERO,
                delay: Duration::ZERO..Duration::ZERO,
                lag: LAG,
                half_open_for: HALF_OPEN_FOR,
                down: false,
                stop: None,
            }),
            frozen: watch::Sender::new(None),
            cuts: watch::Sender::new(0),
            silences: watch::Sender::new(0),
            skew: AtomicI64::new(0),
        }))
    }

    /// From now on this is how often what goes wrong.
    pub fn set_odds(&self, odds: Odds) {
        self.0.state.lock().odds = odds;
    }

    /// Each request takes so much longer.
    pub fn set_latency(&self, latency: Range<Duration>) {
        self.0.state.lock().latency = latency;
    }

    /// Each watch event comes so much later, in its order.
    pub fn set_watch_delay(&self, delay: Range<Duration>) {
        self.0.state.lock().delay = delay;
    }

    /// Nothing is answered any more, and nothing fails: as when the process is stopped, or packets are lost.
    pub fn freeze(&self) {
        self.freeze_paths("");
    }

    /// Requests whose path ends so are not answered any more: `/propagationpolicies`.
    pub fn freeze_paths(&self, ending: &'static str) {
        self.0.frozen.send_replace(Some(ending));
    }

    /// What was waiting goes on.
    pub fn thaw(&self) {
        self.0.frozen.send_replace(None);
    }

    /// Connections are refused, and those there are end.
    pub fn take_down(&self) {
        self.0.state.lock().down = true;
        self.cut_watches();
    }

    /// Connections are accepted again.
    pub fn bring_up(&self) {
        self.0.state.lock().down = false;
    }

    /// Ends every watch there is, once.
    pub fn cut_watches(&self) {
        self.0.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// So far back stale reads answer.
    pub fn set_lag(&self, lag: Range<Duration>) {
        self.0.state.lock().lag = lag;
    }

    /// A connection that is half open ends after this: what is in between gives it up.
    pub fn set_half_open_for(&self, deadline: Duration) {
        self.0.state.lock().half_open_for = deadline;
    }

    /// Makes the connection of every watch there is half open, once. New ones are as usual.
    pub fn silence_watches(&self) {
        self.0.silences.send_modify(|silences| *silences += 1);
    }

    /// The cluster's clock is ahead by so much from now on, or behind if it is negative.
    pub fn set_clock_skew(&self, ahead: SignedDuration) {
        let millis = i64::try_from(ahead.as_millis()).unwrap_or(i64::MAX);
        self.0.skew.store(millis, Ordering::Relaxed);
    }

    /// Holds a write for ever. Several clusters may share one [`Stop`]: their writes are counted together.
    pub fn stop_at(&self, stop: &Stop) {
        self.0.state.lock().stop = Some(stop.clone());
    }

    /// Nothing goes wrong any more.
    pub fn clear(&self) {
        {
            let mut state = self.0.state.lock();
            state.odds = Odds::default();
            state.latency = Duration::ZERO..Duration::ZERO;
            state.delay = Duration::ZERO..Duration::ZERO;
            state.lag = LAG;
            state.half_open_for = HALF_OPEN_FOR;
            state.down = false;
            state.stop = None;
        }
        self.set_clock_skew(SignedDuration::ZERO);
        self.thaw();
    }

    /// Passes one request, by a user, to the server, with what goes wrong on the way.
    pub(crate) async fn around(
        &self,
        user: &(dyn Fn() -> String + Sync),
        mut request: Request<Bytes>,
        server: impl FnOnce(Request<Bytes>) -> Response<Body>,
    ) -> Result<Response<Body>, BoxError> {
        let path = request.uri().path().to_owned();
        self.thawed(&path).await;
        let is_write = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        let written = is_write.then_some(path.as_str());
        let (latency, fate) = self.0.state.lock().draw(user, written);
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
            self.thawed(&path).await;
        }
        match fate {
            Fate::Passes => {}
            Fate::Refused => return Err(broken("connection refused")),
            Fate::Status(failure) => return Ok(refused(&failure)),
            Fate::Lost => {
                drop(server(request));
                return Err(broken("connection reset by peer"));
            }
            Fate::HalfOpen { is_done, until } => {
                if is_done {
                    drop(server(request));
                }
                tokio::time::sleep(until).await;
                return Err(broken("connection timed out"));
            }
            Fate::Stale(lag) => {
                let now = Instant::now();
                request
                    .extensions_mut()
                    .insert(Stale(now.checked_sub(lag).unwrap_or(now)));
            }
            Fate::Held(held) if held.moment == Moment::Before => return held.for_ever().await,
            Fate::Held(held) => {
                drop(server(request));
                return held.for_ever().await;
            }
        }
        let is_watch = is_watch(request.uri());
        let response = server(request);
        self.thawed(&path).await;
        if !is_watch || response.status() != StatusCode::OK {
            return Ok(response);
        }
        let faults = self.clone();
        Ok(response.map(|body| body::through(faults, body)))
    }

    /// Waits until a path is answered, or nothing is frozen.
    async fn thawed(&self, path: &str) {
        let mut frozen = self.0.frozen.subscribe();
        // The sender lives as long as this.
        let _ = frozen
            .wait_for(|frozen| frozen.is_none_or(|ending| !path.ends_with(ending)))
            .await;
    }
}

/// What becomes of a request.
enum Fate {
    Passes,
    Refused,
    Status(Failure),
    Lost,
    HalfOpen { is_done: bool, until: Duration },
    Stale(Duration),
    Held(Held),
}

/// What becomes of a watch event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EventFate {
    Passes,
    Dropped,
    Cut,
    /// Nothing more comes, and it ends after this.
    Silent(Duration),
}

impl State {
    fn draw(&mut self, user: &(dyn Fn() -> String + Sync), written: Option<&str>) -> (Duration, Fate) {
        (self.within(self.latency.clone()), self.fate(user, written))
    }

    fn fate(&mut self, user: &(dyn Fn() -> String + Sync), written: Option<&str>) -> Fate {
        if self.down {
            return Fate::Refused;
        }
        if let (Some(path), Some(stop)) = (written, &self.stop)
            && let Some(held) = stop.count(&user(), path)
        {
            return Fate::Held(held);
        }
        if self.odds == Odds::default() {
            return Fate::Passes;
        }
        if self.happens(self.odds.refused_connections) {
            return Fate::Refused;
        }
        if self.happens(self.odds.too_many_requests) {
            let words = "the server has received too many requests and has asked us to try again later";
            let mut failure = Failure::new(429, "TooManyRequests", words);
            failure.details.retry_after_seconds = Some(1);
            return Fate::Status(failure);
        }
        if self.happens(self.odds.server_errors) {
            return Fate::Status(if self.chances.bool() {
                Failure::internal("etcdserver: request timed out")
            } else {
                Failure::new(
                    503,
                    "ServiceUnavailable",
                    "the server is currently unable to handle the request",
                )
            });
        }
        if self.happens(self.odds.lost_replies) {
            return Fate::Lost;
        }
        if self.happens(self.odds.half_open) {
            return Fate::HalfOpen {
                is_done: self.chances.bool(),
                until: self.half_open_for,
            };
        }
        if written.is_none() && self.happens(self.odds.stale_reads) {
            return Fate::Stale(self.within(self.lag.clone()));
        }
        Fate::Passes
    }

    fn event(&mut self) -> (Duration, EventFate) {
        let delay = self.within(self.delay.clone());
        let fate = if self.happens(self.odds.cut_watches) {
            EventFate::Cut
        } else if self.happens(self.odds.dropped_events) {
            EventFate::Dropped
        } else if self.happens(self.odds.silent_watches) {
            EventFate::Silent(self.half_open_for)
        } else {
            EventFate::Passes
        };
        (delay, fate)
    }

    /// Draws only when there is a chance: what is switched off does not move the generator.
    fn happens(&mut self, thousandths: u32) -> bool {
        thousandths > 0 && self.chances.u32(0..1000) < thousandths
    }

    fn within(&mut self, range: Range<Duration>) -> Duration {
        if range.is_empty() {
            return range.start;
        }
        let (least, most) = (range.start.as_micros(), range.end.as_micros());
        let micros = self.chances.u128(least..most);
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }
}

fn is_watch(uri: &http::Uri) -> bool {
    let query = uri.query().unwrap_or_default();
    query
        .split('&')
        .any(|pair| matches!(pair, "watch" | "watch=1" | "watch=true"))
}

fn broken(words: &'static str) -> BoxError {
    std::io::Error::other(words).into()
}
