//! Who makes a request.

use std::collections::BTreeMap;

use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::{Access, Attributes, User};
use crate::sandbox::failure::Failure;

impl Access {
    /// Who asks for something: the token's user, or whom that user impersonates. Without a token it is
    /// `system:anonymous`; a token that is no good is refused with 401.
    pub(crate) fn authenticate(&self, headers: &HeaderMap, asks: &Attributes<'_>) -> Result<User, Failure> {
        let user = match bearer(headers) {
            Some(token) => {
                let verified = self.verify(token, &[]);
                verified.map(|(user, _)| user).ok_or_else(unauthorized)?
            }
            None => anonymous(),
        };
        self.impersonate(user, headers, asks)
    }
}

pub(super) fn unauthorized() -> Failure {
    Failure::new(401, "Unauthorized", "Unauthorized")
}

fn anonymous() -> User {
    User {
        name: "system:anonymous".into(),
        uid: "".into(),
        groups: vec!["system:unauthenticated".into()],
        extra: BTreeMap::new(),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(AUTHORIZATION)?.to_str().ok()?.trim();
    let (scheme, token) = text.split_once(' ')?;
    let token = token.trim_start().split(' ').next()?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}
