//! Which overrides change a template, and in which order.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use kube::Resource as _;

use super::compile::{Selection, Selector};
use crate::model::api::{ClusterOverridePolicy, OverridePolicy, OverridePolicySpec};
use crate::model::name::{self, NamespaceName, ObjectName};
use crate::model::template::Template;

/// Which override. A `ClusterOverridePolicy` comes before every `OverridePolicy`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OverrideId {
    /// None for a `ClusterOverridePolicy`.
    pub namespace: Option<NamespaceName>,
    /// Its name.
    pub name: ObjectName,
}

impl OverrideId {
    /// As a binding names it: `OverridePolicy/eu`.
    #[must_use]
    pub fn reference(&self) -> String {
        format!("{}/{}", self.kind(), self.name)
    }

    fn kind(&self) -> &'static str {
        match self.namespace {
            Some(_) => "OverridePolicy",
            None => "ClusterOverridePolicy",
        }
    }
}

impl fmt::Display for OverrideId {
    /// `OverridePolicy shop/eu`, `ClusterOverridePolicy base`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind(), self.name),
            None => write!(f, "{} {}", self.kind(), self.name),
        }
    }
}

/// An `OverridePolicy` or `ClusterOverridePolicy`, ready to be asked.
#[derive(Debug, Clone)]
pub struct Override {
    /// Which one.
    pub id: OverrideId,
    /// `metadata.uid` and `metadata.generation`: what it says moves with them.
    pub version: (String, i64),
    /// What it says.
    pub spec: Arc<OverridePolicySpec>,
    /// What is wrong with its selectors.
    pub problems: Vec<String>,
    selectors: Vec<Selector>,
}

impl Override {
    /// Compiles an `OverridePolicy`.
    pub fn of(policy: &OverridePolicy) -> Result<Self, name::Error> {
        let namespace = NamespaceName::parse(policy.meta().namespace.as_deref().unwrap_or_default())?;
        Self::compile(Some(namespace), policy.meta(), &policy.spec)
    }

    /// Compiles a `ClusterOverridePolicy`.
    pub fn of_cluster(policy: &ClusterOverridePolicy) -> Result<Self, name::Error> {
        Self::compile(None, policy.meta(), &policy.spec.policy)
    }

    fn compile(
        namespace: Option<NamespaceName>,
        meta: &kube::core::ObjectMeta,
        spec: &OverridePolicySpec,
    ) -> Result<Self, name::Error> {
        let name = ObjectName::parse(meta.name.as_deref().unwrap_or_default())?;
        let (selectors, problems) = Selector::compile_all(&spec.resource_selectors);
        Ok(Self {
            id: OverrideId { namespace, name },
            version: (
                meta.uid.clone().unwrap_or_default(),
                meta.generation.unwrap_or_default(),
            ),
            spec: Arc::new(spec.clone()),
            problems,
            selectors,
        })
    }

    /// Whether it changes the template; None when a selector that can't be read may have meant it.
    #[must_use]
    pub fn selects(&self, template: &Template) -> Option<bool> {
        let inside = self.id.namespace.is_none() || self.id.namespace.as_ref() == template.namespace();
        if !inside {
            return Some(false);
        }
        let mut clear = true;
        for selector in &self.selectors {
            match selector.selects(template) {
                Selection::Yes(_) => return Some(true),
                Selection::Unclear => clear = false,
                Selection::No => {}
            }
        }
        clear.then_some(false)
    }
}

/// All overrides of the hub API, by namespace; those of all namespaces under None.
#[derive(Debug, Clone, Default)]
pub struct Overrides(BTreeMap<Option<NamespaceName>, BTreeMap<ObjectName, Arc<Override>>>);

impl Overrides {
    /// Adds the override, or puts it in the place of its older self, which it gives back.
    pub fn upsert(&mut self, newer: Override) -> Option<Arc<Override>> {
        let here = self.0.entry(newer.id.namespace.clone()).or_default();
        here.insert(newer.id.name.clone(), Arc::new(newer))
    }

    /// Forgets the override and gives it back.
    pub fn remove(&mut self, id: &OverrideId) -> Option<Arc<Override>> {
        let here = self.0.get_mut(&id.namespace)?;
        let gone = here.remove(&id.name);
        if here.is_empty() {
            self.0.remove(&id.namespace);
        }
        gone
    }

    /// The override, if it exists.
    #[must_use]
    pub fn get(&self, id: &OverrideId) -> Option<&Arc<Override>> {
        self.0.get(&id.namespace)?.get(&id.name)
    }

    /// All of them, in order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Override>> {
        self.0.values().flat_map(BTreeMap::values)
    }

    /// Those that change the template, or may mean to, in the order in which they are made: lower priority first, then
    /// `ClusterOverridePolicy` before `OverridePolicy`, then by name. The last one has the last word.
    #[must_use]
    pub fn of_template(&self, template: &Template) -> Vec<Arc<Override>> {
        let own = template.namespace().cloned().map(Some);
        let mut found: Vec<Arc<Override>> = [Some(None), own]
            .into_iter()
            .flatten()
            .filter_map(|namespace| self.0.get(&namespace))
            .flat_map(BTreeMap::values)
            .filter(|policy| policy.selects(template) != Some(false))
            .cloned()
            .collect();
        // Stable: within a priority the order of kinds and names stays.
        found.sort_by_key(|policy| policy.spec.priority);
        found
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn template() -> Template {
        let object = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
        });
        Template::from_object(&object, &|_| false).unwrap()
    }

    fn policy(namespace: Option<&str>, name: &str, priority: i32, selector: &Value) -> Override {
        let metadata = json!({"name": name, "namespace": namespace});
        let spec = json!({"priority": priority, "resourceSelectors": [selector], "rules": [{"labels": {}}]});
        match namespace {
            Some(_) => Override::of(
                &serde_json::from_value(json!({"apiVersion": "hanse.dev/v1alpha1", "kind": "OverridePolicy", "metadata": metadata, "spec": spec}))
                    .unwrap(),
            ),
            None => Override::of_cluster(
                &serde_json::from_value(json!({"apiVersion": "hanse.dev/v1alpha1", "kind": "ClusterOverridePolicy", "metadata": {"name": name}, "spec": spec}))
                    .unwrap(),
            ),
        }
        .unwrap()
    }

    #[test]
    fn the_order_is_priority_then_administrators_then_names_however_they_came() {
        let any = json!({"apiVersion": "*", "kind": "*"});
        let all = [
            policy(Some("shop"), "b", 0, &any),
            policy(Some("shop"), "a", 0, &any),
            policy(None, "z", 0, &any),
            policy(None, "last", 7, &any),
            policy(Some("shop"), "first", -1, &any),
            policy(Some("bank"), "theirs", 0, &any),
        ];
        for turn in 0..all.len() {
            let mut overrides = Overrides::default();
            let (late, early) = all.split_at(turn);
            for policy in early.iter().chain(late) {
                overrides.upsert(policy.clone());
            }
            let found: Vec<String> = overrides
                .of_template(&template())
                .iter()
                .map(|policy| policy.id.to_string())
                .collect();
            assert_eq!(
                found,
                [
                    "OverridePolicy shop/first",
                    "ClusterOverridePolicy z",
                    "OverridePolicy shop/a",
                    "OverridePolicy shop/b",
                    "ClusterOverridePolicy last",
                ]
            );
        }
    }

    #[rstest]
    #[case::kind(json!({"apiVersion": "apps/v1", "kind": "Deployment"}), Some(true))]
    #[case::another_kind(json!({"apiVersion": "v1", "kind": "ConfigMap"}), Some(false))]
    #[case::labels(json!({"apiVersion": "*", "kind": "*", "labelSelector": {"matchLabels": {"app": "api"}}}), Some(false))]
    #[case::unreadable(json!({"apiVersion": "*", "kind": "*", "labelSelector": {"matchExpressions": [{"key": "a", "operator": "Like"}]}}), None)]
    fn templates_are_selected_as_by_every_policy(#[case] selector: Value, #[case] expected: Option<bool>) {
        assert_eq!(
            policy(Some("shop"), "p", 0, &selector).selects(&template()),
            expected
        );
    }
}
