//! Dependencies: what a template names and cannot run without follows it.

use std::collections::{BTreeSet, HashSet};

use serde_json::Value;

use super::{
    decision::Decision,
    engine::Engine,
    hold::Part,
    trouble::{Trouble, problem},
};
use crate::{
    decide::render,
    model::{
        api::{BindingCluster, Dependencies, PolicyDeletion, Reason, RequiredBy},
        fleet::BindingKey,
        kind,
        name::{GroupKind, ObjectKey, ObjectName},
        template::Template,
    },
};

impl Engine {
    /// The bindings that need this one, and where they are.
    pub(super) fn required(&self, key: &BindingKey) -> Vec<RequiredBy> {
        let governed = self.is_governed(key);
        let loops = if governed {
            self.reached_from(key)
        } else {
            HashSet::new()
        };
        if !governed && !self.is_grounded(key) {
            return Vec::new(); // only what it needs itself still needs it
        }
        let current = self.index.binding(key);
        let known = current.iter().flat_map(|binding| &binding.spec.required_by);
        let mut required: Vec<RequiredBy> = self
            .index
            .needed_by(key)
            .into_iter()
            // Where that is, it is for this one's sake.
            .filter(|parent| !loops.contains(parent) || self.is_governed(parent))
            .filter_map(|parent| {
                let Some(binding) = self.index.binding(&parent) else {
                    // It is being made again, or nobody has looked at it yet: what was known of it still counts.
                    // Once it is gone for good it needs nothing, and does not come here.
                    return known.clone().find(|by| by.binding == parent.name).cloned();
                };
                let clusters: Vec<_> = binding.wanted().map(|cluster| cluster.name.clone()).collect();
                (!clusters.is_empty()).then_some(RequiredBy {
                    binding: parent.name,
                    clusters,
                })
            })
            .collect();
        required.sort_by(|a, b| a.binding.cmp(&b.binding));
        required
    }

    /// Whether a policy put it where it is, or keeps it there. What is not known may be.
    fn is_governed(&self, key: &BindingKey) -> bool {
        let binding = self.index.binding(key);
        let claim = binding.as_ref().and_then(|binding| binding.spec.policy.as_ref());
        let kept = || {
            binding
                .as_ref()
                .is_some_and(|binding| binding.spec.deletion.policy == PolicyDeletion::Keep)
        };
        match self.index.template(key) {
            Some(held) => {
                let policies = self.index.policies.load();
                policies.govern(&held.template, claim).is_some() || (claim.is_some() && kept())
            }
            None => claim.is_some(),
        }
    }

    /// Everything that it needs, and what that needs, and so on.
    fn reached_from(&self, key: &BindingKey) -> HashSet<BindingKey> {
        walk(key, |key| self.index.needs_of(key))
    }

    /// Whether what needs it is itself where it is for the sake of a policy: objects that need each other keep none of
    /// them alive.
    fn is_grounded(&self, key: &BindingKey) -> bool {
        let above = walk(key, |key| self.index.needed_by(key));
        above
            .iter()
            .any(|parent| parent != key && self.is_governed(parent))
    }

    /// Says what the template needs from now on, and has that looked at.
    pub(super) fn follow_dependencies(
        &self,
        key: &BindingKey,
        template: Option<&Template>,
        decision: &Decision,
    ) {
        let policies = self.index.policies.load();
        let needs: HashSet<BindingKey> = match (template, decision) {
            (Some(template), Decision::Want(wanted)) => {
                let governed = policies.govern(template, wanted.spec.policy.as_ref());
                // What is here only because it is needed (a ServiceAccount) takes along what it needs (its Secrets).
                let follows =
                    governed.is_none_or(|governed| governed.policy.spec.dependencies == Dependencies::Follow);
                let mut needs = if follows {
                    self.dependencies(key, template, &wanted.spec.clusters)
                } else {
                    HashSet::new()
                };
                needs.extend(self.travelling(template));
                needs
            }
            (Some(_), Decision::Freeze(_)) => return, // what is frozen keeps what it needs
            _ => HashSet::new(),
        };
        for child in self.index.set_needs(key, needs) {
            self.queue.add(child);
        }
    }

    /// The Secrets that go wherever the Bundle does.
    fn travelling(&self, template: &Template) -> Vec<BindingKey> {
        let Some(bundle) = template
            .bundle
            .as_ref()
            .filter(|bundle| !bundle.secrets.is_empty())
        else {
            return Vec::new();
        };
        let secret = GroupKind::new("", "Secret");
        let known = self.index.followed.insert(secret, true);
        if known != Some(true) {
            self.kinds.notify_one();
        }
        let secrets = bundle.secrets.iter();
        secrets
            .filter_map(|name| secret_key(template, name))
            .filter_map(|secret| BindingKey::of(&secret))
            .collect()
    }

    /// Whether every Secret that is to go with the Bundle is at the hub; they come by themselves then.
    pub(super) fn has_its_secrets(&self, template: &Template) -> Result<(), Trouble> {
        let bundle = template.bundle.as_ref();
        let missing: Vec<&str> = bundle
            .iter()
            .flat_map(|bundle| &bundle.secrets)
            .filter(|name| {
                let key = secret_key(template, name).and_then(|secret| BindingKey::of(&secret));
                let held = key.and_then(|key| self.index.template(&key));
                held.is_none_or(|held| held.template.deleting)
            })
            .map(ObjectName::as_str)
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let message = format!(
            "spec.secrets names {}, which is not in this namespace at the hub; the Bundle is applied when it is",
            missing.join(" and ")
        );
        Err(problem(Reason::DependencyMissing, &message, true))
    }

    /// What the template names as it is rendered for these members.
    fn dependencies(
        &self,
        key: &BindingKey,
        template: &Template,
        clusters: &[BindingCluster],
    ) -> HashSet<BindingKey> {
        let kinds = self.index.kinds_known.load();
        let mut found = BTreeSet::new();
        let mut fault = None;
        for item in template.items() {
            let kind = item.key.group_kind();
            for body in self.bodies(item, clusters) {
                let (named, failed) = kinds.dependencies(&kind, &body);
                found.extend(named);
                fault = fault.or(failed);
            }
            if let Some(rule) = kinds.rule(&kind) {
                self.look_at_rule(rule);
            }
        }
        self.index_followed(found.iter().map(|needed| &needed.kind));
        let mut needs: HashSet<BindingKey> = found
            .into_iter()
            .filter_map(|needed| {
                let object = ObjectKey::new(&needed.kind, Some(key.namespace.clone()), needed.name);
                let comes_along = template.bundle.as_ref().is_some_and(|bundle| bundle.has(&object));
                BindingKey::of(&object).filter(|_| !comes_along)
            })
            .filter(|needed| needed != key)
            .collect();
        if let Some(fault) = fault {
            tracing::debug!(template = %template.key, %fault, "what it needs is not fully known");
            // Nothing is taken away for what could not be told.
            needs.extend(self.index.needs_of(key));
        }
        needs
    }

    /// The template as it is in these members, each body once where nothing changes it.
    fn bodies(&self, template: &Template, clusters: &[BindingCluster]) -> Vec<Value> {
        let overrides = self.index.overrides.load().of_template(template);
        if overrides.is_empty() || clusters.is_empty() {
            return vec![template.value()];
        }
        let fleet = self.fleet.snapshot();
        let changed = clusters.iter().map(|cluster| {
            let mut body = template.value();
            let member = fleet.members.get(&cluster.name);
            match member.map(|member| render::change(&overrides, template, member, &mut body)) {
                Some(Ok(())) => body,
                _ => template.value(), // what runs there may still need it
            }
        });
        changed.collect()
    }

    /// Kinds that something needs are followed from now on.
    fn index_followed<'a>(&self, kinds: impl Iterator<Item = &'a GroupKind>) {
        for kind in kinds {
            if !self.index.followed.contains_key(kind) {
                self.index.followed.insert(kind.clone(), false);
                self.kinds.notify_one();
            }
        }
    }

    /// Whether everything that the object can't start without is at the hub, from where it follows, or in the member
    /// already. Else the object waits: what it needs wakes it when it appears at the hub, and a member is asked again.
    pub(super) async fn has_what_it_needs(
        &self,
        part: &Part<'_>,
        intent: &render::Intent,
    ) -> Result<(), Trouble> {
        let place = part.place;
        let namespace = &place.key.namespace;
        let mut missing = Vec::new();
        for need in kind::mandatory(&intent.key.group_kind(), &intent.body) {
            let object = ObjectKey::new(&need.kind, Some(namespace.clone()), need.name);
            if part.bundle.is_some_and(|bundle| bundle.has(&object)) {
                continue; // it comes with it, and before
            }
            let at_hub = BindingKey::of(&object)
                .and_then(|key| self.index.template(&key))
                .is_some_and(|held| !held.template.deleting);
            if at_hub || place.member.row(&object).is_some() {
                continue;
            }
            let reached = Self::reach(place, &need.kind.at("v1"))?;
            match reached.target(&object).get().await {
                Ok(Some(_)) => {}
                Ok(None) => missing.push(format!("{} {}", object.kind, object.name)),
                // Who may not look can't tell.
                Err(error) if error.code() == Some(403) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let message = format!(
            "it names {}, which is neither in this namespace at the hub nor in the member; it is applied when that exists",
            missing.join(" and ")
        );
        Err(problem(Reason::DependencyMissing, &message, true))
    }

    /// The template is gone, and with it what it needed.
    pub(super) fn need_nothing(&self, key: &BindingKey) {
        for child in self.index.set_needs(key, HashSet::new()) {
            self.queue.add(child);
        }
    }
}

fn secret_key(template: &Template, name: &ObjectName) -> Option<ObjectKey> {
    let namespace = template.namespace()?.clone();
    Some(ObjectKey::new(
        &GroupKind::new("", "Secret"),
        Some(namespace),
        name.clone(),
    ))
}

/// All that is reached by steps from `start`, which counts only if it is reached again.
fn walk(start: &BindingKey, next: impl Fn(&BindingKey) -> Vec<BindingKey>) -> HashSet<BindingKey> {
    let mut reached = HashSet::new();
    let mut open = next(start);
    while let Some(key) = open.pop() {
        if reached.insert(key.clone()) {
            open.extend(next(&key));
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_through_a_circle_ends() {
        let key = |name: &str| BindingKey {
            namespace: "shop".parse().unwrap(),
            name: name.parse().unwrap(),
        };
        let next = |at: &BindingKey| match at.name.as_str() {
            "a" => vec![key("b"), key("c")],
            "b" => vec![key("a")],
            _ => Vec::new(),
        };
        assert_eq!(walk(&key("a"), next), [key("a"), key("b"), key("c")].into());
        assert_eq!(walk(&key("c"), next), HashSet::new());
    }
}
