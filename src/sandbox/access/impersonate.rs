//! Acting as somebody else: each part of who one wants to be needs a right of its own.
//!
//! The constrained ways (KEP-5284) come first: they need a second right, on the request itself. The plain verb
//! `impersonate` comes last, but first for who it worked for before. When none works, the first refusal is told.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::HeaderMap;

use super::authorize::forbidden;
use super::{Access, Attributes, User, account_of, groups_of_account};
use crate::sandbox::failure::Failure;

const USER: &str = "impersonate-user";
const UID: &str = "impersonate-uid";
const GROUP: &str = "impersonate-group";
const EXTRA: &str = "impersonate-extra-";

const AUTHENTICATION: &str = "authentication.k8s.io";

/// A way to be somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Node,
    ServiceAccount,
    UserInfo,
    Legacy,
}

/// Who one wants to be, as the headers say.
#[derive(Debug, Default)]
struct Wanted {
    name: String,
    uid: String,
    groups: Vec<String>,
    extra: BTreeMap<String, Vec<String>>,
}

impl Access {
    /// Whom the headers name, if the user may be that one; the user, if they name nobody.
    pub(super) fn impersonate(
        &self,
        user: User,
        headers: &HeaderMap,
        asks: &Attributes<'_>,
    ) -> Result<User, Failure> {
        let Some(wanted) = Wanted::read(headers)? else {
            return Ok(user);
        };
        let mut modes = vec![Mode::Node, Mode::ServiceAccount, Mode::UserInfo, Mode::Legacy];
        let last = self.0.modes.lock().get(&user.name).copied();
        if let Some(last) = last {
            modes.retain(|mode| *mode != last);
            modes.insert(0, last);
        }
        let mut refusal = None;
        for mode in modes.into_iter().filter(|mode| mode.applies(&wanted)) {
            match self.check(&user, mode, &wanted, asks) {
                Ok(()) => {
                    if last != Some(mode) {
                        self.0.modes.lock().insert(user.name, mode);
                    }
                    return Ok(wanted.user(mode));
                }
                Err(failure) => refusal = refusal.or(Some(failure)),
            }
        }
        Err(refusal.unwrap_or_else(|| Failure::internal("all impersonation modes failed")))
    }

    fn check(&self, user: &User, mode: Mode, wanted: &Wanted, asks: &Attributes<'_>) -> Result<(), Failure> {
        if let Some(name) = mode.name() {
            let on = |verb: &str| format!("impersonate-on:{name}:{verb}");
            match *asks {
                Attributes::Path { verb, path } => self.authorize(
                    user,
                    &Attributes::Path {
                        verb: &on(verb),
                        path,
                    },
                )?,
                Attributes::Resource {
                    verb,
                    group,
                    version,
                    resource,
                    subresource,
                    namespace,
                    name,
                } => self.authorize(
                    user,
                    &Attributes::Resource {
                        verb: &on(verb),
                        group,
                        version,
                        resource,
                        subresource,
                        namespace,
                        name,
                    },
                )?,
            }
        }
        let verb = mode.verb();
        let may = |group, resource, subresource, namespace, name, why: &str| {
            let attributes = Attributes::Resource {
                verb: &verb,
                group,
                version: "v1",
                resource,
                subresource,
                namespace,
                name,
            };
            if !why.is_empty() {
                return Err(forbidden(user, &attributes, why));
            }
            self.authorize(user, &attributes)
        };
        let constrained = mode != Mode::Legacy;
        let group = if constrained { AUTHENTICATION } else { "" };
        match (mode, account_of(&wanted.name), node_of(&wanted.name)) {
            (_, Some((namespace, name)), _) => may(group, "serviceaccounts", "", namespace, name, "")?,
            (Mode::Node, _, Some(node)) => may(group, "nodes", "", "", node, "")?,
            _ => may(group, "users", "", "", &wanted.name, "")?,
        }
        if !wanted.uid.is_empty() {
            may(AUTHENTICATION, "uids", "", "", &wanted.uid, "")?;
        }
        for name in &wanted.groups {
            let why = match name.as_str() {
                "system:masters" if constrained => "impersonating the system:masters group is not allowed",
                "" if constrained => "impersonating the empty string group is not allowed",
                _ => "",
            };
            may(group, "groups", "", "", name, why)?;
        }
        for (key, value) in wanted
            .extra
            .iter()
            .flat_map(|(key, values)| values.iter().map(move |value| (key, value)))
        {
            may(AUTHENTICATION, "userextras", key, "", value, "")?;
        }
        Ok(())
    }
}

impl Mode {
    fn name(self) -> Option<&'static str> {
        match self {
            Self::Node => Some("arbitrary-node"),
            Self::ServiceAccount => Some("serviceaccount"),
            Self::UserInfo => Some("user-info"),
            Self::Legacy => None,
        }
    }

    fn verb(self) -> String {
        self.name()
            .map_or_else(|| "impersonate".to_owned(), |name| format!("impersonate:{name}"))
    }

    fn applies(self, wanted: &Wanted) -> bool {
        let name_only = wanted.uid.is_empty() && wanted.groups.is_empty() && wanted.extra.is_empty();
        let (account, node) = (account_of(&wanted.name), node_of(&wanted.name));
        match self {
            Self::Node => name_only && node.is_some(),
            Self::ServiceAccount => name_only && account.is_some(),
            Self::UserInfo => account.is_none() && node.is_none(),
            Self::Legacy => true,
        }
    }
}

/// `{"a", "b"}`
fn go_list(items: &[String]) -> String {
    if items.is_empty() {
        return "(nil)".to_owned();
    }
    let items: Vec<String> = items.iter().map(|item| format!("{item:?}")).collect();
    format!("{{{}}}", items.join(", "))
}

impl Wanted {
    fn read(headers: &HeaderMap) -> Result<Option<Self>, Failure> {
        let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let one = |name: &str| headers.get(name).map(text).unwrap_or_default();
        let mut wanted = Self {
            name: one(USER),
            uid: one(UID),
            groups: headers.get_all(GROUP).iter().map(text).collect(),
            extra: BTreeMap::new(),
        };
        for (name, value) in headers {
            if let Some(key) = name.as_str().strip_prefix(EXTRA) {
                wanted.extra.entry(unescape(key)).or_default().push(text(value));
            }
        }
        if !wanted.name.is_empty() {
            return Ok(Some(wanted));
        }
        if wanted.uid.is_empty() && wanted.groups.is_empty() && wanted.extra.is_empty() {
            return Ok(None);
        }
        Err(Failure::bad_request(format!(
            "requested &user.DefaultInfo{{Name:\"\", UID:{:?}, Groups:[]string{}, Extra:map[string][]string{}}} \
             without impersonating a user name",
            wanted.uid,
            go_list(&wanted.groups),
            if wanted.extra.is_empty() { "(nil)" } else { "{…}" },
        )))
    }

    fn user(self, mode: Mode) -> User {
        let mut groups: Vec<Arc<str>> = self.groups.iter().map(|group| group.as_str().into()).collect();
        match account_of(&self.name) {
            Some((namespace, _)) if groups.is_empty() => groups = groups_of_account(namespace),
            None if mode == Mode::Node => groups = vec!["system:nodes".into()],
            _ => {}
        }
        let known = match &*self.name {
            "system:anonymous" => "system:unauthenticated",
            _ => "system:authenticated",
        };
        let has = |group: &str| groups.iter().any(|of| **of == *group);
        if !has(known) && !has("system:unauthenticated") {
            groups.push(known.into());
        }
        User {
            name: self.name.into(),
            uid: self.uid.into(),
            groups,
            extra: self.extra,
        }
    }
}

fn node_of(user: &str) -> Option<&str> {
    let plain = |name: &str| {
        let allowed =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
        !name.is_empty() && name.bytes().all(allowed)
    };
    user.strip_prefix("system:node:").filter(|name| plain(name))
}

/// Keys of extra fields are percent-encoded in header names.
fn unescape(key: &str) -> String {
    let mut bytes = Vec::with_capacity(key.len());
    let mut rest = key.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = after.get(..2).filter(|_| *first == b'%');
        let escaped = escaped.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| key.to_owned())
}
