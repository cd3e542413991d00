//! Answers.

use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WARNING};
use http::{Response, StatusCode};
use serde::Serialize;

use super::body::{Body, whole};
use crate::sandbox::failure::Failure;

pub(super) fn json(code: u16, value: &impl Serialize) -> Response<Body> {
    match serde_json::to_vec(value) {
        Ok(bytes) => new(code, "application/json", whole(bytes)),
        Err(error) => refused(&Failure::internal(error)),
    }
}

/// JSON that says in its type what it is.
pub(super) fn json_as(code: u16, content: &'static str, value: &impl Serialize) -> Response<Body> {
    let mut answer = json(code, value);
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content));
    answer
}

pub(super) fn text(code: u16, text: impl Into<String>) -> Response<Body> {
    new(code, "text/plain; charset=utf-8", whole(text.into()))
}

/// What upstream says of a path that nobody serves.
pub(super) fn no_such_path() -> Response<Body> {
    text(404, "404 page not found\n")
}

/// What it says below a path that somebody serves.
pub(super) fn no_such_resource() -> Response<Body> {
    refused(&Failure::new(
        404,
        "NotFound",
        "the server could not find the requested resource",
    ))
}

pub(crate) fn refused(failure: &Failure) -> Response<Body> {
    let mut answer = json(failure.code, &failure.status());
    if let Some(seconds) = failure.details.retry_after_seconds {
        answer.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    answer
}

pub(super) fn lines(body: Body) -> Response<Body> {
    new(200, "application/json", body)
}

/// With a `Warning` header for each.
pub(super) fn warned(mut answer: Response<Body>, warnings: &[String]) -> Response<Body> {
    for warning in warnings {
        let text = warning.replace('\\', r"\\").replace('"', "\\\"");
        let text: String = text.chars().filter(|letter| !letter.is_control()).collect();
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{text}\"")) {
            answer.headers_mut().append(WARNING, value);
        }
    }
    answer
}

fn new(code: u16, content: &'static str, body: Body) -> Response<Body> {
    let mut answer = Response::new(body);
    *answer.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content));
    answer
}
