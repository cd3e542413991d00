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
    time::Duration,
};

use k8s_openapi::{
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use serde::Deserialize;
use serde_json::json;

use super::{
    engine::{Engine, GATED},
    error::Error,
    follow::Sink,
    sinks::To,
};
use crate::{
    act::wire::Error as WireError,
    decide::health,
    model::{
        api::{ConditionStatus, ConditionType, Health, KindRule, Reason, set_condition},
        fleet::BindingKey,
        kind::{Kinds, Rule, scale_pointer},
        name::GroupKind,
    },
};

/// Objects come and go in numbers; what is said of a rule follows at most this often.
const PERIOD: Duration = Duration::from_secs(2);

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
        self.forget_refused_sums(&news);
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

impl Engine {
    /// Handles `KindRule`s until stopped.
    pub(super) async fn kind_rules_loop(self: Arc<Self>) {
        loop {
            let work = self.kind_rules.next().await;
            self.until_active().await;
            match self.write_rule_status(work.key()).await {
                Ok(()) => self.kind_rules.forget(work.key()),
                Err(error) if error.is_not_leader() => self.kind_rules.add_after(work.key().clone(), GATED),
                Err(error) => {
                    tracing::debug!(rule = %work.key(), %error, "failed to write the status of the KindRule; trying again");
                    self.kind_rules.retry(work.key().clone());
                }
            }
        }
    }

    /// An object was judged by a rule, which may have failed.
    pub(super) fn look_at_rule(&self, rule: &Rule) {
        self.kind_rules.add_after(rule.name.clone(), PERIOD);
    }

    pub(super) fn look_at_rules(&self) {
        for name in self.index.kind_sources.read().rules.keys() {
            self.kind_rules.add(name.clone());
        }
    }

    async fn write_rule_status(&self, name: &str) -> Result<(), Error> {
        let Some(rule) = self.index.kind_sources.read().rules.get(name).cloned() else {
            return Ok(());
        };
        let api: Api<KindRule> = Api::all(self.hub.client());
        let failed =
            |verb: &str, source| WireError::call(format!("{verb} the status of KindRule {name}"), source);
        let live = api.get_opt(name).await.map_err(|source| failed("read", source))?;
        // Of another one the watch will tell.
        let Some(live) = live.filter(|live| live.metadata.generation == Some(rule.generation)) else {
            return Ok(());
        };
        let before = live.status.unwrap_or_default();
        let mut after = before.clone();
        let (holds, reason, message) = self.judge_rule(&rule);
        set_condition(
            &mut after.conditions,
            ConditionType::Ready,
            holds,
            reason,
            &message,
            Some(rule.generation),
            self.clock.now(),
        );
        if after == before {
            return Ok(());
        }
        let params = PatchParams {
            field_manager: Some(self.me.manager.clone()),
            ..PatchParams::default()
        };
        match api
            .patch_status(name, &params, &Patch::Merge(json!({"status": after})))
            .await
        {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(source) => Err(failed("write", source).into()),
        }
    }

    /// Whether a rule is in force and does what it says, on all that there is of its kind now.
    fn judge_rule(&self, rule: &Rule) -> (ConditionStatus, Reason, String) {
        let not = |reason, message| (ConditionStatus::False, reason, message);
        if !rule.problems.is_empty() {
            let problems: Vec<String> = rule.problems.iter().map(ToString::to_string).collect();
            return not(Reason::RuleInvalid, problems.join("; "));
        }
        let kinds = self.index.kinds_known.load();
        if let Some(other) = kinds.rule(&rule.kind).filter(|other| other.uid != rule.uid) {
            let message = format!(
                "KindRule {} is about {} too and is older; it is in force",
                other.name, rule.kind
            );
            return not(Reason::RuleSuperseded, message);
        }
        if let Some(message) = self.first_fault(&kinds, rule) {
            return not(Reason::RuleFailed, message);
        }
        match self.why_sums_are_refused(&rule.kind) {
            Some(why) => not(Reason::SumRefused, why),
            None => (ConditionStatus::True, Reason::AsDesired, String::new()),
        }
    }

    /// Of all objects on which the rule fails the first by name, so that the words stay the same.
    fn first_fault(&self, kinds: &Kinds, rule: &Rule) -> Option<String> {
        let mut keys: Vec<BindingKey> = self
            .index
            .bindings
            .iter()
            .filter(|binding| binding.spec.template.group_kind().as_ref() == Some(&rule.kind))
            .map(|binding| binding.key().clone())
            .collect();
        keys.sort();
        keys.iter().find_map(|key| {
            if let Some(held) = self.index.template(key)
                && let Some(fault) = kinds.dependencies(&rule.kind, &held.template.value()).1
            {
                return Some(format!("{}/{}: {fault}", key.namespace, held.template.key.name));
            }
            let binding = self.index.binding(key)?;
            let object = binding.spec.template.key(&key.namespace).ok()?;
            binding.wanted().find_map(|cluster| {
                let row = self.fleet.member(&cluster.name)?.row(&object)?;
                let verdict = health::health(kinds, &rule.kind, &row);
                let fault = (verdict.health == Health::Unknown).then_some(verdict.message)?;
                Some(format!(
                    "{}/{} in {}: {fault}",
                    key.namespace, object.name, cluster.name
                ))
            })
        })
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
            engine.look_at_rules(); // it may stand before another, or behind
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
            engine.look_at_rules();
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
