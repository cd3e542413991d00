//! Questions about oneself and others: the virtual kinds of `authentication.k8s.io` and `authorization.k8s.io`.

use serde_json::Value;

use super::{Access, User};
use crate::sandbox::failure::Failure;

impl Access {
    /// Answers a POST of a review: `selfsubjectreviews`, `tokenreviews`, `subjectaccessreviews`,
    /// `selfsubjectaccessreviews`, `localsubjectaccessreviews`, `selfsubjectrulesreviews`. The body comes back with
    /// its status. `namespace` is that of the path.
    pub(crate) fn review(
        &self,
        user: &User,
        plural: &str,
        namespace: Option<&str>,
        body: Value,
    ) -> Result<Value, Failure> {
        let _ = (user, namespace, body);
        Err(Failure::not_found("", plural, ""))
    }

    /// Answers a POST of a TokenRequest to `serviceaccounts/NAME/token`.
    pub(crate) fn request_token(&self, namespace: &str, name: &str, body: Value) -> Result<Value, Failure> {
        let _ = (namespace, body);
        Err(Failure::not_found("", "serviceaccounts", name))
    }
}
