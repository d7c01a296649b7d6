//! What the three stand-ins share: the stored files and the logins.

use super::store::Store;
use super::token::Tokens;
use http::HeaderMap;
use http::header::{AUTHORIZATION, COOKIE};

/// The cookie that `auth.login` sets.
///
/// Source: clearml-server `apiserver/config/default/apiserver.conf`, `auth.session_auth_cookie_name`.
pub(super) const COOKIE_NAME: &str = "clearml_token_basic";

/// One ClearML Server, as far as there is one.
#[derive(Debug)]
pub(super) struct Place {
    /// The uploaded files.
    pub(super) store: Store,
    /// Logins.
    pub(super) tokens: Tokens,
}

/// The value of `Authorization`, where it is text.
pub(super) fn authorization(headers: &HeaderMap) -> Option<&str> {
    headers.get(AUTHORIZATION)?.to_str().ok()
}

/// The token in the login cookie; of several cookies of that name the first.
pub(super) fn cookie_token(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE_NAME)
        .map(|(_, token)| token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn finds_the_login_cookie_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("a=b; xclearml_token_basic=no"));
        headers.append(COOKIE, HeaderValue::from_static("c=d;clearml_token_basic=yes; e=f"));
        assert_eq!(cookie_token(&headers), Some("yes"));
        assert_eq!(cookie_token(&HeaderMap::new()), None);
    }
}
