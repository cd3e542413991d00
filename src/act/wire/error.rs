//! What can go wrong on the wire.

use kube::Error as KubeError;

use super::gate::{NotLeader, TimedOut};
use crate::model::name::ObjectKey;

/// Why talking to an API server failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kubeconfig's TLS or authentication can't be used. Final until it is changed.
    #[error("failed to prepare a connection")]
    Connect {
        /// What the client library says.
        #[source]
        source: Box<KubeError>,
    },
    /// A host that is not among those of this process.
    #[error("failed to find host {host}")]
    NoSuchHost {
        /// Of the server's address.
        host: String,
    },
    /// An identity that can't stand in a header. Final.
    #[error("failed to act as {user}")]
    Identity {
        /// The user name that was refused.
        user: String,
        /// What the header says of it.
        #[source]
        source: http::header::InvalidHeaderValue,
    },
    /// A request was refused, or its outcome is unknown.
    #[error("failed to {verb} {key}: {}", brief(source))]
    Request {
        /// What was tried: `apply`, `read`, `delete`, …
        verb: &'static str,
        /// On what.
        key: Box<ObjectKey>,
        /// The server's or the connection's words.
        #[source]
        source: Box<KubeError>,
    },
    /// A request that is not about one object.
    #[error("failed to {what}: {}", brief(source))]
    Call {
        /// What was tried.
        what: String,
        /// The server's or the connection's words.
        #[source]
        source: Box<KubeError>,
    },
}

impl Error {
    pub(crate) fn request(verb: &'static str, key: &ObjectKey, source: KubeError) -> Self {
        let is_secret = key.group.is_empty() && &*key.kind == "Secret";
        Self::Request {
            verb,
            key: Box::new(key.clone()),
            source: Box::new(if is_secret { without_words(source) } else { source }),
        }
    }

    /// A failed request that is not about one object.
    pub fn call(what: impl Into<String>, source: KubeError) -> Self {
        Self::Call {
            what: what.into(),
            source: Box::new(source),
        }
    }

    fn kube(&self) -> Option<&KubeError> {
        match self {
            Self::Connect { source } | Self::Request { source, .. } | Self::Call { source, .. } => {
                Some(source)
            }
            Self::Identity { .. } | Self::NoSuchHost { .. } => None,
        }
    }

    /// The server's status, if it was the server that refused.
    #[must_use]
    pub fn status(&self) -> Option<&kube::core::Status> {
        match self.kube() {
            Some(KubeError::Api(status)) => Some(status),
            _ => None,
        }
    }

    /// The HTTP code, if the server answered.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        self.status().map(|status| status.code)
    }

    /// Whether trying the same again may help: no answer, too many requests, a server's fault, a conflict.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Identity { .. } => false,
            _ => match self.status() {
                Some(status) => {
                    matches!(status.code, 409 | 429 | 502 | 503 | 504)
                        || (status.code == 500 && !is_undeclared(status))
                }
                None => !matches!(self, Self::Connect { .. }),
            },
        }
    }

    /// The fields that the server refuses to change in an object that is there, as people write them; empty for any
    /// other refusal.
    #[must_use]
    pub fn immutable_fields(&self) -> Vec<String> {
        let Some(status) = self.status().filter(|status| status.code == 422) else {
            return Vec::new();
        };
        let causes = status.details.iter().flat_map(|details| &details.causes);
        causes
            .filter(|cause| is_immutable(&cause.message))
            .map(|cause| cause.field.clone())
            .collect()
    }

    /// Whether the handshake failed because of the server's certificate.
    #[must_use]
    pub fn is_certificate(&self) -> bool {
        self.kube().is_some_and(is_certificate)
    }

    /// Whether the write was not even started.
    #[must_use]
    pub fn is_not_leader(&self) -> bool {
        matches!(self.kube(), Some(KubeError::Service(source)) if source.is::<NotLeader>())
    }

    /// Whether the API server kept silent: the outcome of a write is unknown.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self.kube(), Some(KubeError::Service(source)) if source.is::<TimedOut>())
    }
}

/// What says that a server-side apply has an unknown field: an HTTP 500 that no retry mends.
const UNDECLARED: [&str; 2] = [
    "field not declared in schema",
    "failed to create typed patch object",
];

/// What servers say of a field that an update may not change: most kinds; a Service's addresses; a StatefulSet and a Pod,
/// which name what may change instead. CRDs and webhooks have words of their own, most with the first of these.
const IMMUTABLE: [&str; 4] = [
    "immutable",
    "may not change once set",
    "updates to statefulset spec for fields other than",
    "pod updates may not",
];

fn is_immutable(message: &str) -> bool {
    IMMUTABLE.iter().any(|words| message.contains(words))
}

fn is_undeclared(status: &kube::core::Status) -> bool {
    UNDECLARED.iter().any(|words| status.message.contains(words))
}

/// A refusal of a Secret without the server's words: validation, admission policies and webhooks quote what they
/// refuse, and errors end in status, events and logs. Which fields were refused is kept, and what RBAC says.
fn without_words(source: KubeError) -> KubeError {
    let KubeError::Api(mut status) = source else {
        return source;
    };
    let of_rights = status.code == 403
        && status.message.contains(" cannot ")
        && status.message.contains("resource \"secrets\"");
    if of_rights || matches!(status.code, 401 | 404 | 409 | 429) {
        return KubeError::Api(status);
    }
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let mut parts: Vec<&str> = causes
        .map(|cause| cause.field.as_str())
        .filter(|field| !field.is_empty())
        .collect();
    parts.extend(
        UNDECLARED
            .into_iter()
            .filter(|words| status.message.contains(words)),
    );
    let about = if parts.is_empty() {
        String::new()
    } else {
        format!(" ({})", parts.join(", "))
    };
    status.message = format!(
        "refused as {}{about}; the server's words are not shown, since they may quote the Secret",
        if status.reason.is_empty() {
            "invalid"
        } else {
            &status.reason
        },
    );
    if let Some(details) = &mut status.details {
        details.causes.retain_mut(|cause| {
            let immutable = is_immutable(&cause.message);
            "field is immutable".clone_into(&mut cause.message);
            immutable
        });
    }
    KubeError::Api(status)
}

/// The cause in one line: the server's own message, else the innermost cause.
#[must_use]
pub fn brief(source: &KubeError) -> String {
    if let KubeError::Api(status) = source {
        return status.message.clone();
    }
    let mut deepest: &dyn std::error::Error = source;
    while let Some(cause) = deepest.source() {
        deepest = cause;
    }
    deepest.to_string()
}

/// Whether the handshake failed because of the server's certificate. Connectors wrap that in I/O errors, several deep,
/// and an I/O error names as its source what its content names, not the content.
#[must_use]
pub fn is_certificate(error: &KubeError) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return matches!(tls, rustls::Error::InvalidCertificate(_));
        }
        cause = match error
            .downcast_ref::<std::io::Error>()
            .map(std::io::Error::get_ref)
        {
            Some(Some(inner)) => Some(inner),
            _ => error.source(),
        };
    }
    false
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::model::name::GroupKind;

    fn refused(kind: &str, code: u16, reason: &str, message: &str) -> Error {
        let status = json!({"status": "Failure", "code": code, "reason": reason, "message": message,
            "details": {"causes": [{"field": "data[key]", "message": message, "reason": "FieldValueInvalid"}]}});
        let status = serde_json::from_value(status).unwrap();
        let key = ObjectKey::parse(&GroupKind::new("", kind), "shop", "db").unwrap();
        Error::request("apply", &key, KubeError::Api(Box::new(status)))
    }

    #[rstest]
    #[case::validation(
        422,
        "Invalid",
        "Secret \"db\" is invalid: data[key]: Invalid value: \"hunter2\""
    )]
    #[case::a_policy(
        403,
        "Forbidden",
        "ValidatingAdmissionPolicy 'p' denied request: hunter2 is weak"
    )]
    #[case::a_webhook(
        400,
        "BadRequest",
        "admission webhook denied the request: cannot take hunter2"
    )]
    #[case::undeclared(500, "InternalError", "failed to create typed patch object: hunter2")]
    fn a_refused_secret_is_never_quoted(#[case] code: u16, #[case] reason: &str, #[case] message: &str) {
        let error = refused("Secret", code, reason, message);
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        assert!(error.to_string().contains("data[key]"), "{error}");
        assert_eq!(
            error.is_retryable(),
            refused("ConfigMap", code, reason, message).is_retryable()
        );
        assert!(
            refused("ConfigMap", code, reason, message)
                .to_string()
                .contains("hunter2")
        );
    }

    #[rstest]
    #[case::most("spec.selector", "Invalid value: {}: field is immutable", true)]
    #[case::a_services_address(
        "spec.clusterIPs[0]",
        "Invalid value: [\"None\"]: may not change once set",
        true
    )]
    #[case::a_stateful_set(
        "spec",
        "Forbidden: updates to statefulset spec for fields other than 'replicas' are forbidden",
        true
    )]
    #[case::a_claim(
        "spec",
        "Forbidden: spec is immutable after creation except resources.requests",
        true
    )]
    #[case::something_else(
        "spec.replicas",
        "Invalid value: -1: must be greater than or equal to 0",
        false
    )]
    fn what_may_not_change_is_told_from_what_is_wrong(
        #[case] field: &str,
        #[case] message: &str,
        #[case] immutable: bool,
    ) {
        let status = json!({"status": "Failure", "code": 422, "reason": "Invalid", "message": message,
            "details": {"causes": [{"field": field, "message": message, "reason": "FieldValueInvalid"}]}});
        for kind in ["ConfigMap", "Secret"] {
            let key = ObjectKey::parse(&GroupKind::new("", kind), "shop", "db").unwrap();
            let status = serde_json::from_value(status.clone()).unwrap();
            let error = Error::request("apply", &key, KubeError::Api(Box::new(status)));
            let wanted: &[&str] = if immutable { &[field] } else { &[] };
            assert_eq!(error.immutable_fields(), wanted, "{kind}");
        }
    }

    #[test]
    fn a_missing_right_on_secrets_is_shown_in_full() {
        let message =
            "secrets \"db\" is forbidden: User \"u\" cannot patch resource \"secrets\" in API group \"\"";
        assert!(
            refused("Secret", 403, "Forbidden", message)
                .to_string()
                .contains(message)
        );
    }

    #[rstest]
    #[case::bare(KubeError::Service(Box::new(unknown_issuer())), true)]
    #[case::as_the_connector_wraps_it(
        KubeError::Service(Box::new(std::io::Error::other(std::io::Error::new(
            std::io::ErrorKind::InvalidData,
            unknown_issuer()
        )))),
        true
    )]
    #[case::another_failure_of_the_handshake(
        KubeError::Service(Box::new(std::io::Error::other(rustls::Error::DecryptError))),
        false
    )]
    #[case::no_handshake(
        KubeError::Service(Box::new(std::io::Error::from(std::io::ErrorKind::ConnectionRefused))),
        false
    )]
    fn a_certificate_that_is_not_accepted_is_told_from_silence(
        #[case] error: KubeError,
        #[case] certificate: bool,
    ) {
        assert_eq!(is_certificate(&error), certificate);
    }

    fn unknown_issuer() -> rustls::Error {
        rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer)
    }
}
