//! Roles and bindings, read once: kept in step with the store by its changes.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;

use serde_json::Value;

use super::rule::Rule;
use super::{GROUP, User};
use crate::sandbox::object::{meta, name};
use crate::sandbox::store::{Change, Key, Store};

const CLUSTER_ROLES: &str = "clusterroles.rbac.authorization.k8s.io";
const ROLES: &str = "roles.rbac.authorization.k8s.io";
const CLUSTER_BINDINGS: &str = "clusterrolebindings.rbac.authorization.k8s.io";
const BINDINGS: &str = "rolebindings.rbac.authorization.k8s.io";

type Place = (Arc<str>, Arc<str>);

/// What was compiled from the four kinds. Cluster-scoped objects have the namespace `""`.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// The revision of the store that this is in step with; none before the first look.
    seen: Option<u64>,
    /// By namespace and name.
    roles: HashMap<Place, Arc<[Rule]>>,
    bindings: HashMap<Arc<str>, BTreeMap<Arc<str>, Binding>>,
}

/// Who has which role, in the binding's namespace or everywhere.
#[derive(Debug)]
pub(super) struct Binding {
    pub(super) name: Arc<str>,
    /// Empty for a binding of the whole cluster.
    pub(super) namespace: Arc<str>,
    pub(super) role: RoleRef,
    subjects: Vec<BoundSubject>,
}

/// What a binding refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RoleRef {
    pub(super) group: String,
    pub(super) kind: String,
    pub(super) name: String,
}

#[derive(Debug)]
struct BoundSubject {
    matches: Matches,
    /// `ServiceAccount "hub/hanse-system"`
    shown: String,
}

#[derive(Debug)]
enum Matches {
    /// Also of a ServiceAccount, by the name it has as a user.
    User(String),
    Group(String),
    Nobody,
}

impl RoleRef {
    pub(super) fn read(binding: &Value) -> Self {
        let text = |field: &str| binding["roleRef"][field].as_str().unwrap_or_default().to_owned();
        Self {
            group: text("apiGroup"),
            kind: text("kind"),
            name: text("name"),
        }
    }
}

impl Index {
    /// Brings it up to what the store has now.
    pub(super) fn follow(&mut self, store: &Store) {
        let now = store.revision();
        match self.seen {
            Some(seen) if seen == now => {}
            Some(seen) => {
                for resource in [CLUSTER_ROLES, ROLES, CLUSTER_BINDINGS, BINDINGS] {
                    let Ok((changes, _)) = store.since(resource, seen) else {
                        return self.read(store, now);
                    };
                    for change in changes {
                        self.change(&change);
                    }
                }
                self.seen = Some(now);
            }
            None => self.read(store, now),
        }
    }

    fn read(&mut self, store: &Store, now: u64) {
        *self = Self {
            // Taken before the lists: what is written meanwhile is read again, which changes nothing.
            seen: Some(now),
            ..Self::default()
        };
        for resource in [CLUSTER_ROLES, ROLES, CLUSTER_BINDINGS, BINDINGS] {
            for object in store.list(resource, None).0 {
                let key = Key::new(resource, Some(meta(&object, "namespace")), name(&object));
                self.set(&key, Some(&object));
            }
        }
    }

    fn change(&mut self, change: &Change) {
        self.set(&change.key, change.new.as_deref());
    }

    fn set(&mut self, key: &Key, object: Option<&Value>) {
        let (namespace, name) = (key.namespace.clone(), key.name.clone());
        if matches!(&*key.resource, CLUSTER_ROLES | ROLES) {
            match object {
                Some(role) => self.roles.insert((namespace, name), Rule::read_all(role).into()),
                None => self.roles.remove(&(namespace, name)),
            };
            return;
        }
        let bindings = self.bindings.entry(namespace).or_default();
        match object {
            Some(binding) => bindings.insert(name, Binding::read(key, binding)),
            None => bindings.remove(&name),
        };
    }

    /// The rules of a role, as a binding in a namespace refers to it; or what upstream says when there is none.
    pub(super) fn role(&self, role: &RoleRef, namespace: &str) -> Result<Arc<[Rule]>, String> {
        let namespace = if role.kind == "Role" { namespace } else { "" };
        let found = self.roles.get(&(namespace.into(), role.name.as_str().into()));
        found.cloned().ok_or_else(|| {
            let kind = role.kind.to_lowercase();
            format!("{kind}.{GROUP} {:?} not found", role.name)
        })
    }

    /// Shows every rule that a user has in a namespace, and by which binding, until told to stop. What could not
    /// be found on the way is returned.
    pub(super) fn visit<B>(
        &self,
        user: &User,
        namespace: &str,
        mut see: impl FnMut(&Rule, &Binding, &str) -> ControlFlow<B>,
    ) -> Result<Vec<String>, B> {
        let mut missing = Vec::new();
        let scopes = ["", namespace];
        let scopes = if namespace.is_empty() {
            &scopes[..1]
        } else {
            &scopes[..]
        };
        for binding in scopes
            .iter()
            .filter_map(|scope| self.bindings.get(*scope))
            .flat_map(BTreeMap::values)
        {
            let Some(subject) = binding
                .subjects
                .iter()
                .find(|subject| subject.matches.applies(user))
            else {
                continue;
            };
            match self.role(&binding.role, &binding.namespace) {
                Ok(rules) => {
                    for rule in &*rules {
                        if let ControlFlow::Break(answer) = see(rule, binding, &subject.shown) {
                            return Err(answer);
                        }
                    }
                }
                Err(message) => missing.push(message),
            }
        }
        Ok(missing)
    }

    /// All rules that a user has in a namespace.
    pub(super) fn rules(&self, user: &User, namespace: &str) -> Vec<Rule> {
        let mut rules = Vec::new();
        let see = |rule: &Rule, _: &Binding, _: &str| -> ControlFlow<()> {
            rules.push(rule.clone());
            ControlFlow::Continue(())
        };
        let _ = self.visit(user, namespace, see);
        rules
    }
}

impl Binding {
    fn read(key: &Key, binding: &Value) -> Self {
        let subjects = binding["subjects"].as_array().into_iter().flatten();
        Self {
            name: key.name.clone(),
            namespace: key.namespace.clone(),
            role: RoleRef::read(binding),
            subjects: subjects
                .map(|subject| BoundSubject::read(subject, &key.namespace))
                .collect(),
        }
    }
}

impl BoundSubject {
    fn read(subject: &Value, of_binding: &str) -> Self {
        let text = |field: &str| subject[field].as_str().unwrap_or_default();
        let (kind, name) = (text("kind"), text("name"));
        let namespace = Some(text("namespace")).filter(|namespace| !namespace.is_empty());
        let namespace = namespace.unwrap_or(of_binding);
        let matches = match kind {
            "User" => Matches::User(name.to_owned()),
            "Group" => Matches::Group(name.to_owned()),
            "ServiceAccount" if !namespace.is_empty() => {
                Matches::User(format!("system:serviceaccount:{namespace}:{name}"))
            }
            _ => Matches::Nobody,
        };
        let shown = match kind {
            "ServiceAccount" => format!("{kind} \"{name}/{namespace}\""),
            _ => format!("{kind} {name:?}"),
        };
        Self { matches, shown }
    }
}

impl Matches {
    fn applies(&self, user: &User) -> bool {
        match self {
            Self::User(name) => *user.name == **name,
            Self::Group(group) => user.is_in(group),
            Self::Nobody => false,
        }
    }
}
