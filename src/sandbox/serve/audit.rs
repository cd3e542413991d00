//! Requests that write go into the journal.

use std::sync::Arc;

use super::Call;
use super::body::Body;
use super::route::Asked;
use crate::sandbox::api::Write;

/// Remembers the request if it writes; one that only tries does not.
pub(super) fn note(
    call: &Call<'_>,
    impersonator: Option<Arc<str>>,
    asked: &Asked,
    answer: &http::Response<Body>,
) {
    let Some(place) = &asked.place else { return };
    if !matches!(
        call.verb,
        "create" | "update" | "patch" | "delete" | "deletecollection"
    ) || call.query.get("dryRun").is_some()
    {
        return;
    }
    let user = call.user.name.to_string();
    let (user, as_user) = match impersonator {
        Some(asking) => (asking.to_string(), Some(user)),
        None => (user, None),
    };
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let made = answer.extensions().get::<Made>().map(|made| made.0.clone());
    call.server.journal().note(Write {
        user,
        as_user,
        verb: call.verb,
        group: place.group.clone(),
        resource: place.resource.clone(),
        subresource: text(&place.subresource),
        namespace: text(&place.namespace),
        name: text(&place.name).or(made),
        status: answer.status().as_u16(),
    });
}

/// The name of what an answer says was made.
#[derive(Debug, Clone)]
pub(super) struct Made(pub(super) String);
