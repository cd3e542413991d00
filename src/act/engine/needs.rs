//! Dependencies: what a template names and cannot run without follows it.

use std::collections::HashSet;

use super::{decision::Decision, engine::Engine};
use crate::model::{
    api::{Dependencies, RequiredBy},
    fleet::BindingKey,
    name::{GroupKind, ObjectKey},
    template::Template,
};

impl Engine {
    /// The bindings that need this one, and where they are.
    pub(super) fn required(&self, key: &BindingKey) -> Vec<RequiredBy> {
        let current = self.index.binding(key);
        let known = current.iter().flat_map(|binding| &binding.spec.required_by);
        let mut required: Vec<RequiredBy> = self
            .index
            .needed_by(key)
            .into_iter()
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
                if follows {
                    self.dependencies(key, template)
                } else {
                    HashSet::new()
                }
            }
            (Some(_), Decision::Freeze(_)) => return, // what is frozen keeps what it needs
            _ => HashSet::new(),
        };
        for child in self.index.set_needs(key, needs) {
            self.queue.add(child);
        }
    }

    fn dependencies(&self, key: &BindingKey, template: &Template) -> HashSet<BindingKey> {
        let kind = template.key.group_kind();
        let kinds = self.index.kinds_known.load();
        let (found, fault) = kinds.dependencies(&kind, &template.value());
        self.index_followed(found.iter().map(|needed| &needed.kind));
        let mut needs: HashSet<BindingKey> = found
            .into_iter()
            .filter_map(|needed| {
                BindingKey::of(&ObjectKey::new(
                    &needed.kind,
                    Some(key.namespace.clone()),
                    needed.name,
                ))
            })
            .filter(|needed| needed != key)
            .collect();
        if let Some(fault) = fault {
            tracing::debug!(template = %template.key, %fault, "what it needs is not fully known");
            // Nothing is taken away for what could not be told.
            needs.extend(self.index.needs_of(key));
        }
        if let Some(rule) = kinds.rule(&kind) {
            self.look_at_rule(rule);
        }
        needs
    }

    /// Kinds that something needs are followed from now on.
    fn index_followed<'a>(&self, kinds: impl Iterator<Item = &'a GroupKind>) {
        for kind in kinds {
            if !self.index.followed.contains_key(kind) {
                self.index.followed.insert(kind.clone(), ());
                self.kinds.notify_one();
            }
        }
    }

    /// The template is gone, and with it what it needed.
    pub(super) fn need_nothing(&self, key: &BindingKey) {
        for child in self.index.set_needs(key, HashSet::new()) {
            self.queue.add(child);
        }
    }
}
