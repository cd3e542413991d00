//! HTTP for machines: `/livez`, `/readyz` (says what it waits for), `/metrics`.
//!
//! It answers whoever can reach the address and says nothing secret; `--listen` keeps it on the loopback by default.

use std::{future::Future, io};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use tokio::{net::TcpListener, sync::watch};

use crate::telemetry;

/// What the answers are made from.
#[derive(Debug, Clone)]
pub struct Sources {
    /// What the hub still waits for before it is of use; empty when it is ready.
    pub waiting: watch::Receiver<Vec<String>>,
}

/// The routes. Tests drive this very router.
pub fn router(sources: Sources) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(sources)
}

/// Answers on `listener` until `stop` resolves.
pub async fn serve(
    listener: TcpListener,
    sources: Sources,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    axum::serve(listener, router(sources))
        .with_graceful_shutdown(stop)
        .await
}

async fn readyz(State(sources): State<Sources>) -> impl IntoResponse {
    let waiting = sources.waiting.borrow().clone();
    if waiting.is_empty() {
        (StatusCode::OK, "ok\n".to_owned())
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("waiting for {}\n", waiting.join("\nwaiting for ")),
        )
    }
}

async fn metrics() -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], telemetry::metrics().text())
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    async fn ask(router: Router, path: &str) -> (StatusCode, String) {
        let request = http::Request::get(path).body(axum::body::Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn readiness_says_what_it_waits_for_until_nothing_is_left() {
        let (say, waiting) = watch::channel(vec!["leadership".to_owned(), "member eu-1".to_owned()]);
        let router = router(Sources { waiting });
        let (status, body) = ask(router.clone(), "/readyz").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(body, "waiting for leadership\nwaiting for member eu-1\n");
        assert_eq!(ask(router.clone(), "/livez").await.0, StatusCode::OK);
        say.send(Vec::new()).unwrap();
        assert_eq!(ask(router, "/readyz").await, (StatusCode::OK, "ok\n".to_owned()));
    }

    #[tokio::test]
    async fn metrics_end_as_openmetrics_asks() {
        let (_say, waiting) = watch::channel(Vec::new());
        let (status, body) = ask(router(Sources { waiting }), "/metrics").await;
        assert_eq!(status, StatusCode::OK);
        assert!(body.ends_with("# EOF\n"));
    }
}
