//! Bearer tokens: shaped as the API server's own, and good as long as the cluster remembers them.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use serde_json::json;

use super::{Access, User, groups_of_account};
use crate::model::clock::{Timestamp, whole_seconds};
use crate::sandbox::object::uid;
use crate::sandbox::store::Key;

/// Who issues tokens, and for whom when nobody is named.
pub(super) const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

/// Whom a token is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    /// Valid as long as the object with this uid lives.
    ServiceAccount {
        namespace: String,
        name: String,
        uid: String,
    },
    /// Somebody from outside, as a client certificate would name them.
    User { name: String, groups: Vec<String> },
}

/// A token and its end. The text is a secret, so it can't be printed by mistake.
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) expires: Timestamp,
}

/// The tokens that were issued and have not ended, by their texts.
pub(super) type Tokens = Mutex<HashMap<String, Claims>>;

#[derive(Debug, Clone)]
pub(super) struct Claims {
    subject: Subject,
    id: String,
    audiences: Vec<String>,
    expires: Timestamp,
}

impl Access {
    /// A token; for no audience in particular it is one for this API server.
    pub(crate) fn issue(&self, subject: &Subject, audiences: &[String], lifetime: Duration) -> Token {
        let now = whole_seconds(self.0.clock.now());
        let expires = now.checked_add(lifetime).unwrap_or(Timestamp::MAX);
        let audiences = match audiences {
            [] => vec![ISSUER.to_owned()],
            named => named.to_vec(),
        };
        let mut secret = [0; 32];
        // Who can guess a token must not be let in.
        let is_secret = getrandom::fill(&mut secret).is_ok();
        let id = format!(
            "{:032x}",
            u128::from_le_bytes(std::array::from_fn(|at| secret[at]))
        );
        let id = [&id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]].join("-");
        let mut payload = json!({
            "aud": audiences, "exp": expires.as_second(), "iat": now.as_second(), "nbf": now.as_second(),
            "iss": ISSUER, "jti": id, "sub": subject.user_name(),
        });
        if let Subject::ServiceAccount { namespace, name, uid } = subject {
            payload["kubernetes.io"] =
                json!({"namespace": namespace, "serviceaccount": {"name": name, "uid": uid}});
        }
        let header = r#"{"alg":"HS256","typ":"JWT"}"#;
        let payload = payload.to_string();
        let parts: [&[u8]; 3] = [header.as_bytes(), payload.as_bytes(), &secret];
        let text = parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        let mut tokens = self.0.tokens.lock();
        tokens.retain(|_, claims| now < claims.expires);
        if is_secret {
            let claims = Claims {
                subject: subject.clone(),
                id,
                audiences,
                expires,
            };
            tokens.insert(text.clone(), claims);
        }
        Token { text, expires }
    }

    /// Who a token says it is. None: forged, expired, for others, or its ServiceAccount is gone.
    pub(super) fn verify(&self, token: &str) -> Option<User> {
        let claims = self.0.tokens.lock().get(token)?.clone();
        if claims.expires <= self.0.clock.now() || !claims.audiences.iter().any(|one| one == ISSUER) {
            return None;
        }
        let mut user = User {
            name: claims.subject.user_name().into(),
            ..User::default()
        };
        match &claims.subject {
            Subject::ServiceAccount {
                namespace,
                name,
                uid: of,
            } => {
                let key = Key::new("serviceaccounts", Some(namespace), name);
                self.0.store.get(&key).filter(|account| uid(account) == of)?;
                user.uid = of.as_str().into();
                user.groups = groups_of_account(namespace);
                let id = vec![format!("JTI={}", claims.id)];
                user.extra
                    .insert("authentication.kubernetes.io/credential-id".to_owned(), id);
            }
            Subject::User { groups, .. } => {
                user.groups = groups.iter().map(|group| group.as_str().into()).collect();
            }
        }
        if !user.is_in("system:authenticated") {
            user.groups.push("system:authenticated".into());
        }
        Some(user)
    }
}

impl Subject {
    fn user_name(&self) -> String {
        match self {
            Self::ServiceAccount { namespace, name, .. } => {
                format!("system:serviceaccount:{namespace}:{name}")
            }
            Self::User { name, .. } => name.clone(),
        }
    }
}
