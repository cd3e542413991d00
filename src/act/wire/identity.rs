//! Who a request acts as in a member.
//!
//! An empty impersonation header is legal and means the hub itself, so an identity can't be empty by
//! construction, and the header is *inserted*, never appended: of two headers the server takes the first.

use std::sync::Arc;

use http::{HeaderValue, Request, header::HeaderName};
use kube::client::Body;

use super::Error;
use crate::model::name::NamespaceName;

/// The namespace in every member whose ServiceAccounts are the tenants' identities; none of them exists.
pub const TENANTS_NAMESPACE: &str = "hanse-tenants";
const ADMIN: &str = "hanse-admin";
static IMPERSONATE_USER: HeaderName = HeaderName::from_static("impersonate-user");

/// An identity that exists only by impersonation and RBAC: `system:serviceaccount:hanse-tenants:<namespace>`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ActAs(Arc<str>);

impl ActAs {
    /// The identity that writes a tenant's objects in one namespace.
    #[must_use]
    pub fn tenant(namespace: &NamespaceName) -> Self {
        Self(format!("system:serviceaccount:{TENANTS_NAMESPACE}:{namespace}").into())
    }

    /// The identity that writes administrators' templates.
    #[must_use]
    pub fn admin() -> Self {
        Self(format!("system:serviceaccount:{TENANTS_NAMESPACE}:{ADMIN}").into())
    }

    /// The user name as the member's RBAC and audit log see it.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.0
    }

    pub(super) fn header(&self) -> Result<HeaderValue, Error> {
        HeaderValue::from_str(&self.0).map_err(|source| Error::Identity {
            user: self.0.to_string(),
            source,
        })
    }
}

impl std::fmt::Debug for ActAs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::fmt::Display for ActAs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who the hub is, to a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubIdentity {
    /// The hub id, as in ConfigMap `hanse-system/hub-identity`.
    pub id: String,
    /// The field manager of everything the hub applies.
    pub manager: String,
}

impl HubIdentity {
    /// The manager that holds the fields which are left to members (PROTOCOL §3.6): the replicas that an autoscaler
    /// sets, and what a policy ignores. One for all, so that whatever a field is left for, it is handed over once.
    #[must_use]
    pub fn second_manager(&self) -> String {
        format!("{}-ignored", self.manager)
    }
}

pub(super) fn impersonate(mut request: Request<Body>, user: &HeaderValue) -> Request<Body> {
    request
        .headers_mut()
        .insert(IMPERSONATE_USER.clone(), user.clone());
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_replaces_a_header_that_is_already_there() {
        let namespace: NamespaceName = "shop".parse().unwrap();
        let header = ActAs::tenant(&namespace).header().unwrap();
        let mut request = Request::new(Body::empty());
        request
            .headers_mut()
            .insert("impersonate-user", HeaderValue::from_static(""));
        let request = impersonate(request, &header);
        let all: Vec<_> = request.headers().get_all("impersonate-user").iter().collect();
        assert_eq!(all, ["system:serviceaccount:hanse-tenants:shop"]);
    }
}
