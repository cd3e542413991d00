//! Roles and bindings, read once: kept in step with the store by its changes.

use std::collections::{BTreeMap, HashMap};
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
struct Binding {
    /// Empty for a binding of the whole cluster.
    namespace: Arc<str>,
    role: RoleRef,
    subjects: Vec<Subject>,
}

/// What a binding refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RoleRef {
    pub(super) group: String,
    pub(super) kind: String,
    pub(super) name: String,
}

#[derive(Debug)]
enum Subject {
    /// Also a ServiceAccount, by the name it has as a user.
    User(String),
    Group(String),
}

/// What somebody has in a namespace.
#[derive(Debug, Default)]
pub(super) struct Held {
    roles: Vec<Arc<[Rule]>>,
    /// What upstream says of roles that are bound and not there.
    pub(super) missing: Vec<String>,
}

impl Held {
    pub(super) fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.roles.iter().flat_map(|rules| rules.iter())
    }
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
                    for Change { key, new, .. } in changes {
                        self.set(&key, new.as_deref());
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

    /// Every rule that a user has in a namespace.
    pub(super) fn held(&self, user: &User, namespace: &str) -> Held {
        let mut held = Held::default();
        let in_namespace = Some(namespace).filter(|namespace| !namespace.is_empty());
        let scopes = std::iter::once("").chain(in_namespace);
        let bindings = scopes.filter_map(|scope| self.bindings.get(scope));
        let own = |binding: &&Binding| binding.subjects.iter().any(|subject| subject.is(user));
        for binding in bindings.flat_map(BTreeMap::values).filter(own) {
            match self.role(&binding.role, &binding.namespace) {
                Ok(rules) => held.roles.push(rules),
                Err(message) => held.missing.push(message),
            }
        }
        held
    }
}

impl Binding {
    fn read(key: &Key, binding: &Value) -> Self {
        let subjects = binding["subjects"].as_array().into_iter().flatten();
        Self {
            namespace: key.namespace.clone(),
            role: RoleRef::read(binding),
            subjects: subjects
                .filter_map(|subject| Subject::read(subject, &key.namespace))
                .collect(),
        }
    }
}

impl Subject {
    fn read(subject: &Value, of_binding: &str) -> Option<Self> {
        let text = |field: &str| subject[field].as_str().filter(|text| !text.is_empty());
        let name = text("name")?.to_owned();
        let namespace = text("namespace").unwrap_or(of_binding);
        match text("kind")? {
            "User" => Some(Self::User(name)),
            "Group" => Some(Self::Group(name)),
            "ServiceAccount" => Some(Self::User(format!("system:serviceaccount:{namespace}:{name}"))),
            _ => None,
        }
    }

    fn is(&self, user: &User) -> bool {
        match self {
            Self::User(name) => *user.name == **name,
            Self::Group(group) => user.is_in(group),
        }
    }
}
