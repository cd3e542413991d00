//! Who makes a request.

use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::{Access, User};
use crate::sandbox::failure::Failure;

/// Who asks for something.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) user: User,
    /// The name of who impersonates the user.
    pub(crate) impersonator: Option<std::sync::Arc<str>>,
}

impl Access {
    /// The token's user, or whom that user impersonates. Without a token it is `system:anonymous`; a token that is
    /// no good is refused with 401.
    pub(crate) fn authenticate(&self, headers: &HeaderMap) -> Result<Caller, Failure> {
        let user = match bearer(headers) {
            Some(token) => self
                .verify(token)
                .ok_or_else(|| Failure::new(401, "Unauthorized", "Unauthorized"))?,
            None => User {
                name: "system:anonymous".into(),
                groups: vec!["system:unauthenticated".into()],
                ..User::default()
            },
        };
        Ok(match self.impersonated(&user, headers)? {
            Some(other) => Caller {
                user: other,
                impersonator: Some(user.name),
            },
            None => Caller {
                user,
                impersonator: None,
            },
        })
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(AUTHORIZATION)?.to_str().ok()?.trim();
    let (scheme, token) = text.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer")).then_some(token.trim())
}
