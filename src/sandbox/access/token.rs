//! Bearer tokens: shaped as the API server's own, signed with a key that lives as long as the cluster.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Access, User};
use crate::model::clock::{Timestamp, whole_seconds};
use crate::sandbox::object::uid;
use crate::sandbox::store::Key;

/// Who issues tokens, and for whom when nobody is named.
pub(super) const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

/// Tokens whose claims are remembered, so that a request does not cost a signature.
const REMEMBERED: usize = 4096;

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

/// A token and its end.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) expires: Timestamp,
}

/// The text is a secret.
impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token")
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// The key, and the tokens that were found good.
pub(super) struct Tokens {
    key: [u8; 32],
    /// How many were issued: what makes each one's id its own.
    issued: AtomicU64,
    known: Mutex<HashMap<String, Claims>>,
}

#[derive(Debug, Clone)]
struct Claims {
    subject: Subject,
    id: String,
    audiences: Vec<String>,
    expires: i64,
}

impl Default for Tokens {
    fn default() -> Self {
        let mut key = [0; 32];
        if getrandom::fill(&mut key).is_err() {
            // No randomness of the system: the allocator's and the hasher's is better than none.
            use std::hash::BuildHasher as _;
            for (at, part) in key.chunks_mut(8).enumerate() {
                let seed = std::hash::RandomState::new().hash_one(at);
                part.copy_from_slice(&seed.to_le_bytes());
            }
        }
        Self {
            key,
            issued: AtomicU64::default(),
            known: Mutex::default(),
        }
    }
}

impl Tokens {
    fn sign(&self, text: &str) -> String {
        URL_SAFE_NO_PAD.encode(hmac(&self.key, text.as_bytes()))
    }

    /// The `jti` of the next token, shaped as a UUID.
    fn next_id(&self) -> String {
        let number = self.issued.fetch_add(1, Ordering::Relaxed);
        let hash = hmac(&self.key, &number.to_le_bytes());
        let mut hex = String::with_capacity(32);
        for byte in &hash[..16] {
            let _ = write!(hex, "{byte:02x}");
        }
        [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
    }

    /// The claims of a token that we signed, whatever time it is.
    fn claims(&self, token: &str) -> Option<Claims> {
        if let Some(claims) = self.known.lock().get(token) {
            return Some(claims.clone());
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let ours = self.sign(signed);
        // Compared without a hint of how much of it was right.
        let differs = ours.len() != signature.len()
            || ours
                .bytes()
                .zip(signature.bytes())
                .fold(0, |all, (a, b)| all | (a ^ b))
                != 0;
        if differs {
            return None;
        }
        let payload = URL_SAFE_NO_PAD.decode(signed.split_once('.')?.1).ok()?;
        let claims = Claims::read(&serde_json::from_slice(&payload).ok()?)?;
        let mut known = self.known.lock();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(token.to_owned(), claims.clone());
        Some(claims)
    }
}

impl Claims {
    fn read(payload: &Value) -> Option<Self> {
        let text = |value: &Value| Some(value.as_str()?.to_owned());
        let texts = |list: &Value| -> Vec<String> {
            let list = list.as_array().into_iter().flatten();
            list.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let account = &payload["kubernetes.io"];
        let subject = if account.is_object() {
            Subject::ServiceAccount {
                namespace: text(&account["namespace"])?,
                name: text(&account["serviceaccount"]["name"])?,
                uid: text(&account["serviceaccount"]["uid"])?,
            }
        } else {
            Subject::User {
                name: text(&payload["sub"])?,
                groups: texts(&payload["groups"]),
            }
        };
        Some(Self {
            subject,
            id: text(&payload["jti"])?,
            audiences: texts(&payload["aud"]),
            expires: payload["exp"].as_i64()?,
        })
    }
}

impl Access {
    /// A token; for no audience in particular it is one for this API server.
    pub(crate) fn issue(&self, subject: &Subject, audiences: &[String], lifetime: Duration) -> Token {
        let now = whole_seconds(self.0.clock.now());
        let seconds = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
        let end = now.as_second().saturating_add(seconds);
        let expires = Timestamp::from_second(end).unwrap_or(Timestamp::MAX);
        let mut payload = json!({
            "aud": if audiences.is_empty() { vec![ISSUER.to_owned()] } else { audiences.to_vec() },
            "exp": expires.as_second(), "iat": now.as_second(), "nbf": now.as_second(),
            "iss": ISSUER, "jti": self.0.tokens.next_id(), "sub": subject.user_name(),
        });
        match subject {
            Subject::ServiceAccount { namespace, name, uid } => {
                payload["kubernetes.io"] = json!({
                    "namespace": namespace, "serviceaccount": {"name": name, "uid": uid},
                });
            }
            Subject::User { groups, .. } => payload["groups"] = json!(groups),
        }
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
        let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(payload.to_string()));
        let signature = self.0.tokens.sign(&signed);
        Token {
            text: format!("{signed}.{signature}"),
            expires,
        }
    }

    /// Who a token says it is, and for whom it is good. None: forged, expired, for other audiences, or its
    /// ServiceAccount is gone.
    pub(super) fn verify(&self, token: &str, audiences: &[String]) -> Option<(User, Vec<String>)> {
        let claims = self.0.tokens.claims(token)?;
        if claims.expires <= self.0.clock.now().as_second() {
            return None;
        }
        let ours = [ISSUER.to_owned()];
        let wanted = if audiences.is_empty() {
            &ours[..]
        } else {
            audiences
        };
        let good_for: Vec<String> = wanted
            .iter()
            .filter(|audience| claims.audiences.contains(audience))
            .cloned()
            .collect();
        if good_for.is_empty() {
            return None;
        }
        if let Subject::ServiceAccount {
            namespace,
            name,
            uid: of,
        } = &claims.subject
        {
            let key = Key::new("serviceaccounts", Some(namespace), name);
            self.0.store.get(&key).filter(|account| uid(account) == of)?;
        }
        Some((claims.subject.user(&claims.id), good_for))
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

    fn user(&self, token: &str) -> User {
        let mut user = User {
            name: self.user_name().into(),
            uid: "".into(),
            groups: Vec::new(),
            extra: std::collections::BTreeMap::new(),
        };
        match self {
            Self::ServiceAccount { namespace, uid, .. } => {
                user.uid = uid.as_str().into();
                user.groups = super::groups_of_account(namespace);
                let id = vec![format!("JTI={token}")];
                user.extra
                    .insert("authentication.kubernetes.io/credential-id".to_owned(), id);
            }
            Self::User { groups, .. } => {
                user.groups = groups.iter().map(|group| group.as_str().into()).collect();
            }
        }
        if !user.is_in("system:authenticated") {
            user.groups.push("system:authenticated".into());
        }
        user
    }
}

/// HMAC-SHA256 (RFC 2104) of a 32-byte key.
fn hmac(key: &[u8; 32], text: &[u8]) -> [u8; 32] {
    let padded = |with: u8| {
        let mut block = [with; 64];
        for (byte, key) in block.iter_mut().zip(key) {
            *byte ^= key;
        }
        block
    };
    let inner = Sha256::new()
        .chain_update(padded(0x36))
        .chain_update(text)
        .finalize();
    Sha256::new()
        .chain_update(padded(0x5c))
        .chain_update(inner)
        .finalize()
        .into()
}
