//! Tokens for the file server: where a request carries one, and what the API server says of it.
//!
//! The file server itself asks `auth.validate_token`, which only ClearML's own services may call: it needs a system
//! credential, and a proxy should hold none. So the token is asked to do something that every login may do,
//! `users.get_current_user`: the API server checks signature, end and revocation before it looks at the action, as
//! `auth.validate_token` does.
//!
//! Source: clearml-server `fileserver/auth.py`, `apiserver/service_repo/service_repo.py` (`handle_call`),
//! `apiserver/schema/services/auth.conf`, `apiserver/apierrors/errors.conf`.

use http::header::{AUTHORIZATION, COOKIE, HeaderMap};
use http::{Method, StatusCode};
use serde_json::Value;

/// What a token is asked to do.
pub const TOKEN_QUESTION: &str = "/v2.1/users.get_current_user";

/// Tokens of ClearML have about 700 bytes; longer ones are none.
const TOKEN_MAX: usize = 8 * 1024;

/// A signature has 43 bytes; what stands before it differs little between logins.
const SIGNATURE_MAX: usize = 64;

/// Tokens of one request that are looked at: an old cookie may stand beside the new one.
const TOKENS_MAX: usize = 2;

/// `400`, "invalid user": the token is good, and its identity has no user of its own, as ClearML's services have none.
const NO_USER: u64 = 300;

/// What is known of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenVerdict {
    /// The API server accepts it.
    Accepted,
    /// The API server refuses it.
    Refused,
    /// The API server did not say.
    Unknown,
}

/// The tokens that a request carries, in the order in which the file server looks for them: the header, which beats
/// all cookies, then cookies by these names. Texts that cannot be tokens are left out.
#[must_use]
pub fn tokens_of<'a>(headers: &'a HeaderMap, cookies: &[String]) -> Vec<&'a str> {
    let mut found = Vec::new();
    if let Some(header) = headers.get(AUTHORIZATION) {
        found.extend(header.to_str().ok().and_then(|text| text.strip_prefix("Bearer ")));
    } else {
        let pairs =
            || headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(';'));
        for name in cookies {
            found.extend(
                pairs()
                    .filter_map(|pair| pair.trim().split_once('='))
                    .filter(|(key, _)| key == name)
                    .map(|(_, value)| value.trim_matches('"')),
            );
        }
    }
    found.retain(|token| is_token(token));
    found.dedup();
    found.truncate(TOKENS_MAX);
    found
}

/// What tells the requests of one login from those of others: the end of its token, where the signature is. Every process
/// of the SDK logs in for itself, and no two logins get the same token. Nothing is proven by it: anybody can make one up.
///
/// Source: clearml `backend_api/session/session.py`; clearml-server `apiserver/service_repo/auth/payload/token.py`.
#[must_use]
pub fn login_of(headers: &HeaderMap) -> Option<&[u8]> {
    let token = headers.get(AUTHORIZATION)?.as_bytes().strip_prefix(b"Bearer ")?;
    token.get(token.len().saturating_sub(SIGNATURE_MAX)..)
}

/// Whether a request to the file server needs no token: preflights have none, and health checks ask for `/`.
#[must_use]
pub fn needs_no_token(method: &Method, path: &str, headers: &HeaderMap) -> bool {
    let reads = method == Method::GET || method == Method::HEAD;
    method == Method::OPTIONS || (reads && path == "/" && !headers.contains_key(AUTHORIZATION))
}

/// What the answer to `TOKEN_QUESTION` says of the token.
#[must_use]
pub fn token_verdict(status: StatusCode, body: &[u8]) -> TokenVerdict {
    // Only an answer of the API server counts: a web server in its place answers 200 to everything.
    let answer = serde_json::from_slice::<Value>(body).unwrap_or_default();
    let meta = |name: &str| answer.get("meta").and_then(|meta| meta.get(name)).and_then(Value::as_u64);
    let user = answer.get("data").and_then(|data| data.get("user")).and_then(|user| user.get("id"));
    match (status, meta("result_code")) {
        (StatusCode::OK, Some(200)) if user.is_some_and(Value::is_string) => TokenVerdict::Accepted,
        (StatusCode::BAD_REQUEST, Some(400)) if meta("result_subcode") == Some(NO_USER) => TokenVerdict::Accepted,
        (StatusCode::UNAUTHORIZED, Some(401)) => TokenVerdict::Refused,
        _ => TokenVerdict::Unknown,
    }
}

/// A JSON Web Token by its looks: three parts in base64url.
fn is_token(text: &str) -> bool {
    text.len() <= TOKEN_MAX
        && text.split('.').count() == 3
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'='))
}

/// The `Authorization` that presents `token`.
#[must_use]
pub fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn tokens_are_found_where_the_file_server_looks_for_them() {
        let names = ["clearml_token_basic".to_owned(), "clearml-token-k8s".to_owned()];
        for (fields, expected) in [
            (&[("authorization", "Bearer a.b.c")][..], &["a.b.c"][..]),
            (&[("authorization", "Bearer a.b.c"), ("cookie", "clearml_token_basic=d.e.f")], &["a.b.c"]),
            (&[("cookie", "x=y; clearml_token_basic=a.b.c")], &["a.b.c"]),
            (&[("cookie", "x=y"), ("cookie", "clearml_token_basic=a.b.c;z=1")], &["a.b.c"]),
            (&[("cookie", "clearml_token_basic=a.b.c; clearml_token_basic=d.e.f")], &["a.b.c", "d.e.f"]),
            (&[("cookie", "clearml_token_basic=a.b.c; clearml_token_basic=a.b.c")], &["a.b.c"]),
            (&[("cookie", "clearml-token-k8s=\"a.b.c\"")], &["a.b.c"]),
            (
                &[("cookie", "clearml_token_basic=1.1.1; clearml_token_basic=2.2.2; clearml_token_basic=3.3.3")],
                &["1.1.1", "2.2.2"],
            ),
            (&[("authorization", "Basic a.b.c"), ("cookie", "clearml_token_basic=d.e.f")], &[]),
            (&[("authorization", "bearer a.b.c")], &[]),
            (&[("authorization", "Bearer not a token")], &[]),
            (&[("authorization", "Bearer a.b")], &[]),
            (&[("authorization", "Bearer a.b.c.d")], &[]),
            (&[("cookie", "xclearml_token_basic=a.b.c")], &[]),
            (&[("cookie", "clearml_token_basic=")], &[]),
            (&[], &[]),
        ] {
            assert_eq!(tokens_of(&headers(fields), &names), expected, "{fields:?}");
        }
        let long = format!("Bearer a.b.{}", "c".repeat(10_000));
        assert!(tokens_of(&headers(&[("authorization", &long)]), &names).is_empty());
    }

    #[test]
    fn a_login_is_known_by_the_end_of_its_token() {
        let token = |signature: &str| format!("Bearer {}.{}.{signature}", "h".repeat(36), "p".repeat(600));
        let [one, other] = ["1", "2"].map(|digit| headers(&[("authorization", &token(&digit.repeat(43)))]));
        assert_ne!(login_of(&one), login_of(&other));
        assert_eq!(login_of(&one).map(<[u8]>::len), Some(SIGNATURE_MAX));
        for (fields, expected) in [
            (&[("authorization", "Bearer a.b.c")][..], Some(&b"a.b.c"[..])),
            (&[("authorization", "Bearer ")], Some(b"")),
            (&[("authorization", "Basic a.b.c")], None),
            (&[("cookie", "clearml_token_basic=a.b.c")], None),
            (&[], None),
        ] {
            assert_eq!(login_of(&headers(fields)), expected, "{fields:?}");
        }
    }

    #[test]
    fn preflights_and_health_checks_need_no_token() {
        for (method, path, fields, expected) in [
            ("OPTIONS", "/a", &[][..], true),
            ("GET", "/", &[], true),
            ("HEAD", "/", &[], true),
            ("GET", "/", &[("authorization", "Bearer x")], false),
            ("GET", "//", &[], false),
            ("GET", "/a", &[], false),
            ("POST", "/", &[], false),
            ("PUT", "/", &[], false),
            ("DELETE", "/a", &[], false),
        ] {
            assert_eq!(needs_no_token(&method.parse().unwrap(), path, &headers(fields)), expected, "{method} {path}");
        }
    }

    #[test]
    fn only_the_api_servers_own_words_count() {
        use TokenVerdict::{Accepted, Refused, Unknown};
        for (status, body, expected) in [
            (200, r#"{"meta":{"result_code":200},"data":{"user":{"id":"u"}}}"#, Accepted),
            (400, r#"{"meta":{"result_code":400,"result_subcode":300},"data":{}}"#, Accepted),
            (401, r#"{"meta":{"result_code":401,"result_subcode":30},"data":{}}"#, Refused),
            (400, r#"{"meta":{"result_code":400,"result_subcode":0},"data":{}}"#, Unknown),
            (200, r#"{"meta":{"result_code":200},"data":{}}"#, Unknown),
            (200, "<!doctype html>", Unknown),
            (401, "Unauthorized", Unknown),
            (404, r#"{"meta":{"result_code":404}}"#, Unknown),
            (429, r#"{"meta":{"result_code":429}}"#, Unknown),
            (500, r#"{"meta":{"result_code":500}}"#, Unknown),
            (503, "", Unknown),
        ] {
            assert_eq!(
                token_verdict(StatusCode::from_u16(status).unwrap(), body.as_bytes()),
                expected,
                "{status} {body}"
            );
        }
    }
}
