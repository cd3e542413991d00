//! Each fault does what it says, and a seed repeats it.

use futures::StreamExt as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::FutureExt as _;
use http_body_util::BodyExt as _;
use rstest::rstest;

use super::*;

fn get(uri: &str) -> Request<Bytes> {
    Request::get(uri).body(Bytes::new()).unwrap()
}

fn post() -> Request<Bytes> {
    Request::post("/api/v1/namespaces").body(Bytes::new()).unwrap()
}

fn fine(_: Request<Bytes>) -> Response<Body> {
    Response::new(crate::sandbox::serve::whole("{}"))
}

async fn outcomes(seed: u64, odds: Odds, requests: usize) -> Vec<u16> {
    let faults = Faults::new(seed);
    faults.set_odds(odds);
    let mut codes = Vec::new();
    for _ in 0..requests {
        let outcome = faults.around(&|| "hub".to_owned(), get("/api"), fine).await;
        codes.push(outcome.map_or(0, |response| response.status().as_u16()));
    }
    codes
}

#[rstest]
#[case::too_many(Odds { too_many_requests: 300, ..Odds::default() }, &[200, 429])]
#[case::server_errors(Odds { server_errors: 300, ..Odds::default() }, &[200, 500, 503])]
#[case::refused(Odds { refused_connections: 300, ..Odds::default() }, &[200, 0])]
#[case::none(Odds::default(), &[200])]
#[tokio::test]
async fn what_is_drawn_comes_back_from_the_seed(#[case] odds: Odds, #[case] expected: &[u16]) {
    let drawn = outcomes(7, odds.clone(), 200).await;
    assert!(expected.iter().all(|code| drawn.contains(code)), "{drawn:?}");
    assert!(drawn.iter().all(|code| expected.contains(code)), "{drawn:?}");
    assert_eq!(drawn, outcomes(7, odds, 200).await);
}

#[tokio::test]
async fn a_lost_reply_is_done_and_not_told() {
    let faults = Faults::new(1);
    faults.set_odds(Odds {
        lost_replies: 1000,
        ..Odds::default()
    });
    let done = AtomicUsize::new(0);
    let server = |request| {
        done.fetch_add(1, Ordering::Relaxed);
        fine(request)
    };
    assert!(faults.around(&|| "hub".to_owned(), post(), server).await.is_err());
    assert_eq!(done.into_inner(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_frozen_server_answers_when_it_is_thawed() {
    let faults = Faults::new(1);
    faults.freeze();
    let mut waiting = Box::pin(faults.around(&|| "hub".to_owned(), get("/readyz"), fine));
    assert!((&mut waiting).now_or_never().is_none());
    tokio::time::advance(Duration::from_hours(1)).await;
    assert!((&mut waiting).now_or_never().is_none());
    faults.thaw();
    assert!(waiting.await.is_ok());
}

#[rstest]
#[case(Moment::Before, 2)]
#[case(Moment::After, 3)]
#[tokio::test]
async fn the_write_that_is_stopped_holds_its_client(#[case] moment: Moment, #[case] expected: usize) {
    let faults = Faults::new(1);
    let (stop, mut stopped) = Stop::at_write("system:serviceaccount:hanse-system", 3, moment);
    faults.stop_at(&stop);
    let done = Arc::new(AtomicUsize::new(0));
    let write = |user: &'static str| {
        let (faults, done) = (faults.clone(), done.clone());
        async move {
            let server = |request| {
                done.fetch_add(1, Ordering::Relaxed);
                fine(request)
            };
            faults.around(&|| user.to_owned(), post(), server).await
        }
    };
    assert!(write("ana").await.is_ok());
    let hub = "system:serviceaccount:hanse-system:hub";
    for _ in 0..2 {
        assert!(write(hub).await.is_ok());
    }
    assert!((&mut Box::pin(write(hub))).now_or_never().is_none());
    assert!(stopped.wait().await);
    assert!((&mut Box::pin(write(hub))).now_or_never().is_none());
    assert_eq!(done.load(Ordering::Relaxed) - 1, expected);
}

#[tokio::test(start_paused = true)]
async fn a_cut_ends_the_watches_there_are_and_a_delay_keeps_their_order() {
    let faults = Faults::new(1);
    let delays = Duration::from_millis(10)..Duration::from_millis(500);
    faults.set_watch_delay(delays);
    let server = |_| {
        let events = (0..5).map(|number: u8| Ok(http_body::Frame::data(Bytes::from(vec![number]))));
        let endless = futures::stream::iter(events).chain(futures::stream::pending());
        Response::new(http_body_util::StreamBody::new(endless).boxed_unsync())
    };
    let watch = get("/api/v1/pods?watch=true");
    let mut body = faults
        .around(&|| "hub".to_owned(), watch, server)
        .await
        .unwrap()
        .into_body();
    for number in 0..5 {
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), vec![number]);
    }
    assert!(body.frame().now_or_never().is_none());
    faults.cut_watches();
    assert!(body.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_half_open_request_is_not_answered_before_its_deadline() {
    let faults = Faults::new(1);
    faults.set_half_open_for(Duration::from_secs(20));
    faults.set_odds(Odds {
        half_open: 1000,
        ..Odds::default()
    });
    let done = AtomicUsize::new(0);
    let asked = Instant::now();
    for _ in 0..20 {
        let server = |request| {
            done.fetch_add(1, Ordering::Relaxed);
            fine(request)
        };
        assert!(faults.around(&|| "hub".to_owned(), post(), server).await.is_err());
    }
    assert_eq!(asked.elapsed(), Duration::from_secs(400));
    let done = done.into_inner();
    assert!((1..20).contains(&done), "{done} of 20 were carried out");
}

#[tokio::test(start_paused = true)]
async fn a_half_open_watch_brings_nothing_and_fails_after_its_deadline() {
    let faults = Faults::new(1);
    let server = |_| {
        let events = (0..5).map(|number: u8| Ok(http_body::Frame::data(Bytes::from(vec![number]))));
        let endless = futures::stream::iter(events).chain(futures::stream::pending());
        Response::new(http_body_util::StreamBody::new(endless).boxed_unsync())
    };
    let watch = get("/api/v1/pods?watch=true");
    let answer = faults.around(&|| "hub".to_owned(), watch, server).await;
    let mut body = answer.unwrap().into_body();
    assert!(body.frame().await.unwrap().is_ok());
    faults.silence_watches();
    let silent = Instant::now();
    assert!(body.frame().await.unwrap().is_err());
    assert_eq!(silent.elapsed(), HALF_OPEN_FOR);
    assert!(body.frame().await.is_none());
}
