//! Watching templates: one watch per kind that some policy may select, or something was placed of.

use std::{collections::HashMap, sync::Arc};

use kube::{ResourceExt, api::DynamicObject};
use parking_lot::Mutex;

use super::sinks::To;
use super::{
    engine::Engine,
    follow::{Sink, Synced, follow_dynamic},
    index::Held,
};
use crate::{
    act::{
        propagate::Note,
        wire::{Error as WireError, Tasks},
    },
    model::{
        api::EventReason,
        fleet::BindingKey,
        name::{GroupKind, ObjectKey},
        template::Template,
    },
};

/// The watches of templates, one per kind that some policy may select.
#[derive(Debug, Default)]
pub(super) struct TemplateWatches(Mutex<HashMap<GroupKind, (String, Tasks, Synced)>>);

impl TemplateWatches {
    /// Starts and ends watches so that exactly the kinds that policies may select are followed.
    pub(super) fn arrange(&self, engine: &Arc<Engine>) -> Result<(), WireError> {
        let wanted: HashMap<_, _> = engine.index.template_kinds().into_iter().collect();
        let mut watches = self.0.lock();
        watches.retain(|kind, (version, tasks, _)| {
            let stays = wanted
                .get(kind)
                .is_some_and(|api| api.versions.first() == Some(version));
            if !stays {
                tasks.stop();
                let left: Vec<_> = engine
                    .index
                    .templates
                    .iter()
                    .filter(|held| held.template.key.group_kind() == *kind)
                    .map(|held| held.key().clone())
                    .collect();
                for key in left {
                    engine.index.templates.remove(&key);
                    engine.index.note_scaler(&key, None);
                    engine.queue.add(key);
                }
            }
            stays
        });
        for (kind, api) in wanted {
            let Some(version) = api.versions.first().filter(|_| !watches.contains_key(&kind)) else {
                continue;
            };
            let gvk = kube::core::GroupVersionKind::gvk(&kind.group, version, &kind.kind);
            let resource = kube::api::ApiResource::from_gvk_with_plural(&gvk, &api.plural);
            let tasks = engine.tasks.child();
            let sink = Arc::new(To {
                engine: Arc::downgrade(engine),
                of: Templates {
                    kind: kind.clone(),
                    api_version: kind.at(version.as_str()).api_version(),
                },
            });
            let synced = follow_dynamic::<DynamicObject, _>(&engine.hub, &tasks, &resource, sink)?;
            watches.insert(kind, (version.clone(), tasks, synced));
        }
        Ok(())
    }

    /// The kinds whose first list is not complete.
    pub(super) fn waiting(&self) -> Vec<String> {
        let watches = self.0.lock();
        watches
            .iter()
            .filter(|(_, (_, _, synced))| !synced.now())
            .map(|(kind, _)| kind.to_string())
            .collect()
    }
}

#[derive(Debug)]
struct Templates {
    kind: GroupKind,
    api_version: String,
}

impl Sink<DynamicObject> for To<Templates> {
    type Key = BindingKey;

    fn seen(&self, object: DynamicObject) -> Option<BindingKey> {
        let engine = self.engine.upgrade()?;
        let mut value = serde_json::to_value(object).ok()?;
        // Items of a list don't say what they are.
        value["apiVersion"] = self.of.api_version.as_str().into();
        value["kind"] = (&*self.of.kind.kind).into();
        let status = value.get("status").map(|status| Arc::from(status.to_string()));
        let template = match Template::from_object(&value, &|manager| engine.is_own_manager(manager)) {
            Ok(template) => Arc::new(template),
            Err(error) => {
                engine.refuse_template(&value, &error.to_string());
                return None;
            }
        };
        let key = BindingKey::of(&template.key)?;
        let scales = template.scales.clone();
        let before = engine.index.template(&key);
        let same = before.as_ref().is_some_and(|before| {
            let before = &before.template;
            before.hash == template.hash
                && before.uid == template.uid
                && before.labels == template.labels
                && before.deleting == template.deleting
                && before.controlled == template.controlled
                && before.recreate == template.recreate
                && before.generation == template.generation
        });
        let is_new = before.is_none();
        let since = before
            .filter(|_| same)
            .map_or_else(tokio::time::Instant::now, |before| before.since);
        engine.index.templates.insert(
            key.clone(),
            Held {
                template,
                status,
                since,
            },
        );
        if !same {
            if let Some(workload) = engine.index.note_scaler(&key, scales.as_ref()) {
                engine.queue.add(workload);
            }
            engine.queue.add(key.clone());
        }
        if is_new {
            for waiting in engine.index.needed_by(&key) {
                engine.queue.add(waiting);
            }
        }
        Some(key)
    }

    fn key(&self, object: &DynamicObject) -> Option<BindingKey> {
        let key = ObjectKey::parse(&self.of.kind, &object.namespace()?, &object.name_any()).ok()?;
        BindingKey::of(&key)
    }

    fn known(&self) -> Vec<BindingKey> {
        let Some(engine) = self.engine.upgrade() else {
            return Vec::new();
        };
        let of_kind = engine
            .index
            .templates
            .iter()
            .filter(|held| held.template.key.group_kind() == self.of.kind);
        of_kind.map(|held| held.key().clone()).collect()
    }

    fn lose(&self, key: &BindingKey) {
        if let Some(engine) = self.engine.upgrade() {
            engine.lose_template(key);
        }
    }
}

impl Engine {
    /// What can't be a template is said where its author looks: on the object.
    fn refuse_template(&self, object: &serde_json::Value, why: &str) {
        let text = |pointer| {
            object
                .pointer(pointer)
                .and_then(serde_json::Value::as_str)
                .unwrap_or_default()
        };
        let kind = GroupKind::new(
            text("/apiVersion")
                .rsplit_once('/')
                .map_or("", |(group, _)| group),
            text("/kind"),
        );
        let about = ObjectKey::parse(&kind, text("/metadata/namespace"), text("/metadata/name"));
        if let Ok(about) = about
            && self.is_active()
        {
            self.events.say(Note {
                about,
                api_version: text("/apiVersion").to_owned(),
                uid: text("/metadata/uid").to_owned(),
                reason: EventReason::TemplateRefused,
                warning: true,
                message: why.to_owned(),
            });
        }
        tracing::warn!(why, "an object of the hub API can't be propagated");
    }

    fn lose_template(&self, key: &BindingKey) {
        self.index.templates.remove(key);
        if let Some(workload) = self.index.note_scaler(key, None) {
            self.queue.add(workload);
        }
        self.queue.add(key.clone());
    }
}
