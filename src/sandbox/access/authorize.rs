//! Whether somebody may do something, and the words when not.

use super::{Access, Attributes, User};
use crate::sandbox::failure::{Failure, qualified};

impl Access {
    /// Ok, or 403 with upstream's words.
    pub(crate) fn authorize(&self, user: &User, attributes: &Attributes<'_>) -> Result<(), Failure> {
        self.decide(user, attributes)
            .map_err(|reason| forbidden(user, attributes, &reason))
    }

    /// The same without the words around the reason, which may be empty.
    pub(super) fn decide(&self, user: &User, attributes: &Attributes<'_>) -> Result<(), String> {
        // Stands for the API server's own authorizer, which comes before RBAC.
        if user.is_in("system:masters") {
            return Ok(());
        }
        let namespace = match *attributes {
            Attributes::Resource { namespace, .. } => namespace,
            Attributes::Path { .. } => "",
        };
        let held = self.index().held(user, namespace);
        if held.rules().any(|rule| rule.allows(attributes)) {
            return Ok(());
        }
        Err(match held.missing.as_slice() {
            [] => String::new(),
            [one] => format!("RBAC: {one}"),
            many => format!("RBAC: [{}]", many.join(", ")),
        })
    }
}

/// The 403 for these attributes.
fn forbidden(user: &User, attributes: &Attributes<'_>, reason: &str) -> Failure {
    let user = escape(&user.name);
    let because = if reason.is_empty() { "" } else { ": " };
    match *attributes {
        Attributes::Path { verb, path } => {
            let path = escape(path);
            let message = format!("forbidden: User {user:?} cannot {verb} path {path:?}{because}{reason}");
            Failure::new(403, "Forbidden", message).about("", "", "")
        }
        Attributes::Resource {
            verb,
            group,
            resource,
            subresource,
            namespace,
            name,
            ..
        } => {
            let slash = if subresource.is_empty() { "" } else { "/" };
            let scope = if namespace.is_empty() {
                "at the cluster scope".to_owned()
            } else {
                format!("in the namespace {namespace:?}")
            };
            let what = format!(
                "User {user:?} cannot {verb} resource \"{resource}{slash}{subresource}\" in API group {group:?} \
                 {scope}{because}{reason}"
            );
            refused(group, resource, name, &what)
        }
    }
}

/// A 403 about a resource, with any words.
pub(super) fn refused(group: &str, resource: &str, name: &str, what: &str) -> Failure {
    let resources = qualified(group, resource);
    let message = match name {
        "" => format!("{resources} is forbidden: {what}"),
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
