//! Whether somebody may do something, and the words when not.

use std::ops::ControlFlow;

use super::index::Binding;
use super::rule::Rule;
use super::{Access, Attributes, User};
use crate::sandbox::failure::{Failure, qualified};

/// The answer to a question of access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) allowed: bool,
    /// By which binding it is allowed; or what could not be looked at. May be empty.
    pub(super) reason: String,
}

impl Access {
    /// Ok, or 403 with upstream's words.
    pub(crate) fn authorize(&self, user: &User, attributes: &Attributes<'_>) -> Result<(), Failure> {
        if user.is_in("system:masters") {
            return Ok(());
        }
        let decision = self.decide(user, attributes, false);
        if decision.allowed {
            return Ok(());
        }
        Err(forbidden(user, attributes, &decision.reason))
    }

    /// The same as a value. Reasons for an allowance cost a text, so they are asked for.
    pub(super) fn decide(&self, user: &User, attributes: &Attributes<'_>, explain: bool) -> Decision {
        // Stands for the API server's own authorizer, which comes before RBAC.
        if user.is_in("system:masters") {
            return Decision {
                allowed: true,
                reason: String::new(),
            };
        }
        let namespace = match *attributes {
            Attributes::Resource { namespace, .. } => namespace,
            Attributes::Path { .. } => "",
        };
        let see = |rule: &Rule, binding: &Binding, subject: &str| {
            if !rule.allows(attributes) {
                return ControlFlow::Continue(());
            }
            ControlFlow::Break(if explain {
                allowed_by(binding, subject)
            } else {
                String::new()
            })
        };
        let seen = self.index().visit(user, namespace, see);
        match seen {
            Err(reason) => Decision {
                allowed: true,
                reason,
            },
            Ok(missing) => Decision {
                allowed: false,
                reason: match missing.as_slice() {
                    [] => String::new(),
                    [one] => format!("RBAC: {one}"),
                    many => format!("RBAC: [{}]", many.join(", ")),
                },
            },
        }
    }
}

fn allowed_by(binding: &Binding, subject: &str) -> String {
    let Binding {
        name,
        namespace,
        role,
        ..
    } = binding;
    let (kind, name) = match &**namespace {
        "" => ("ClusterRoleBinding", name.to_string()),
        namespace => ("RoleBinding", format!("{name}/{namespace}")),
    };
    format!(
        "RBAC: allowed by {kind} {name:?} of {} {:?} to {subject}",
        role.kind, role.name
    )
}

/// The 403 for these attributes.
pub(super) fn forbidden(user: &User, attributes: &Attributes<'_>, reason: &str) -> Failure {
    let user = escape(&user.name);
    let mut what = match *attributes {
        Attributes::Path { verb, path } => format!("User {user:?} cannot {verb} path {:?}", escape(path)),
        Attributes::Resource {
            verb,
            group,
            resource,
            subresource,
            namespace,
            ..
        } => {
            let slash = if subresource.is_empty() { "" } else { "/" };
            let scope = if namespace.is_empty() {
                "at the cluster scope".to_owned()
            } else {
                format!("in the namespace {namespace:?}")
            };
            format!(
                "User {user:?} cannot {verb} resource \"{resource}{slash}{subresource}\" in API group {group:?} {scope}"
            )
        }
    };
    if !reason.is_empty() {
        what = format!("{what}: {reason}");
    }
    match *attributes {
        Attributes::Path { .. } => refused("", "", "", &what),
        Attributes::Resource {
            group,
            resource,
            name,
            ..
        } => refused(group, resource, name, &what),
    }
}

/// A 403 about a resource, with any words.
pub(super) fn refused(group: &str, resource: &str, name: &str, what: &str) -> Failure {
    let resources = qualified(group, resource);
    let message = match (resource, name) {
        ("", _) => format!("forbidden: {what}"),
        (_, "") => format!("{resources} is forbidden: {what}"),
        _ => format!("{resources} {name:?} is forbidden: {what}"),
    };
    Failure::new(403, "Forbidden", message).about(group, resource, name)
}

/// As upstream keeps markup out of messages.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
