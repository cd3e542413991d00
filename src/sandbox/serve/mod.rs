//! HTTP: requests become calls of `api`, and objects become answers.
//!
//! ```text
//! request ─route─► Asked ─access─► may? ─┬─► verbs ──► api ─┐
//!                                        ├─► list, watch ───┼─► answer (JSON, Status, watch lines)
//!                                        └─► paths ─────────┘
//! ```
//!
//! Only JSON is spoken: other formats are refused as upstream refuses what it does not know, and clients fall back.

mod answer;
mod audit;
mod body;
pub(crate) mod discovery;
#[cfg(test)]
mod documents_tests;
mod list;
pub(crate) mod listen;
mod logs;
mod negotiate;
pub(crate) mod openapi;
mod paths;
mod query;
mod route;
pub(crate) mod table;
#[cfg(test)]
mod tests;
mod verbs;
mod watch;

use std::sync::Arc;

use http::{HeaderMap, Request, Response};
use hyper::body::Bytes;

pub(crate) use answer::refused;
pub use body::Body;
#[cfg(test)]
pub(crate) use body::whole;
pub(crate) use logs::Logs;

use super::access::User;
use super::api::{Server, Target, Write};
use super::failure::Failure;
use super::faults::Stale;
use super::kinds::Origin;
use query::Query;
use route::{Asked, Place};

/// The HTTP side of one API server. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Http(Arc<Inner>);

struct Inner {
    server: Server,
    logs: Logs,
}

/// A request that may be carried out.
struct Call<'a> {
    server: &'a Server,
    logs: &'a Logs,
    user: &'a User,
    verb: &'static str,
    query: &'a Query,
    headers: &'a HeaderMap,
    body: &'a Bytes,
    /// Reads answer from this revision: the server has not heard of what came later.
    as_of: Option<u64>,
}

impl Http {
    #[cfg(test)]
    pub(crate) fn new(server: Server) -> Self {
        Self::with_logs(server, Arc::new(|_, _| Ok("".into())))
    }

    /// The same where something runs.
    pub(crate) fn with_logs(server: Server, logs: Logs) -> Self {
        Self(Arc::new(Inner { server, logs }))
    }

    pub(crate) fn server(&self) -> &Server {
        &self.0.server
    }

    /// Requests that changed something or were to, with what became of them: the last ones, oldest first.
    pub(crate) fn writes(&self) -> Vec<Write> {
        self.0.server.journal().all()
    }

    /// Answers a request. A watch's answer comes at once, and its body as long as it is read.
    pub(crate) fn answer(&self, request: Request<Bytes>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let query = Query::parse(parts.uri.query().unwrap_or_default());
        let asked = Asked::read(&parts.method, parts.uri.path(), &query);
        let access = self.0.server.access();
        let caller = match access.authenticate(&parts.headers) {
            Ok(caller) => caller,
            Err(failure) => return answer::refused(&failure),
        };
        let stale = parts.extensions.get::<Stale>();
        let as_of = stale.map(|stale| self.0.server.store().revision_at(stale.0));
        let call = Call {
            server: &self.0.server,
            logs: &self.0.logs,
            user: &caller.user,
            verb: asked.verb,
            query: &query,
            headers: &parts.headers,
            body: &body,
            as_of,
        };
        let answer = match access.authorize(&caller.user, &asked.attributes()) {
            Ok(()) => call
                .carry_out(&asked)
                .unwrap_or_else(|failure| answer::refused(&failure)),
            Err(failure) => answer::refused(&failure),
        };
        audit::note(&call, caller.impersonator, &asked, &answer);
        answer
    }
}

impl Call<'_> {
    fn carry_out(&self, asked: &Asked) -> Result<Response<Body>, Failure> {
        let Some(place) = &asked.place else {
            return Ok(paths::answer(self, &asked.path));
        };
        let Some(target) = self.target(place) else {
            let kinds = self.server.kinds();
            let mut others = kinds.all().filter(|kind| *kind.group == *place.group);
            let is_served = others.any(|kind| {
                kind.version(&place.version).is_some() && !matches!(kind.origin, Origin::Custom { .. })
            });
            return Ok(if is_served {
                answer::no_such_resource()
            } else {
                answer::no_such_path()
            });
        };
        match (asked.verb, &*target.subresource, target.name.is_empty()) {
            ("list", "", _) => list::answer(self, &target),
            ("watch", "", _) => watch::answer(self, &target),
            ("deletecollection", "", _) => list::delete(self, &target),
            (_, "", true) if asked.verb != "create" => Err(Failure::method_not_supported()),
            _ => verbs::answer(self, &target),
        }
    }

    fn target(&self, place: &Place) -> Option<Target> {
        let kinds = self.server.kinds();
        let resource = kinds.resource(&place.group, &place.resource)?;
        let version = resource.version(&place.version)?;
        let known = match &*place.subresource {
            "" => true,
            "status" => version.status,
            "scale" => version.scale.is_some(),
            other => version.others.iter().any(|one| **one == *other),
        };
        // A cluster's kind is in no namespace.
        let namespace = place.kept_in();
        let scoped = namespace.is_empty() || resource.namespaced;
        if !known || !scoped {
            return None;
        }
        Some(Target {
            version: version.name.clone(),
            namespace: Some(namespace)
                .filter(|namespace| !namespace.is_empty())
                .map(Into::into),
            name: place.named().into(),
            subresource: place.subresource.as_str().into(),
            resource: resource.clone(),
        })
    }
}
