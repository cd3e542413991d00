//! Acting as somebody else: the name and each group that one wants to have need the verb `impersonate`.

use std::sync::Arc;

use http::HeaderMap;

use super::{Access, Attributes, User, account_of, groups_of_account};
use crate::sandbox::failure::Failure;

const USER: &str = "impersonate-user";
const GROUP: &str = "impersonate-group";

impl Access {
    /// Whom the headers name, if the user may be that one. None: they name nobody.
    pub(super) fn impersonated(&self, user: &User, headers: &HeaderMap) -> Result<Option<User>, Failure> {
        let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let name = headers.get(USER).map(text).unwrap_or_default();
        let groups: Vec<String> = headers.get_all(GROUP).iter().map(text).collect();
        let mut names = headers.keys().map(http::HeaderName::as_str);
        if let Some(other) =
            names.find(|name| name.starts_with("impersonate-") && !matches!(*name, USER | GROUP))
        {
            return Err(Failure::bad_request(format!("{other} is not known to a sandbox")));
        }
        if name.is_empty() && groups.is_empty() {
            return Ok(None);
        }
        if name.is_empty() {
            let groups: Vec<String> = groups.iter().map(|group| format!("{group:?}")).collect();
            return Err(Failure::bad_request(format!(
                "requested &user.DefaultInfo{{Name:\"\", UID:\"\", Groups:[]string{{{}}}, \
                 Extra:map[string][]string(nil)}} without impersonating a user name",
                groups.join(", "),
            )));
        }
        match account_of(&name) {
            Some((namespace, account)) => self.may_be(user, "serviceaccounts", namespace, account)?,
            None => self.may_be(user, "users", "", &name)?,
        }
        for group in &groups {
            self.may_be(user, "groups", "", group)?;
        }
        Ok(Some(become_user(name, &groups)))
    }

    fn may_be(&self, user: &User, resource: &str, namespace: &str, name: &str) -> Result<(), Failure> {
        let attributes = Attributes::Resource {
            verb: "impersonate",
            group: "",
            resource,
            subresource: "",
            namespace,
            name,
        };
        self.authorize(user, &attributes)
    }
}

fn become_user(name: String, groups: &[String]) -> User {
    let mut groups: Vec<Arc<str>> = groups.iter().map(|group| group.as_str().into()).collect();
    if let Some((namespace, _)) = account_of(&name)
        && groups.is_empty()
    {
        groups = groups_of_account(namespace);
    }
    let known = match &*name {
        "system:anonymous" => "system:unauthenticated",
        _ => "system:authenticated",
    };
    let has = |group: &str| groups.iter().any(|of| **of == *group);
    if !has(known) && !has("system:unauthenticated") {
        groups.push(known.into());
    }
    User {
        name: name.into(),
        groups,
        ..User::default()
    }
}
