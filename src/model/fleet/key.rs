//! The name of a binding.

use std::fmt;

use crate::model::name::{NamespaceName, ObjectKey, ObjectName, binding_name};

/// Namespace and name of a `WorkloadBinding`: also the name of its template's work everywhere in the hub.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BindingKey {
    /// The template's namespace.
    pub namespace: NamespaceName,
    /// By group, kind and name of the template.
    pub name: ObjectName,
}

impl BindingKey {
    /// The binding of a template. `None` for cluster-scoped objects: they have none.
    #[must_use]
    pub fn of(template: &ObjectKey) -> Option<Self> {
        let namespace = template.namespace.clone()?;
        let name = ObjectName::parse(&binding_name(&template.group_kind(), &template.name)).ok()?;
        Some(Self { namespace, name })
    }
}

impl fmt::Display for BindingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}
