//! Who wrote what, as an audit log would say.

use std::collections::VecDeque;

use parking_lot::Mutex;

use super::Call;
use super::route::Asked;
use crate::sandbox::access::Access;

/// Writes that are remembered; older ones are forgotten.
const REMEMBERED: usize = 50_000;

/// One request that changed something, or was to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Who asked.
    pub user: String,
    /// Whom the user acted as.
    pub as_user: Option<String>,
    /// `create`, `update`, `patch`, `delete`, `deletecollection`
    pub verb: &'static str,
    pub resource: String,
    pub subresource: Option<String>,
    pub namespace: Option<String>,
    pub name: Option<String>,
    /// Of the answer.
    pub status: u16,
}

#[derive(Debug, Default)]
pub(super) struct Audit(Mutex<VecDeque<Write>>);

impl Audit {
    pub(super) fn all(&self) -> Vec<Write> {
        self.0.lock().iter().cloned().collect()
    }

    /// Remembers the request if it writes.
    pub(super) fn note(&self, access: &Access, call: &Call<'_>, asked: &Asked, status: u16) {
        let Some(place) = asked.place() else { return };
        if !matches!(
            call.verb,
            "create" | "update" | "patch" | "delete" | "deletecollection"
        ) {
            return;
        }
        let name = call.user.name.to_string();
        let (user, as_user) = match impersonator(access, call, asked) {
            Some(user) => (user, Some(name)),
            None => (name, None),
        };
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let mut writes = self.0.lock();
        if writes.len() == REMEMBERED {
            writes.pop_front();
        }
        writes.push_back(Write {
            user,
            as_user,
            verb: call.verb,
            resource: place.resource.clone(),
            subresource: text(&place.subresource),
            namespace: text(&place.namespace),
            name: text(&place.name),
            status,
        });
    }
}

/// Who asked, when he asked as somebody else.
fn impersonator(access: &Access, call: &Call<'_>, asked: &Asked) -> Option<String> {
    if !call.headers.contains_key("impersonate-user") {
        return None;
    }
    let headers = call.headers.get_all(http::header::AUTHORIZATION);
    let headers = headers
        .iter()
        .map(|value| (http::header::AUTHORIZATION, value.clone()))
        .collect();
    let user = access.authenticate(&headers, &asked.attributes()).ok()?;
    Some(user.name.to_string())
}
