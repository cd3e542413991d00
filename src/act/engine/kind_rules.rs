//! What the hub API says of kinds: `KindRule`s, and where custom resources have their number of replicas.
//!
//! ```text
//! KindRules ──► Rule ──┐
//!                      ├─► Index::kinds_known ─► templates read anew where their shape changed · bindings looked at
//! CRDs ──────► scale ──┘
//! ```

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use k8s_openapi::{
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::ResourceExt;
use serde::Deserialize;

use super::{engine::Engine, follow::Sink, sinks::To};
use crate::model::{
    api::KindRule,
    kind::{Kinds, Rule, scale_pointer},
    name::GroupKind,
};

/// What [`Kinds`] is made of.
#[derive(Debug, Default)]
pub(super) struct KindSources {
    rules: BTreeMap<String, Arc<Rule>>,
    /// By the name of the CRD.
    scales: BTreeMap<String, (GroupKind, Arc<str>)>,
}

impl KindSources {
    fn kinds(&self) -> Kinds {
        Kinds::new(self.rules.values().cloned(), self.scales.values().cloned())
    }

    /// The kinds that either side says something of.
    fn named(&self) -> BTreeSet<GroupKind> {
        let rules = self.rules.values().map(|rule| rule.kind.clone());
        rules
            .chain(self.scales.values().map(|(kind, _)| kind.clone()))
            .collect()
    }
}

impl Engine {
    fn change_kinds(&self, change: impl FnOnce(&mut KindSources)) {
        let mut touched;
        let (before, after) = {
            let mut sources = self.index.kind_sources.write();
            touched = sources.named();
            change(&mut sources);
            touched.append(&mut sources.named());
            let after = Arc::new(sources.kinds());
            (self.index.kinds_known.swap(after.clone()), after)
        };
        let news: BTreeSet<GroupKind> = touched
            .into_iter()
            .filter(|kind| !before.knows_alike(&after, kind))
            .collect();
        if news.is_empty() {
            return;
        }
        // Templates whose number of replicas lies elsewhere now are read anew.
        self.kinds.notify_one();
        for binding in &self.index.bindings {
            if binding
                .spec
                .template
                .group_kind()
                .is_some_and(|kind| news.contains(&kind))
            {
                self.queue.add(binding.key().clone());
                self.touch(binding.key());
            }
        }
    }
}

#[derive(Debug)]
pub(super) struct KindRules;

impl Sink<KindRule> for To<KindRules> {
    type Key = String;

    fn seen(&self, object: KindRule) -> Option<String> {
        let engine = self.engine.upgrade()?;
        let name = object.name_any();
        let same = engine
            .index
            .kind_sources
            .read()
            .rules
            .get(&name)
            .is_some_and(|had| {
                Some(had.generation) == object.metadata.generation
                    && Some(&had.uid) == object.metadata.uid.as_ref()
            });
        if !same {
            let rule = Arc::new(Rule::of(&object));
            engine.change_kinds(|sources| {
                sources.rules.insert(name.clone(), rule);
            });
        }
        Some(name)
    }

    fn key(&self, object: &KindRule) -> Option<String> {
        Some(object.name_any())
    }

    fn known(&self) -> Vec<String> {
        let engine = self.engine.upgrade();
        engine
            .map(|engine| engine.index.kind_sources.read().rules.keys().cloned().collect())
            .unwrap_or_default()
    }

    fn lose(&self, name: &String) {
        if let Some(engine) = self.engine.upgrade() {
            engine.change_kinds(|sources| {
                sources.rules.remove(name);
            });
        }
    }
}

/// A `CustomResourceDefinition` without its schemas, of which some have a megabyte.
#[derive(Debug, Clone, Deserialize, kube::Resource)]
#[resource(inherit = CustomResourceDefinition)]
pub(super) struct SlimDefinition {
    pub(super) metadata: ObjectMeta,
    spec: DefinitionSpec,
}

#[derive(Debug, Clone, Deserialize)]
struct DefinitionSpec {
    group: String,
    names: DefinitionNames,
    #[serde(default)]
    versions: Vec<DefinitionVersion>,
}

#[derive(Debug, Clone, Deserialize)]
struct DefinitionNames {
    kind: String,
}

#[derive(Debug, Clone, Deserialize)]
struct DefinitionVersion {
    #[serde(default)]
    storage: bool,
    #[serde(default)]
    subresources: Option<Subresources>,
}

#[derive(Debug, Clone, Deserialize)]
struct Subresources {
    #[serde(default)]
    scale: Option<Scale>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Scale {
    spec_replicas_path: String,
}

impl SlimDefinition {
    /// Where it has its number of replicas: in the version that is stored, else in any.
    fn scale(&self) -> Option<(GroupKind, Arc<str>)> {
        let path = |version: &DefinitionVersion| {
            let scale = version.subresources.as_ref()?.scale.as_ref()?;
            scale_pointer(&scale.spec_replicas_path)
        };
        let versions = &self.spec.versions;
        let stored = versions.iter().filter(|version| version.storage).find_map(path);
        let pointer = stored.or_else(|| versions.iter().find_map(path))?;
        let kind = GroupKind::new(self.spec.group.as_str(), self.spec.names.kind.as_str());
        Some((kind, pointer))
    }
}

/// Custom resources come and go, and some have replicas.
#[derive(Debug)]
pub(super) struct CustomKinds;

impl Sink<SlimDefinition> for To<CustomKinds> {
    type Key = String;

    fn seen(&self, object: SlimDefinition) -> Option<String> {
        let engine = self.engine.upgrade()?;
        let name = object.name_any();
        let scale = object.scale();
        if engine.index.kind_sources.read().scales.get(&name) != scale.as_ref() {
            engine.change_kinds(|sources| {
                match scale {
                    Some(scale) => sources.scales.insert(name.clone(), scale),
                    None => sources.scales.remove(&name),
                };
            });
        }
        engine.definitions.notify_one();
        Some(name)
    }

    fn key(&self, object: &SlimDefinition) -> Option<String> {
        Some(object.name_any())
    }

    fn known(&self) -> Vec<String> {
        let engine = self.engine.upgrade();
        engine
            .map(|engine| engine.index.kind_sources.read().scales.keys().cloned().collect())
            .unwrap_or_default()
    }

    fn lose(&self, name: &String) {
        if let Some(engine) = self.engine.upgrade() {
            engine.change_kinds(|sources| {
                sources.scales.remove(name);
            });
            engine.definitions.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_definition_is_read_for_its_scale_alone() {
        let definition: SlimDefinition = serde_json::from_value(json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "widgets.example.com"},
            "spec": {"group": "example.com", "scope": "Namespaced", "names": {"kind": "Widget", "plural": "widgets"}, "versions": [
                {"name": "v1beta1", "served": true, "storage": false, "subresources": {"scale": {"specReplicasPath": ".spec.count"}}},
                {"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {}},
                    "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}}},
                {"name": "v2", "served": true, "storage": false},
            ]},
        }))
        .unwrap();
        let (kind, pointer) = definition.scale().unwrap();
        assert_eq!(
            (kind.to_string().as_str(), &*pointer),
            ("Widget.example.com", "/spec/replicas")
        );
    }
}
