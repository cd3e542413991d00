//! The hub's own token in a member: how long it lives, and its renewal after a third of that.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use kube::Config;
use secrecy::ExposeSecret as _;
use serde::Deserialize;

use super::{
    Error,
    grant::request_token,
    member::{Core, Wire},
};
use crate::{act::wire, model::clock::Timestamp};

/// Whom a token must name to be renewed here: whatever else was put into the Secret is its owner's to renew.
const SUBJECT: &str = "system:serviceaccount:hanse-system:hub";
/// The longest sleep: a clock that jumped is noticed.
const NAP: Duration = Duration::from_mins(10);
const AGAIN: Duration = Duration::from_mins(1);

/// The life of a bound token, from its own payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenTimes {
    /// When it was issued.
    pub issued: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
    /// Whether it is of the `ServiceAccount` that `hub join` made, and so the hub's to renew.
    pub is_own: bool,
}

impl TokenTimes {
    /// Reads the payload of a JWT. Its signature is the member's business; nothing is trusted because of it.
    #[must_use]
    pub fn read(token: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Payload {
            iat: i64,
            exp: i64,
            #[serde(default)]
            sub: String,
        }
        let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
        let payload: Payload = serde_json::from_slice(&payload).ok()?;
        let times = Self {
            issued: Timestamp::from_second(payload.iat).ok()?,
            expires: Timestamp::from_second(payload.exp).ok()?,
            is_own: payload.sub == SUBJECT,
        };
        (times.expires > times.issued).then_some(times)
    }

    /// After a third of its life: two thirds are left for trying again.
    #[must_use]
    pub fn renew_at(self) -> Timestamp {
        self.issued
            .checked_add(self.lifetime() / 3)
            .unwrap_or(self.expires)
    }

    /// What the member granted.
    #[must_use]
    pub fn lifetime(self) -> Duration {
        self.expires.duration_since(self.issued).unsigned_abs()
    }
}

/// The times of the token in a configuration, if it holds one.
pub(super) fn times_of(config: &Config) -> Option<TokenTimes> {
    TokenTimes::read(config.auth_info.token.as_ref()?.expose_secret())
}

/// Renews the token in time, for as long as the connection lives. The new one is stored in the hub API; that
/// it changed there is what makes every hub process, leader and standby, connect with it.
pub(super) async fn keep(core: Arc<Core>, wire: Arc<Wire>) {
    let Some(times) = core.known.lock().token.filter(|times| times.is_own) else {
        return;
    };
    let mut turn = 0;
    loop {
        let due = times.renew_at().duration_since(core.context.clock.now());
        if due.is_positive() {
            tokio::time::sleep(due.unsigned_abs().min(NAP)).await;
            continue;
        }
        if core.context.gate.is_open() {
            match renew(&core, &wire).await {
                Ok(()) => tracing::info!(cluster = %core.name, "renewed the hub's token"),
                Err(error) => tracing::warn!(cluster = %core.name, %error, "failed to renew the hub's token"),
            }
        }
        turn += 1;
        tokio::time::sleep(
            AGAIN
                .min(times.lifetime() / 20)
                .mul_f64(1.0 + 0.2 * core.jitter(turn)),
        )
        .await;
    }
}

async fn renew(core: &Core, wire: &Wire) -> Result<(), Error> {
    let token = request_token(&wire.stack.client())
        .await
        .map_err(|source| wire::Error::call("renew the hub's token", source))?;
    let context = &core.context;
    context
        .transport
        .store_token(&core.cluster.load_full(), &context.hub, &token.text)
        .await
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn jwt(payload: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload))
    }

    #[test]
    fn a_token_is_renewed_after_a_third_of_the_life_that_was_granted() {
        let own = r#"{"iat": 1000, "exp": 4000, "sub": "system:serviceaccount:hanse-system:hub"}"#;
        let times = TokenTimes::read(&jwt(own)).unwrap();
        assert_eq!(times.renew_at(), Timestamp::from_second(2000).unwrap());
        assert_eq!(times.lifetime(), Duration::from_mins(50));
        assert!(times.is_own);
    }

    #[rstest]
    #[case::opaque("abcdef")]
    #[case::not_base64("a.%%%.c")]
    #[case::no_times(&jwt("{}"))]
    #[case::backwards(&jwt(r#"{"iat": 5, "exp": 4}"#))]
    fn what_says_nothing_of_its_life_is_left_alone(#[case] token: &str) {
        assert_eq!(TokenTimes::read(token), None);
    }

    #[test]
    fn another_identity_in_the_secret_is_not_renewed() {
        let other = r#"{"iat": 1000, "exp": 4000, "sub": "system:serviceaccount:ops:admin"}"#;
        assert!(!TokenTimes::read(&jwt(other)).unwrap().is_own);
    }
}
