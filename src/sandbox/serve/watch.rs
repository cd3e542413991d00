//! Watches: changes as lines, `{"type":…,"object":…}` with the type first.
//!
//! A watch costs nothing while nothing happens but one timer. It ends with its body, its time, or its history.

use std::time::Duration;

use futures::StreamExt as _;
use futures::stream;
use http::Response;
use hyper::body::Bytes;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::body::{self, Body};
use super::negotiate::{Form, Shown};
use super::query::{Query, invalid};
use super::table;
use super::{Call, answer, list, verbs};
use crate::sandbox::api::{Follow, Seen, Server, Target};
use crate::sandbox::failure::Failure;
use crate::sandbox::object::{self, Object};
use crate::sandbox::store::Compacted;

/// How often a quiet watch says how far it is, if it is further.
const BOOKMARK_EVERY: Duration = Duration::from_mins(1);
/// How long a watch lasts that does not say: between this and twice this, so that not all end at once.
const LASTS: u64 = 1800;

/// What follows the state at the start.
struct Watching {
    server: Server,
    target: Target,
    form: Form,
    /// Tables come with whole objects.
    with_objects: bool,
    follow: Follow,
    kinds: watch::Receiver<()>,
    /// When a bookmark is due; None: the client wants none.
    bookmark: Option<Instant>,
    /// The last revision that the client knows of.
    told: u64,
    ends: Instant,
    ended: bool,
    /// A table says its columns once.
    first: bool,
}

/// `GET` of a collection with `watch`.
pub(super) fn answer(call: &Call<'_>, target: &Target) -> Result<Response<Body>, Failure> {
    verbs::must_serve(target, "watch")?;
    check(call.query)?;
    let form = Form::wanted(call.headers)?;
    let selection = list::selection(call.query, target)?;
    let asked = started_from(call.query.text("resourceVersion"))?;
    let initial = call.query.flag("sendInitialEvents");
    let bookmarks = call.query.flag("allowWatchBookmarks") == Some(true);
    let starts_with_state = initial.unwrap_or(asked == 0);
    let (state, from) = if starts_with_state {
        list::select(call, target, &selection, asked)
    } else if asked == 0 {
        (Vec::new(), call.server.store().revision())
    } else {
        (Vec::new(), asked)
    };
    let follow = match call.server.watch(target, selection, from) {
        Ok(follow) => follow,
        Err(compacted) => {
            let line = expired(from, compacted.oldest);
            return Ok(answer::lines(body::whole(line)));
        }
    };
    let now = Instant::now();
    let mut watching = Watching {
        server: call.server.clone(),
        target: target.clone(),
        form,
        with_objects: list::wants_objects(call.query),
        follow,
        kinds: call.server.kinds_changed(),
        bookmark: bookmarks.then(|| now + BOOKMARK_EVERY),
        told: from,
        ends: now + lasts(call)?,
        ended: false,
        first: true,
    };
    let mut first = Vec::new();
    for object in &state {
        watching.write(&mut first, "ADDED", object);
    }
    if initial == Some(true) && bookmarks {
        watching.write_bookmark(&mut first, true);
    }
    let first = stream::iter((!first.is_empty()).then(|| Bytes::from(first)));
    let rest = stream::unfold(watching, async |mut watching| {
        let line = watching.next().await?;
        Some((line, watching))
    });
    Ok(answer::lines(body::lines(first.chain(rest))))
}

fn check(query: &Query) -> Result<(), Failure> {
    let matched = query.text("resourceVersionMatch");
    let refused = |message: &str| {
        let message = message.to_owned();
        Err(invalid(
            "ListOptions",
            "resourceVersionMatch",
            "FieldValueForbidden",
            message,
        ))
    };
    match (query.flag("sendInitialEvents"), matched) {
        (Some(_), "NotOlderThan") | (None, "") => Ok(()),
        (Some(_), _) => {
            refused("Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
        }
        (None, _) => refused(
            "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
        ),
    }
}

fn lasts(call: &Call<'_>) -> Result<Duration, Failure> {
    let asked = call.query.number("timeoutSeconds")?.unwrap_or(0);
    let seconds = u64::try_from(asked).unwrap_or(0);
    if seconds > 0 {
        return Ok(Duration::from_secs(seconds));
    }
    let spread = call.server.store().revision().wrapping_mul(7919) % LASTS;
    Ok(Duration::from_secs(LASTS + spread))
}

impl Watching {
    /// The next line or lines; None when the watch has ended.
    async fn next(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        loop {
            let due = self
                .bookmark
                .map_or(self.ends, |bookmark| bookmark.min(self.ends));
            tokio::select! {
                biased;
                seen = self.follow.next() => return Some(self.line(&seen)),
                // A definition came, went or changed: a watch of a kind that is gone ends.
                _ = self.kinds.changed() => if !self.is_served() {
                    return None;
                },
                () = sleep_until(due) => {
                    if due == self.ends {
                        return None;
                    }
                    self.bookmark = Some(due + BOOKMARK_EVERY);
                    if self.follow.revision() > self.told {
                        let mut line = Vec::new();
                        self.write_bookmark(&mut line, false);
                        return Some(line.into());
                    }
                }
            }
        }
    }

    fn is_served(&self) -> bool {
        let (kinds, resource) = (self.server.kinds(), &self.target.resource);
        let found = kinds.resource(&resource.group, &resource.plural);
        found.is_some_and(|found| found.version(&self.target.version).is_some())
    }

    fn line(&mut self, seen: &Result<Seen, Compacted>) -> Bytes {
        let (event, object) = match seen {
            Ok(Seen::Added(object)) => ("ADDED", object),
            Ok(Seen::Modified(object)) => ("MODIFIED", object),
            Ok(Seen::Deleted(object)) => ("DELETED", object),
            Err(compacted) => {
                self.ended = true;
                return expired(self.told, compacted.oldest);
            }
        };
        self.told = object::revision(object);
        let mut line = Vec::with_capacity(1024);
        self.write(&mut line, event, object);
        line.into()
    }

    fn write(&mut self, to: &mut Vec<u8>, event: &str, object: &Object) {
        let first = std::mem::take(&mut self.first);
        if self.form == Form::Table {
            let items = [Object::clone(object)];
            let now = self.server.clock().now();
            let mut table = table::table(&self.target, &items, now, self.with_objects);
            table["metadata"] = json!({"resourceVersion": object["metadata"]["resourceVersion"]});
            if !first && let Value::Object(table) = &mut table {
                table.remove("columnDefinitions");
            }
            return write_line(to, event, &table);
        }
        let shown = Shown {
            object,
            form: self.form,
            bare: false,
        };
        write_line(to, event, &shown);
    }

    fn write_bookmark(&mut self, to: &mut Vec<u8>, ends_the_start: bool) {
        let revision = self.follow.revision();
        self.told = revision;
        let (kind, api_version) = match self.form {
            Form::Whole => (self.target.resource.kind.to_string(), self.target.api_version()),
            Form::Metadata => ("PartialObjectMetadata".to_owned(), "meta.k8s.io/v1".to_owned()),
            Form::Table => ("Table".to_owned(), "meta.k8s.io/v1".to_owned()),
        };
        let mut metadata = json!({"resourceVersion": revision.to_string()});
        if ends_the_start {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let object: Value = json!({"kind": kind, "apiVersion": api_version, "metadata": metadata});
        write_line(to, "BOOKMARK", &object);
    }
}

#[derive(Serialize)]
struct Line<'a, T> {
    r#type: &'a str,
    object: &'a T,
}

fn write_line(to: &mut Vec<u8>, event: &str, object: &impl Serialize) {
    let before = to.len();
    let line = Line {
        r#type: event,
        object,
    };
    // JSON with text keys is always written; half a line would break the whole watch.
    if serde_json::to_writer(&mut *to, &line).is_err() {
        to.truncate(before);
        return;
    }
    to.push(b'\n');
}

/// The watch can't go on: list again.
fn expired(asked: u64, oldest: u64) -> Bytes {
    let failure = Failure::expired(format!("too old resource version: {asked} ({oldest})"));
    let mut line = Vec::new();
    write_line(&mut line, "ERROR", &failure.status());
    line.into()
}

/// Watches say it otherwise than lists.
fn started_from(text: &str) -> Result<u64, Failure> {
    list::revision(text).map_err(|_| {
        let message = format!(
            "resourceVersion: Invalid value: \"{text}\": strconv.ParseUint: parsing \"{text}\": invalid syntax"
        );
        Failure::new(500, "", message)
    })
}
