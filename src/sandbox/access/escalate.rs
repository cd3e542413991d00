//! Nobody grants what they don't have: checked when a role or a binding is written.

use serde_json::Value;

use super::authorize::refused;
use super::index::RoleRef;
use super::rule::{Rule, quoted};
use super::{Access, Attributes, GROUP, User};
use crate::sandbox::failure::Failure;
use crate::sandbox::object::{meta, name};

const MORE_THAN_HELD: &str = "is attempting to grant RBAC permissions not currently held";

impl Access {
    /// Judges a write of a role or a binding, of a namespace or the cluster; anything else passes. `old` is None
    /// for creates. To be called with the object that would be stored.
    pub(crate) fn admit(
        &self,
        user: &User,
        group: &str,
        plural: &str,
        old: Option<&Value>,
        new: &Value,
    ) -> Result<(), Failure> {
        if group != GROUP
            || user.is_in("system:masters")
            || old.is_some_and(|old| only_for_collection(old, new))
        {
            return Ok(());
        }
        match plural {
            "roles" | "clusterroles" => self.admit_role(user, plural, old, new),
            "rolebindings" | "clusterrolebindings" => self.admit_binding(user, plural, new),
            _ => Ok(()),
        }
    }

    fn admit_role(&self, user: &User, plural: &str, old: Option<&Value>, new: &Value) -> Result<(), Failure> {
        let namespace = meta(new, "namespace");
        // A create is asked about without a name, as the request has none.
        let of = if old.is_some() { name(new) } else { "" };
        if self.may(user, "escalate", plural, namespace, of) {
            return Ok(());
        }
        self.within(user, namespace, &Rule::read_all(new))
            .map_err(|what| refused(GROUP, plural, name(new), &what))?;
        let gathers = |role: &Value| {
            let selectors = role["aggregationRule"]["clusterRoleSelectors"].as_array();
            selectors.is_some_and(|selectors| !selectors.is_empty())
        };
        if gathers(new) || old.is_some_and(gathers) {
            let all = |field: &str| Rule::read(&serde_json::json!({"verbs": ["*"], field: ["*"]}));
            let mut everything = all("resources");
            everything.groups = vec!["*".into()];
            if self
                .within(user, "", &[everything, all("nonResourceURLs")])
                .is_err()
            {
                let what = "must have cluster-admin privileges to use the aggregationRule";
                return Err(refused(GROUP, plural, name(new), what));
            }
        }
        Ok(())
    }

    fn admit_binding(&self, user: &User, plural: &str, new: &Value) -> Result<(), Failure> {
        let namespace = meta(new, "namespace");
        let bound = RoleRef::read(new);
        let resource = match bound.kind.as_str() {
            "Role" => "roles",
            "ClusterRole" => "clusterroles",
            _ => "",
        };
        let is_known = !resource.is_empty() && bound.group == GROUP;
        if is_known && self.may(user, "bind", resource, namespace, &bound.name) {
            return Ok(());
        }
        let rules = self.index().role(&bound, namespace);
        // The endpoint answers for what it looked up: the role goes by the binding's resource, as upstream has it.
        let rules = rules.map_err(|_| Failure::not_found(GROUP, plural, &bound.name))?;
        self.within(user, namespace, &rules)
            .map_err(|what| refused(GROUP, plural, name(new), &what))
    }

    fn may(&self, user: &User, verb: &str, resource: &str, namespace: &str, name: &str) -> bool {
        let attributes = Attributes::Resource {
            verb,
            group: GROUP,
            resource,
            subresource: "",
            namespace,
            name,
        };
        self.authorize(user, &attributes).is_ok()
    }

    /// Whether the user has all of these rules in a namespace; if not, upstream's words for what is missing.
    fn within(&self, user: &User, namespace: &str, rules: &[Rule]) -> Result<(), String> {
        let held = self.index().held(user, namespace);
        let missing: Vec<Rule> = rules
            .iter()
            .flat_map(Rule::parts)
            .filter(|part| !held.rules().any(|rule| rule.covers(part)))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let mut shown: Vec<String> = compact(missing).iter().map(ToString::to_string).collect();
        shown.sort();
        shown.dedup();
        Err(format!(
            "user {:?} (groups={}) {MORE_THAN_HELD}:\n{}",
            user.name,
            quoted(&user.groups),
            shown.join("\n")
        ))
    }
}

/// Rules on the same thing become one with all their verbs.
fn compact(rules: Vec<Rule>) -> Vec<Rule> {
    let mut compacted: Vec<Rule> = Vec::new();
    for rule in rules {
        let same = |of: &&mut Rule| {
            rule.urls.is_empty()
                && (&of.groups, &of.resources, &of.names) == (&rule.groups, &rule.resources, &rule.names)
        };
        match compacted.iter_mut().find(same) {
            Some(of) => of.verbs.extend(rule.verbs),
            None => compacted.push(rule),
        }
    }
    compacted
}

/// Whether nothing but owners and finalizers changes: the garbage collector may do that without the rights.
fn only_for_collection(old: &Value, new: &Value) -> bool {
    let bare = |object: &Value| {
        let mut object = object.clone();
        let metadata = crate::sandbox::object::metadata_mut(&mut object);
        for field in [
            "ownerReferences",
            "finalizers",
            "managedFields",
            "resourceVersion",
            "generation",
        ] {
            metadata.remove(field);
        }
        object
    };
    bare(old) == bare(new)
}
