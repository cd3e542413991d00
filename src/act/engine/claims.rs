//! Whose an object in a member is where several bindings name it: of Bundles two may hold the same object, and it may
//! be a template of its own besides.

use dashmap::DashMap;

use super::engine::Engine;
use crate::{
    act::fleet::MemberHandle,
    model::{
        api::WorkloadBinding,
        fleet::BindingKey,
        name::{ClusterName, GroupKind, ObjectKey, ObjectName},
    },
};

/// Which Bundles hold which objects. Other templates' bindings are named after the one object they have.
#[derive(Debug, Default)]
pub(super) struct Claims(DashMap<(GroupKind, ObjectName), Vec<BindingKey>>);

impl Claims {
    /// Takes up what a binding consists of now. Free for bindings that are of no Bundle.
    pub(super) fn change(
        &self,
        key: &BindingKey,
        before: Option<&WorkloadBinding>,
        now: Option<&WorkloadBinding>,
    ) {
        let items = |binding: Option<&WorkloadBinding>| {
            let items = binding.map_or(&[][..], |binding| &binding.spec.items);
            let name = |item: &crate::model::api::BundledObject| {
                (
                    GroupKind::new(item.group.as_str(), item.kind.as_str()),
                    item.name.clone(),
                )
            };
            items.iter().map(name).collect::<Vec<_>>()
        };
        let is_empty =
            |binding: Option<&WorkloadBinding>| binding.is_none_or(|binding| binding.spec.items.is_empty());
        if is_empty(before) && is_empty(now) {
            return;
        }
        let (before, now) = (items(before), items(now));
        for gone in before.iter().filter(|had| !now.contains(had)) {
            self.0.remove_if_mut(gone, |_, claimants| {
                claimants.retain(|claimant| claimant != key);
                claimants.is_empty()
            });
        }
        for name in now {
            let mut claimants = self.0.entry(name).or_default();
            if !claimants.contains(key) {
                claimants.push(key.clone());
            }
        }
    }

    /// Whether some Bundle names an object of that kind and name.
    fn has(&self, object: &ObjectKey) -> bool {
        self.0.contains_key(&(object.group_kind(), object.name.clone()))
    }

    /// The Bundles' bindings that name the object; one without a namespace may be named from every namespace.
    pub(super) fn of(&self, object: &ObjectKey) -> Vec<BindingKey> {
        let Some(claimants) = self.0.get(&(object.group_kind(), object.name.clone())) else {
            return Vec::new();
        };
        let same = |claimant: &&BindingKey| {
            let inside = object.namespace.as_ref();
            inside.is_none_or(|inside| *inside == claimant.namespace)
        };
        claimants.iter().filter(same).cloned().collect()
    }
}

/// Older first, then by name.
fn rank<'a>(key: &'a BindingKey, binding: &WorkloadBinding) -> impl Ord + use<'a> {
    let created = binding.metadata.creation_timestamp.as_ref().map(|time| time.0);
    (created.is_none(), created, key)
}

/// Whether the binding puts the object into the member, or is about to.
fn wants(binding: &WorkloadBinding, cluster: &ClusterName, object: &ObjectKey) -> bool {
    let items = &binding.spec.items;
    binding.metadata.deletion_timestamp.is_none()
        && binding.wanted().any(|entry| entry.name == *cluster)
        && (items.is_empty() || items.iter().any(|item| item.is(object) && !item.removing))
}

impl Engine {
    /// All bindings that name the object.
    pub(super) fn claimants(&self, object: &ObjectKey) -> Vec<BindingKey> {
        let mut all = self.index.claims.of(object);
        all.extend(BindingKey::of(object).filter(|own| self.index.bindings.contains_key(own)));
        all
    }

    /// The other bindings that want the object in that member.
    fn rivals(
        &self,
        key: &BindingKey,
        cluster: &ClusterName,
        object: &ObjectKey,
    ) -> impl Iterator<Item = (BindingKey, std::sync::Arc<WorkloadBinding>)> {
        let rival = move |other: BindingKey| {
            let binding = self.index.binding(&other)?;
            (other != *key && wants(&binding, cluster, object)).then_some((other, binding))
        };
        self.claimants(object).into_iter().filter_map(rival)
    }

    /// The binding that comes before this one for the object, if one does: the older has it.
    pub(super) fn owner_before(
        &self,
        key: &BindingKey,
        binding: &WorkloadBinding,
        cluster: &ClusterName,
        object: &ObjectKey,
    ) -> Option<(BindingKey, std::sync::Arc<WorkloadBinding>)> {
        if binding.spec.items.is_empty() && !self.index.claims.has(object) {
            return None; // the usual case: the binding is named after it
        }
        let before = |(other, theirs): &(BindingKey, std::sync::Arc<WorkloadBinding>)| {
            rank(other, theirs) < rank(key, binding)
        };
        let older = self.rivals(key, cluster, object).filter(before);
        older.min_by(|one, two| rank(&one.0, &one.1).cmp(&rank(&two.0, &two.1)))
    }

    /// Whether another binding wants the object there: then nobody else takes it away.
    pub(super) fn is_wanted_by_another(
        &self,
        key: &BindingKey,
        cluster: &ClusterName,
        object: &ObjectKey,
    ) -> bool {
        self.rivals(key, cluster, object).next().is_some()
    }

    /// Has the other bindings that name an object look whose it is now.
    pub(super) fn wake_rivals(&self, key: &BindingKey, cluster: &ClusterName, object: &ObjectKey) {
        for other in self.claimants(object) {
            if other != *key {
                self.lanes.add(cluster, &other);
            }
        }
    }
}

/// The key of an object of a Bundle as it is in the member: only its discovery tells whether the kind has namespaces.
pub(super) fn key_in(member: &MemberHandle, object: &ObjectKey) -> ObjectKey {
    let apis = member.apis();
    let scoped = apis
        .kind(&object.group_kind())
        .is_none_or(|served| served.namespaced);
    ObjectKey {
        namespace: object.namespace.clone().filter(|_| scoped),
        ..object.clone()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn binding(name: &str, created: &str, items: &[&str]) -> (BindingKey, WorkloadBinding) {
        let items: Vec<_> = items
            .iter()
            .map(|item| json!({"kind": "ConfigMap", "name": item}))
            .collect();
        let binding = json!({
            "apiVersion": "hanse.dev/v1alpha1", "kind": "WorkloadBinding",
            "metadata": {"name": name, "namespace": "shop", "creationTimestamp": created},
            "spec": {
                "template": {"apiVersion": "hanse.dev/v1alpha1", "kind": "Bundle", "name": name, "uid": "u"},
                "clusters": [{"name": "m"}], "items": items,
            },
        });
        let key = BindingKey {
            namespace: "shop".parse().unwrap(),
            name: name.parse().unwrap(),
        };
        (key, serde_json::from_value(binding).unwrap())
    }

    fn map(namespace: &str, name: &str) -> ObjectKey {
        ObjectKey::parse(&GroupKind::new("", "ConfigMap"), namespace, name).unwrap()
    }

    #[test]
    fn the_older_binding_comes_first_and_of_two_of_one_age_the_first_by_name() {
        let (old, new) = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
        let (z, z_binding) = binding("z", old, &["a"]);
        let (a, a_binding) = binding("a", new, &["a"]);
        let (b, b_binding) = binding("b", new, &["a"]);
        assert!(rank(&z, &z_binding) < rank(&a, &a_binding));
        assert!(rank(&a, &a_binding) < rank(&b, &b_binding));
    }

    #[test]
    fn a_claim_lasts_as_long_as_its_binding_names_the_object() {
        let claims = Claims::default();
        let (key, first) = binding("one", "2026-01-01T00:00:00Z", &["a", "b"]);
        let (_, second) = binding("one", "2026-01-01T00:00:00Z", &["b"]);
        claims.change(&key, None, Some(&first));
        assert_eq!(claims.of(&map("shop", "a")), std::slice::from_ref(&key));
        assert!(claims.of(&map("bank", "a")).is_empty());
        assert_eq!(
            claims.of(&map("", "a")).len(),
            1,
            "what has no namespace is one object"
        );
        claims.change(&key, Some(&first), Some(&second));
        assert!(claims.of(&map("shop", "a")).is_empty());
        claims.change(&key, Some(&second), None);
        assert!(claims.0.is_empty());
    }

    #[test]
    fn a_binding_that_leaves_wants_nothing() {
        let cluster: ClusterName = "m".parse().unwrap();
        let (_, mut binding) = binding("one", "2026-01-01T00:00:00Z", &["a"]);
        assert!(wants(&binding, &cluster, &map("shop", "a")));
        assert!(!wants(&binding, &cluster, &map("shop", "b")));
        binding.spec.items[0].removing = true;
        assert!(!wants(&binding, &cluster, &map("shop", "a")));
        binding.spec.items[0].removing = false;
        binding.spec.clusters[0].removing = true;
        assert!(!wants(&binding, &cluster, &map("shop", "a")));
    }
}
