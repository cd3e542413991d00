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
        kind::Kinds,
        name::{GroupKind, ObjectKey},
        template::Template,
    },
};

/// The watches of templates, one per kind that some policy may select.
#[derive(Debug, Default)]
pub(super) struct TemplateWatches(Mutex<HashMap<GroupKind, Watch>>);

#[derive(Debug)]
struct Watch {
    version: String,
    /// Where its templates were told to have their number of replicas.
    replicas_at: Option<String>,
    tasks: Tasks,
    synced: Synced,
}

impl Watch {
    fn reads_alike(&self, kinds: &Kinds, kind: &GroupKind) -> bool {
        self.replicas_at.as_deref() == kinds.replicas_pointer(kind)
    }
}

impl TemplateWatches {
    /// Starts and ends watches so that exactly the kinds that policies may select are followed.
    pub(super) fn arrange(&self, engine: &Arc<Engine>) -> Result<(), WireError> {
        let wanted: HashMap<_, _> = engine.index.template_kinds().into_iter().collect();
        let kinds = engine.index.kinds_known.load_full();
        let mut watches = self.0.lock();
        watches.retain(|kind, watch| {
            let stays = wanted
                .get(kind)
                .is_some_and(|api| api.versions.first() == Some(&watch.version));
            if stays && !watch.reads_alike(&kinds, kind) {
                // The next one lists them anew; none is thought gone meanwhile.
                watch.tasks.stop();
                return false;
            }
            if !stays {
                watch.tasks.stop();
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
            let watch = Watch {
                version: version.clone(),
                replicas_at: kinds.replicas_pointer(&kind).map(str::to_owned),
                tasks,
                synced,
            };
            watches.insert(kind, watch);
        }
        Ok(())
    }

    /// The kinds whose first list is not complete, or was read with less than what is known now.
    pub(super) fn waiting(&self, kinds: &Kinds) -> Vec<String> {
        let watches = self.0.lock();
        watches
            .iter()
            .filter(|(kind, watch)| !watch.synced.now() || !watch.reads_alike(kinds, kind))
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
        let template = match Template::read(
            &value,
            &|manager| engine.is_own_manager(manager),
            &engine.index.kinds_known.load(),
        ) {
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
                && before.replicas_at == template.replicas_at
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
