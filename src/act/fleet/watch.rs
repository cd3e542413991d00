//! Following one kind of one API server for as long as the connection lives.
//!
//! A stream ends and begins anew when the member was unreachable and answers again, so that rows never rest on
//! a connection that died silently. While a member does not answer, retries wait for its probe to succeed.

use std::{fmt::Debug, future::Future, time::Duration};

use futures::StreamExt;
use http::{HeaderValue, Request, header::ACCEPT};
use kube::{
    Api, Client, Resource,
    client::Body,
    runtime::watcher::{self, Event, watcher},
};
use serde::de::DeserializeOwned;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, sleep_until},
};

use super::member::{Core, Wire};
use crate::{act::wire::ActAs, telemetry::metrics};

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(20);
/// How long a list may keep others waiting.
const LIST_PATIENCE: Duration = Duration::from_secs(5);
/// A list that shows nothing for so long is begun again when the member was silent meanwhile.
const LIST_STALLS: Duration = Duration::from_secs(10);
const METADATA_LIST: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

/// What is done with the events of a stream, one at a time.
pub(super) trait Fold<K>: Send {
    /// Takes one event; the next is read when this is done.
    fn fold(&mut self, event: Event<K>) -> impl Future<Output = ()> + Send;
}

/// What to follow.
#[derive(Debug, Clone, Default)]
pub(super) struct Subject {
    /// For logs and metrics.
    pub(super) what: String,
    /// Who asks; `None` is the hub itself.
    pub(super) who: Option<ActAs>,
    pub(super) labels: Option<&'static str>,
    /// Ask for metadata only, for kinds whose contents the hub must not hold.
    pub(super) metadata_only: bool,
}

/// Why a stream will not come back by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// 403: another identity must ask.
    Forbidden,
    /// 404: the kind is not served (any more).
    NotServed,
    /// The member is shutting down here.
    Stopped,
}

/// Follows a kind and folds what it shows. Ends only for a reason that a retry does not mend.
pub(super) async fn follow<K, F>(
    core: &Core,
    wire: &Wire,
    subject: &Subject,
    api: impl Fn(Client) -> Api<K>,
    fold: &mut F,
) -> Ended
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    F: Fold<K>,
{
    let mut pause = FIRST_PAUSE;
    let mut returns = core.returns();
    let mut turn = 0;
    let label = core.label();
    loop {
        // A member that was never heard of must not take the turns of others.
        while !core.is_answering() {
            if returns.changed().await.is_err() {
                return Ended::Stopped;
            }
        }
        let (client, _seat) = match wire.stack.watching(subject.who.as_ref()) {
            Ok(seated) => seated,
            Err(error) => {
                tracing::warn!(what = subject.what, %error, "failed to open a connection to watch");
                tokio::time::sleep(LONGEST_PAUSE).await;
                continue;
            }
        };
        let client = if subject.metadata_only {
            metadata_only(client)
        } else {
            client
        };
        let streaming = wire.streams_lists();
        let mut config = watcher::Config {
            label_selector: subject.labels.map(str::to_owned),
            ..watcher::Config::default()
        };
        if streaming {
            config = config.streaming_lists();
        }
        let mut stream = std::pin::pin!(watcher(api(client), config));
        returns.mark_unchanged();
        // Held from the beginning of a list to its end, or for as long as others may be kept waiting.
        let (mut is_listing, mut heard) = (false, Instant::now());
        let mut turn_to_list: Option<(OwnedSemaphorePermit, Instant)> = None;
        loop {
            let patience = turn_to_list.as_ref().map(|(_, until)| *until);
            let event = tokio::select! {
                event = stream.next() => event,
                () = sleep_until(patience.unwrap_or_else(Instant::now)), if patience.is_some() => {
                    turn_to_list = None;
                    continue;
                }
                changed = returns.changed() => match changed {
                    // A list that goes on is not begun again: were its connection dead, it would fail by itself.
                    Ok(()) if is_listing && heard.elapsed() < LIST_STALLS => continue,
                    Ok(()) => break,
                    Err(_) => return Ended::Stopped,
                },
            };
            match event {
                Some(Ok(event)) => {
                    if !matches!(event, Event::Init) {
                        pause = FIRST_PAUSE;
                    }
                    metrics().watch_events.get_or_create(&label).inc();
                    heard = Instant::now();
                    match &event {
                        Event::Init => {
                            is_listing = true;
                            let permit = core.context.lists.clone().acquire_owned().await;
                            turn_to_list = permit.ok().map(|permit| (permit, Instant::now() + LIST_PATIENCE));
                        }
                        Event::InitDone => {
                            is_listing = false;
                            turn_to_list = None;
                        }
                        _ => {}
                    }
                    fold.fold(event).await;
                }
                Some(Err(error)) => {
                    turn_to_list = None;
                    match code_of(&error) {
                        Some(403) => return Ended::Forbidden,
                        Some(404 | 405) => return Ended::NotServed,
                        Some(400 | 422) if streaming => {
                            wire.no_streamed_lists();
                            break;
                        }
                        _ => {}
                    }
                    tracing::debug!(cluster = %core.name, what = subject.what, %error, "watch broke off");
                    metrics().watch_failures.get_or_create(&label).inc();
                    turn += 1;
                    let wait = pause.mul_f64(1.0 + 0.3 * core.jitter(turn));
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        changed = returns.changed() => match changed {
                            Ok(()) => break,
                            Err(_) => return Ended::Stopped,
                        },
                    }
                }
                None => break,
            }
        }
    }
}

fn code_of(error: &watcher::Error) -> Option<u16> {
    use kube::Error as K;
    match error {
        watcher::Error::InitialListFailed(K::Api(status))
        | watcher::Error::WatchStartFailed(K::Api(status))
        | watcher::Error::WatchFailed(K::Api(status))
        | watcher::Error::WatchError(status) => Some(status.code),
        _ => None,
    }
}

/// The same client, which asks for `PartialObjectMetadata` instead of whole objects.
fn metadata_only(client: Client) -> Client {
    let service = tower::service_fn(move |mut request: Request<Body>| {
        let client = client.clone();
        let watch = request
            .uri()
            .query()
            .is_some_and(|query| query.split('&').any(|part| part == "watch=true"));
        let accept = HeaderValue::from_static(if watch { METADATA } else { METADATA_LIST });
        request.headers_mut().insert(ACCEPT, accept);
        async move { client.send(request).await }
    });
    Client::new(service, "default")
}
