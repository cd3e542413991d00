//! `hub events`: what the hub reported on the hub API.

use futures::TryStreamExt;
use k8s_openapi::api::core::v1::Event;
use kube::{
    Api,
    api::{ListParams, WatchEvent, WatchParams},
};
use serde_json::json;

use super::{
    args::{Events, Global},
    context::Hub,
    failure::{Exit, Failure},
    output::Screen,
    table,
};
use crate::model::clock::{Clock, Timestamp};

pub(super) async fn run(global: &Global, screen: Screen, wanted: &Events) -> Result<Exit, Failure> {
    let hub = Hub::connect(global).await?;
    let api: Api<Event> = if wanted.all_namespaces {
        Api::all(hub.client.clone())
    } else {
        Api::namespaced(hub.client.clone(), hub.namespace.as_str())
    };
    let failed = |error: &kube::Error| Failure::hub("read events", error);
    let list = api
        .list(&ListParams::default())
        .await
        .map_err(|error| failed(&error))?;
    let mut version = list.metadata.resource_version.clone().unwrap_or_default();
    let mut events: Vec<Event> = list.items.into_iter().filter(is_ours).collect();
    events.sort_by_key(when);
    if !wanted.watch
        && screen.structured(
            global.output,
            &json!({"apiVersion": "v1", "kind": "List", "items": events}),
        )?
    {
        return Ok(Exit::Done);
    }
    let now = Clock::system().now();
    let rows: Vec<Vec<String>> = events.iter().map(|event| row(event, now)).collect();
    if rows.is_empty() {
        screen.words("the hub has reported nothing");
    } else {
        screen.data(&table::render(
            screen,
            &["Age", "Type", "Reason", "Object", "Message"],
            &rows,
        ))?;
    }
    if !wanted.watch {
        return Ok(Exit::Done);
    }
    loop {
        let stream = api
            .watch(&WatchParams::default(), &version)
            .await
            .map_err(|error| failed(&error))?;
        let mut stream = std::pin::pin!(stream);
        // The server ends a watch after a while; it goes on from the last version that was seen.
        while let Some(event) = stream.try_next().await.map_err(|error| failed(&error))? {
            match event {
                WatchEvent::Added(event) | WatchEvent::Modified(event) => {
                    version = event.metadata.resource_version.clone().unwrap_or(version);
                    if is_ours(&event) {
                        screen.data(&row(&event, Clock::system().now()).join("   "))?;
                    }
                }
                WatchEvent::Bookmark(mark) => version.clone_from(&mark.metadata.resource_version),
                WatchEvent::Deleted(_) => {}
                WatchEvent::Error(status) => {
                    if status.code != 410 {
                        return Err(failed(&kube::Error::Api(status)));
                    }
                    version.clear();
                }
            }
        }
    }
}

/// Whether the hub reported it, by the name of its reporter.
fn is_ours(event: &Event) -> bool {
    let reporter = event
        .reporting_component
        .as_deref()
        .filter(|reporter| !reporter.is_empty());
    let source = event
        .source
        .as_ref()
        .and_then(|source| source.component.as_deref());
    reporter
        .or(source)
        .is_some_and(|name| name.starts_with("hanse") || name == "hub")
}

fn when(event: &Event) -> Option<Timestamp> {
    let series = event
        .series
        .as_ref()
        .and_then(|series| series.last_observed_time.as_ref())
        .map(|time| time.0);
    series
        .or(event.last_timestamp.as_ref().map(|time| time.0))
        .or(event.event_time.as_ref().map(|time| time.0))
        .or(event.metadata.creation_timestamp.as_ref().map(|time| time.0))
}

fn row(event: &Event, now: Timestamp) -> Vec<String> {
    let object = &event.involved_object;
    let place = object
        .namespace
        .as_deref()
        .map(|namespace| format!("{namespace}/"))
        .unwrap_or_default();
    vec![
        when(event).map(|when| table::age(when, now)).unwrap_or_default(),
        event.type_.clone().unwrap_or_default(),
        event.reason.clone().unwrap_or_default(),
        format!(
            "{place}{}/{}",
            object.kind.as_deref().unwrap_or_default().to_lowercase(),
            object.name.as_deref().unwrap_or_default()
        ),
        event.message.clone().unwrap_or_default(),
    ]
}
