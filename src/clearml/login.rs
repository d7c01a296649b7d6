//! What is a login, and how it ended.
//!
//! The API server checks `Authorization: Basic` for every action, not for `auth.login` alone, so every request with it
//! tries a password. `login.*` checks it without refusing: `login.supported_modes` says `authenticated` in its answer.
//!
//! Owns: reading the path as the API server does, and what an answer proves. Leaves: counting to the caller.
//!
//! Source: clearml-server `apiserver/service_repo/service_repo.py` (`_endpoint_exp`), `validators.py`
//! (`validate_auth`), `auth/auth.py`, `schema/services/login.conf`; Werkzeug `sansio/request.py`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HeaderMap};
use http::{Method, StatusCode};
use percent_encoding::percent_decode_str;

/// A request that may log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginTry {
    /// The user's name or access key, where one can be read.
    pub user: Option<String>,
    /// Name and secret as they were sent; `None` without `Basic`.
    pub credentials: Option<String>,
    action: Action,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    /// `auth.login`
    Login,
    /// Answers also those whom it did not recognise.
    Lenient,
    /// Anything else.
    Other,
}

/// What an answer says of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginEnd {
    /// The credentials are good.
    Good,
    /// They are not.
    Refused,
    /// The answer may have told whoever guesses whether they are.
    Unproven,
    /// Nothing was learned by anybody.
    Open,
}

impl LoginTry {
    /// Reads the head of a request to the API server; `path` without the query. `None` where it tries no login.
    #[must_use]
    pub fn of(method: &Method, path: &str, headers: &HeaderMap) -> Option<Self> {
        if method == Method::OPTIONS {
            return None;
        }
        let credentials = headers.get(AUTHORIZATION).and_then(basic);
        let action = Action::of(path);
        if credentials.is_none() && action != Action::Login {
            return None;
        }
        let user = credentials.as_deref().and_then(user_in);
        Some(Self { user, credentials, action })
    }

    /// Whether the name is an access key that ClearML made: its secret has 50 random characters, so guessing is
    /// hopeless, and an agent with a new key must not pay for those who guess people's passwords beside it.
    #[must_use]
    pub fn has_access_key(&self) -> bool {
        let is_key = |user: &String| {
            user.len() >= 20 && user.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        };
        self.user.as_ref().is_some_and(is_key)
    }

    /// What an answer with `status` means.
    #[must_use]
    pub fn ended(&self, status: StatusCode) -> LoginEnd {
        match self.action {
            _ if status == StatusCode::UNAUTHORIZED => LoginEnd::Refused,
            Action::Login if status.is_success() && self.credentials.is_some() => LoginEnd::Good,
            Action::Lenient if status.is_success() => LoginEnd::Unproven,
            Action::Login | Action::Lenient | Action::Other => LoginEnd::Open,
        }
    }
}

impl Action {
    /// The server takes percent-encoding and leading slashes off, and allows one slash or line feed at the end.
    fn of(path: &str) -> Self {
        let path = percent_decode_str(path).decode_utf8_lossy();
        let path = path.trim_matches(['/', '\n']);
        let name = match path.split_once('/') {
            Some((version, name)) if version.starts_with('v') => name,
            Some(_) => return Self::Other,
            None => path,
        };
        match name {
            "auth.login" => Self::Login,
            _ if name.starts_with("login.") => Self::Lenient,
            _ => Self::Other,
        }
    }
}

/// What follows `Basic `.
fn basic(value: &http::HeaderValue) -> Option<String> {
    let (scheme, credentials) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("basic").then(|| credentials.trim().to_owned())
}

fn user_in(credentials: &str) -> Option<String> {
    let pair = STANDARD.decode(credentials).ok()?;
    // As the server does: bytes are characters.
    Some(pair.into_iter().take_while(|byte| *byte != b':').map(char::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(method: &str, path: &str, authorization: Option<&str>) -> Option<LoginTry> {
        let mut headers = HeaderMap::new();
        if let Some(value) = authorization {
            headers.insert(AUTHORIZATION, value.parse().unwrap());
        }
        LoginTry::of(&method.parse().unwrap(), path, &headers)
    }

    fn pair(text: &str) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    #[test]
    fn every_basic_request_and_every_spelling_of_auth_login_is_a_try() {
        for path in [
            "/auth.login",
            "/v2.23/auth.login",
            "/v999.0/auth.login",
            "/auth.login/",
            "//auth.login",
            "/%61uth.login",
            "/auth%2Elogin",
            "/v2.1%2Fauth.login",
            "/auth.login%0A",
        ] {
            for method in ["GET", "POST", "PUT", "get", "X"] {
                assert_eq!(login(method, path, None).unwrap().action, Action::Login, "{method} {path}");
            }
            assert_eq!(login("OPTIONS", path, None), None);
        }
        for path in ["/users.get_all", "/xauth.login", "/auth.loginx", "/x/auth.login", "/", ""] {
            assert_eq!(login("GET", path, None), None, "{path}");
            assert_eq!(login("GET", path, Some("Bearer x")), None, "{path}");
            assert_eq!(login("GET", path, Some(&pair("a:b"))).unwrap().action, Action::Other, "{path}");
        }
    }

    #[test]
    fn the_user_is_what_stands_before_the_colon() {
        for (text, user) in [("john:x:y", "john"), ("john", "john"), (":x", ""), ("jöhn:x", "jÃ¶hn")] {
            assert_eq!(login("GET", "/x", Some(&pair(text))).unwrap().user.as_deref(), Some(user), "{text}");
        }
        let tried = login("GET", "/x", Some("basic %%%")).unwrap();
        assert_eq!((tried.user, tried.credentials.as_deref()), (None, Some("%%%")));
    }

    #[test]
    fn access_keys_are_told_from_people() {
        for (user, expected) in [
            ("EGRTCO8JMSIGI6S39GTP43NFWXDQOW", true),
            ("GGS9F4M6XB2DXJ5AFT9F", true),
            ("john", false),
            ("JOHN", false),
            ("johnjohnjohnjohnjohnjohn", false),
            ("", false),
        ] {
            assert_eq!(
                login("GET", "/x", Some(&pair(&format!("{user}:x")))).unwrap().has_access_key(),
                expected,
                "{user}"
            );
        }
    }

    #[test]
    fn only_a_login_proves_credentials_and_a_lenient_answer_may_be_a_hint() {
        for (path, basic, status, expected) in [
            ("/auth.login", true, 200, LoginEnd::Good),
            ("/auth.login", true, 401, LoginEnd::Refused),
            ("/auth.login", false, 401, LoginEnd::Refused),
            ("/auth.login", false, 200, LoginEnd::Open),
            ("/auth.login", true, 503, LoginEnd::Open),
            ("/auth.login", true, 400, LoginEnd::Open),
            ("/login.supported_modes", true, 200, LoginEnd::Unproven),
            ("/v2.1/login.supported_modes", true, 500, LoginEnd::Open),
            ("/tasks.get_all", true, 401, LoginEnd::Refused),
            ("/tasks.get_all", true, 200, LoginEnd::Open),
            ("/debug.ping", true, 200, LoginEnd::Open),
        ] {
            let tried = login("GET", path, basic.then(|| pair("a:b")).as_deref()).unwrap();
            assert_eq!(tried.ended(StatusCode::from_u16(status).unwrap()), expected, "{path} {basic} {status}");
        }
    }
}
