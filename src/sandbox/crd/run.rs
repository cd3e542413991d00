//! The actor that gives definitions their names, keeps the registry, and clears up after them.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;

use super::condition::{ESTABLISHED, TERMINATING, is_true, set};
use super::names::settle;
use super::resource::resource;
use super::{FINALIZER, GROUP, PLURAL};
use crate::model::clock::format_seconds;
use crate::sandbox::api::{DeleteOptions, Selection, Server, Target};
use crate::sandbox::failure::Failure;
use crate::sandbox::kinds::{Origin, Registry};
use crate::sandbox::object::{Object, is_deleting, metadata_mut, name, uid};
use crate::sandbox::write::Writer;

/// How often is looked whether the objects of a leaving kind are gone.
const PATIENCE: Duration = Duration::from_millis(100);

/// Runs for ever: every change of a definition is answered with its conditions and its kind.
pub(crate) async fn run(server: Server) {
    let Some(definitions) = server.target(GROUP, PLURAL, "", "") else {
        return;
    };
    let mut actor = Actor {
        writer: Writer {
            manager: "kube-apiserver".to_owned(),
            ..Writer::controller("customresourcedefinition")
        },
        server,
        definitions,
        known: HashMap::new(),
    };
    loop {
        let (all, revision) = actor.server.list(&actor.definitions);
        let is_waiting = actor.sync(&all);
        let Ok(mut changes) = actor
            .server
            .watch(&actor.definitions, Selection::default(), revision)
        else {
            continue;
        };
        // What comes first; either way everything is looked at again.
        if is_waiting {
            let _ = tokio::time::timeout(PATIENCE, changes.next()).await;
        } else {
            let _ = changes.next().await;
        }
    }
}

struct Actor {
    server: Server,
    writer: Writer,
    definitions: Target,
    /// What of each definition the registry shows, by uid: its kind costs compiling.
    known: HashMap<String, Shown>,
}

#[derive(PartialEq)]
struct Shown {
    spec: Value,
    names: Value,
    leaving: bool,
}

impl Actor {
    /// Brings everything in step. True: a leaving kind still has objects.
    fn sync(&mut self, all: &[Object]) -> bool {
        let mut is_waiting = false;
        for definition in all {
            if is_deleting(definition) {
                is_waiting |= self.clear(definition).unwrap_or(true);
            } else {
                let now = format_seconds(self.server.clock().now());
                // A write that fails is tried again with the change that was faster.
                let _ = self.update(definition, |definition| settle(definition, &now));
            }
        }
        self.register();
        is_waiting
    }

    fn update(
        &self,
        definition: &Value,
        change: impl FnMut(&Value) -> Option<Value>,
    ) -> Result<Object, Failure> {
        let target = self.definitions.named(name(definition)).at("status");
        self.server.update_with(&self.writer, &target, change)
    }

    /// Shows the kinds of established definitions, and no others.
    fn register(&mut self) {
        let (all, _) = self.server.list(&self.definitions);
        let before = self.server.kinds();
        let mut kinds: Registry = (*before).clone();
        let mut moved = false;
        for gone in before.all() {
            if let Origin::Custom { definition } = &gone.origin
                && !all
                    .iter()
                    .any(|one| uid(one) == &**definition && is_true(one, ESTABLISHED))
            {
                kinds = kinds.without(&gone.group, &gone.plural);
                self.known.remove(&**definition);
                moved = true;
            }
        }
        for definition in all.iter().filter(|definition| is_true(definition, ESTABLISHED)) {
            let shown = Shown {
                spec: definition["spec"].clone(),
                names: definition["status"]["acceptedNames"].clone(),
                leaving: is_true(definition, TERMINATING),
            };
            if self.known.get(uid(definition)) == Some(&shown) {
                continue;
            }
            if let Some(resource) = resource(definition) {
                kinds = kinds.with(resource);
                moved = true;
            }
            self.known.insert(uid(definition).to_owned(), shown);
        }
        if moved {
            self.server.set_kinds(kinds);
        }
    }

    /// Deletes the objects of a leaving definition, then lets it go. True: there are still some.
    fn clear(&self, definition: &Object) -> Result<bool, Failure> {
        let finalizers = definition["metadata"]["finalizers"].as_array();
        if !finalizers.is_some_and(|finalizers| finalizers.iter().any(|one| one == FINALIZER)) {
            return Ok(false);
        }
        let now = format_seconds(self.server.clock().now());
        let say = |status: &str, reason: &str, message: &str| {
            self.update(definition, |definition| {
                let mut new = definition.clone();
                set(&mut new, [TERMINATING, status, reason, message], &now);
                (new != *definition).then_some(new)
            })
        };
        say(
            "True",
            "InstanceDeletionInProgress",
            "CustomResource deletion is in progress",
        )?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let plural = text(&definition["status"]["acceptedNames"]["plural"]);
        let group = text(&definition["spec"]["group"]);
        let target = self.server.target(&group, &plural, "", "").filter(|target| {
            matches!(&target.resource.origin, Origin::Custom { definition: of } if **of == *uid(definition))
        });
        match target {
            Some(target) => {
                let options = DeleteOptions::default();
                self.server
                    .delete_collection(&self.writer, &target, &Selection::default(), &options)?;
                if !self.server.list(&target).0.is_empty() {
                    return Ok(true);
                }
                say("False", "InstanceDeletionCompleted", "removed all instances")?;
            }
            None => {
                say("False", "NeverEstablished", "resource was never established")?;
            }
        }
        // The finalizer is metadata, which `/status` does not write.
        let target = self.definitions.named(name(definition));
        self.server.update_with(&self.writer, &target, |definition| {
            let mut new = definition.clone();
            let finalizers = metadata_mut(&mut new).get_mut("finalizers")?.as_array_mut()?;
            let before = finalizers.len();
            finalizers.retain(|finalizer| finalizer != FINALIZER);
            (finalizers.len() != before).then_some(new)
        })?;
        Ok(false)
    }
}
