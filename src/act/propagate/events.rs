//! Kubernetes events about templates and members, for `kubectl describe` and `hub events`.
//!
//! A bounded channel in front: under a flood events are dropped and counted, never waited for.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1::Event},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{Api, api::PostParams};
use tokio::{sync::mpsc, time::Instant};

use crate::{
    act::wire::{Stack, Tasks},
    model::{api::EventReason, clock::Clock, hash::Hash, name::ObjectKey},
};

const CONTROLLER: &str = "hanse.dev/hub";
const CAPACITY: usize = 1000;
/// The same words about the same object are said once in this time.
const REPEAT_AFTER: Duration = Duration::from_mins(5);

/// A thing to say about a template or a Cluster.
#[derive(Debug)]
pub struct Note {
    /// What it is about.
    pub about: ObjectKey,
    /// `apps/v1`
    pub api_version: String,
    /// uid of what it is about.
    pub uid: String,
    /// For machines.
    pub reason: EventReason,
    /// Whether a person should look.
    pub warning: bool,
    /// For people; never a Secret's bytes.
    pub message: String,
}

/// Where events are handed in. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Events {
    sender: mpsc::Sender<Note>,
    dropped: Arc<AtomicU64>,
}

impl Events {
    /// Starts the writer.
    #[must_use]
    pub fn start(hub: &Stack, clock: Clock, instance: String, tasks: &Tasks) -> Self {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        let dropped = Arc::default();
        tasks.spawn("events", write(receiver, hub.clone(), clock, instance));
        Self { sender, dropped }
    }

    /// Hands in an event; never waits.
    pub fn say(&self, note: Note) {
        if self.sender.try_send(note).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Events that were dropped because too many were waiting.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

async fn write(mut notes: mpsc::Receiver<Note>, hub: Stack, clock: Clock, instance: String) {
    let mut said: HashMap<Hash, Instant> = HashMap::new();
    while let Some(note) = notes.recv().await {
        let words = Hash::of_bytes(format!("{} {} {}", note.about, note.reason, note.message).as_bytes());
        let now = Instant::now();
        said.retain(|_, at| now.duration_since(*at) < REPEAT_AFTER);
        if said.insert(words, now).is_some() {
            continue;
        }
        let event = event(&note, &clock, &instance);
        let api: Api<Event> = Api::namespaced(hub.client(), place(&note.about));
        if let Err(error) = api.create(&PostParams::default(), &event).await {
            tracing::debug!(error = %crate::act::wire::brief(&error), about = %note.about, "failed to write an event");
        }
    }
}

/// Where events about an object are; of those without a namespace Kubernetes takes them in `default` only.
fn place(about: &ObjectKey) -> &str {
    about.namespace.as_deref().unwrap_or("default")
}

fn event(note: &Note, clock: &Clock, instance: &str) -> Event {
    Event {
        metadata: ObjectMeta {
            // As client-go names them: the object's name and a unique suffix.
            name: Some(format!(
                "{}.{:x}",
                note.about
                    .name
                    .chars()
                    .take(220)
                    .collect::<String>()
                    .trim_end_matches(['.', '-']),
                clock.now().as_nanosecond()
            )),
            namespace: Some(place(&note.about).to_owned()),
            ..ObjectMeta::default()
        },
        action: Some(note.reason.to_string()),
        reason: Some(note.reason.to_string()),
        note: Some(note.message.chars().take(1000).collect()),
        type_: Some(if note.warning { "Warning" } else { "Normal" }.to_owned()),
        event_time: Some(MicroTime(clock.now())),
        reporting_controller: Some(CONTROLLER.to_owned()),
        reporting_instance: Some(instance.to_owned()),
        regarding: Some(ObjectReference {
            api_version: Some(note.api_version.clone()),
            kind: Some(note.about.kind.to_string()),
            namespace: note.about.namespace.as_ref().map(ToString::to_string),
            name: Some(note.about.name.to_string()),
            uid: Some(note.uid.clone()),
            ..ObjectReference::default()
        }),
        ..Event::default()
    }
}
