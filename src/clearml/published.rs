//! The credentials and token secrets that ClearML publishes in its own sources: whoever has read them is in, wherever
//! nobody changed them.
//!
//! They stand here to be recognised. Owns: the list, and whether a token is signed with such a secret. Leaves: asking
//! the own server to the caller.
//!
//! Source: clearml-server `apiserver/config/default/secure.conf` (until and since 1.16), `fileserver/config/default/
//! secure.conf`; clearml-helm-charts `charts/clearml/values.yaml`; clearml-web `src/environments/base.ts`.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::StatusCode;
use http::header::{HeaderMap, SET_COOKIE};
use serde_json::Value;

/// Credentials that anybody can read.
#[derive(Debug, PartialEq, Eq)]
pub struct PublishedKey {
    /// The account, and where it is published.
    pub name: &'static str,
    /// What it lets its user do, and what to change.
    pub remedy: &'static str,
    key: &'static str,
    secret: &'static str,
}

/// A token secret that anybody can read.
#[derive(Debug, PartialEq, Eq)]
pub struct PublishedSecret {
    /// Where it is published.
    pub name: &'static str,
    secret: &'static str,
}

const SYSTEM: &str = "it may do everything in everybody's name; set CLEARML__SECURE__CREDENTIALS__<ACCOUNT>__USER_KEY \
                      and __USER_SECRET on the API server, and the same for the file server's account on the file server";
const OPEN: &str = "whoever reaches the web UI is in without a password; turn on fixed users \
                    (CLEARML__APISERVER__AUTH__FIXED_USERS__ENABLED), which revokes it";
const HELM: &str = "set your own values for the chart's keys and secrets";

/// The body of a login whose token ends at once.
pub const SHORT_LOGIN: &str = r#"{"expiration_sec":1}"#;

/// What to do about a published token secret.
pub const SECRET_REMEDY: &str = "anybody can make a login token for any user; set CLEARML__SECURE__AUTH__TOKEN_SECRET to \
                                 a random text of your own on the API server and restart it; everybody signs in anew";

const fn key(name: &'static str, remedy: &'static str, key: &'static str, secret: &'static str) -> PublishedKey {
    PublishedKey { name, remedy, key, secret }
}

/// Every published pair.
pub const PUBLISHED_KEYS: &[PublishedKey] = &[
    key(
        "apiserver",
        SYSTEM,
        "62T8CP7HGBC6647XF9314C2VY67RJO",
        "gaOfhDX2-bpkeI7-cwEcaMuGijxaG2UG3jbIvg4DxmVGF0LNI7rgvCb1-ne38IlBo1w",
    ),
    key(
        "fileserver",
        SYSTEM,
        "GSQWPEKSKNKF354LC9V6BHXKTYFD5I",
        "tuBXcGQBECsEhcNiK2kiWi750z9r8Z85XrQ9V0c24huTuCb2xf2X1nKG",
    ),
    key(
        "webserver",
        OPEN,
        "EYVQ385RW7Y2QQUH88CZ7DWIQ1WUHP",
        "XhkH6a6ds9JBnM_MrahYyYdO-wS2bqFSm8gl-V0UZXH26Ydd6Eyi28TeBEoSr6Z3Bes",
    ),
    key("tests", OPEN, "EGRTCO8JMSIGI6S39GTP43NFWXDQOW", "LPEJbGJ6bK4tujQcmrD3i1dbMBDdwUwelVa-LG0K0FFmY9bzH_H0Sw"),
    key(
        "apiserver (before 1.16)",
        SYSTEM,
        "62T8CP7HGBC6647XF9314C2VY67RJO",
        "FhS8VZv_I4%6Mo$8S1BWc$n$=o1dMYSivuiWU-Vguq7qGOKskG-d+b@tn_Iq",
    ),
    key(
        "webserver (before 1.16)",
        OPEN,
        "EYVQ385RW7Y2QQUH88CZ7DWIQ1WUHP",
        "yfc8KQo*GMXb*9p((qcYC7ByFIpF7I&4VH3BfUYXH%o9vX1ZUZQEEw1Inc)S",
    ),
    key(
        "tests (before 1.16)",
        OPEN,
        "EGRTCO8JMSIGI6S39GTP43NFWXDQOW",
        "x!XTov_G-#vspE*Y(h$Anm&DIc5Ou-F)jsl$PdOyj5wG1&E!Z8",
    ),
    key(
        "services_agent (1.11 to 1.15)",
        SYSTEM,
        "P4BMJA7RK3TKBXGSY8OAA1FA8TOD11",
        "9LsgSfa0SYz0zli1_c500ZcLqanre2xkWOpepyt1w-BKK3_DKPHrtoj3JSHvyy8bIi0",
    ),
    key("apiserver (Helm chart)", HELM, "GGS9F4M6XB2DXJ5AFT9F", "2oGujVFhPfaozhpuz2GzQfA5OyxmMsR3WVJpsCR5hrgHFs20PO"),
    key("fileserver (Helm chart)", HELM, "XXCRJ123CEE2KSQ068WO", "YIy8EVAC7QCT4FtgitxAQGyW7xRHDZ4jpYlTE7HKiscpORl1hG"),
    key("tests (Helm chart)", HELM, "ENP39EQM4SLACGD5FXB7", "lPcm0imbcBZ8mwgO7tpadutiS3gnJD05x9j7afwXPS35IKbpiQ"),
];

/// Every published token secret.
pub const PUBLISHED_SECRETS: &[PublishedSecret] = &[
    PublishedSecret { name: "clearml-server", secret: "Rq8FW84sSqVgq7WvBB_4EzNl9y8z8IGiDXX3C345_a5AZfcwZcwCIA" },
    PublishedSecret {
        name: "clearml-server before 1.16",
        secret: "7E1ua3xP9GT2(cIQOfhjp+gwN6spBeCAmN-XuugYle00I=Wc+u",
    },
    PublishedSecret { name: "Helm chart", secret: "ymLh1ok5k5xNUQfS944Xdx9xjf0wueokqKM2dMZfHuH9ayItG2" },
];

impl PublishedKey {
    /// The `Authorization` that tries it.
    #[must_use]
    pub fn authorization(&self) -> String {
        basic(self.key, self.secret)
    }
}

impl PublishedSecret {
    /// A token under this secret that ended in 1970: it opens nothing, yet a server that uses the secret refuses it for
    /// its age and any other for its signature.
    #[must_use]
    pub fn ended_token(&self) -> String {
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(br#"{"alg":"HS256","typ":"JWT"}"#),
            URL_SAFE_NO_PAD.encode(br#"{"auth_type":"Bearer","exp":1,"iat":0}"#)
        );
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(hmac::sign(&self.hmac(), signed.as_bytes())))
    }

    fn hmac(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, self.secret.as_bytes())
    }
}

/// The `Authorization` of a key and its secret.
#[must_use]
pub fn basic(key: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{key}:{secret}")))
}

/// The published secret that `token` is signed with.
#[must_use]
pub fn published_secret_of(token: &str) -> Option<&'static PublishedSecret> {
    let (signed, signature) = token.rsplit_once('.')?;
    let signature = URL_SAFE_NO_PAD.decode(signature.trim_end_matches('=')).ok()?;
    PUBLISHED_SECRETS.iter().find(|secret| hmac::verify(&secret.hmac(), signed.as_bytes(), &signature).is_ok())
}

/// The login token that an answer to `auth.login` sets as a cookie, whatever the cookie's name.
#[must_use]
pub fn token_set_by(headers: &HeaderMap) -> Option<&str> {
    headers.get_all(SET_COOKIE).iter().find_map(|line| {
        let (_, value) = line.to_str().ok()?.split(';').next()?.split_once('=')?;
        (value.split('.').count() == 3).then_some(value)
    })
}

/// Whether the answer to `PublishedSecret::ended_token` says that the signature was right.
///
/// Source: PyJWT `api_jwt.py` (the signature is checked first; "Signature has expired"), clearml-server
/// `apiserver/service_repo/auth/auth.py` (`authorize_token`).
#[must_use]
pub fn refused_for_age(status: StatusCode, body: &[u8]) -> bool {
    let answer = serde_json::from_slice::<Value>(body).unwrap_or_default();
    let meta = answer.get("meta");
    let said = meta.and_then(|meta| meta.get("result_msg")).and_then(Value::as_str).unwrap_or_default();
    let reason =
        meta.and_then(|meta| meta.get("error_data")).and_then(|data| data.get("reason")).and_then(Value::as_str);
    status == StatusCode::UNAUTHORIZED
        && (said.contains("expired") || reason.is_some_and(|reason| reason.contains("expired")))
}

/// Whether an answer to `auth.login` lets its caller in.
#[must_use]
pub fn lets_in(status: StatusCode, body: &[u8]) -> bool {
    let answer = serde_json::from_slice::<Value>(body).unwrap_or_default();
    let token = answer.get("data").and_then(|data| data.get("token"));
    status == StatusCode::OK && token.is_some_and(Value::is_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Signed by Python's `hmac` with each secret of the list.
    const TOKENS: [&str; 3] = [
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJhIjoxfQ.9hyxesLmghPXIGYTwSOIBpHwT8j6wovTdh9jZ5t1m5Y",
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJhIjoxfQ.V8_370Y8lngw2-voHenSHmBbzUpxFHkp9UcjfCKc-JI",
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJhIjoxfQ.k2Gi_8cRnUhLQJi5ntCrmFrVWjlKXZevXjtdGcqG84s",
    ];

    #[test]
    fn tokens_under_published_secrets_are_recognised_and_others_are_not() {
        for (token, secret) in TOKENS.iter().zip(PUBLISHED_SECRETS) {
            assert_eq!(published_secret_of(token), Some(secret));
            assert_eq!(published_secret_of(&format!("{token}x")), None);
            assert_eq!(published_secret_of(&token.replacen('e', "f", 1)), None);
            assert_eq!(published_secret_of(&secret.ended_token()), Some(secret));
        }
        for token in ["", ".", "a.b.c", "a.b"] {
            assert_eq!(published_secret_of(token), None, "{token}");
        }
    }

    #[test]
    fn the_token_in_a_login_cookie_is_found_under_any_name() {
        let mut headers = HeaderMap::new();
        for line in ["a=b; Path=/", "clearml-token-k8s=x.y.z; Domain=ml.corp; HttpOnly"] {
            headers.append(SET_COOKIE, line.parse().unwrap());
        }
        assert_eq!(token_set_by(&headers), Some("x.y.z"));
        assert_eq!(token_set_by(&HeaderMap::new()), None);
    }

    #[test]
    fn answers_are_read_as_the_server_means_them() {
        let told = |msg: &str, reason: &str| {
            format!(r#"{{"meta":{{"result_code":401,"result_msg":"{msg}","error_data":{{"reason":"{reason}"}}}}}}"#)
        };
        for (status, body, expected) in [
            (401, told("invalid token (invalid jwt token): reason=Signature has expired", ""), true),
            (401, told("invalid token (invalid jwt token)", "Signature has expired"), true),
            (401, told("invalid token", "Signature verification failed"), false),
            (200, told("", "Signature has expired"), false),
            (401, "expired".to_owned(), false),
        ] {
            assert_eq!(refused_for_age(StatusCode::from_u16(status).unwrap(), body.as_bytes()), expected, "{body}");
        }
        assert!(lets_in(StatusCode::OK, br#"{"data":{"token":"x"}}"#));
        assert!(!lets_in(StatusCode::OK, b"<!doctype html>"));
        assert!(!lets_in(StatusCode::UNAUTHORIZED, br#"{"data":{"token":"x"}}"#));
    }

    #[test]
    fn each_pair_is_listed_once() {
        for (index, pair) in PUBLISHED_KEYS.iter().enumerate() {
            assert!(
                PUBLISHED_KEYS.iter().skip(index + 1).all(|other| (other.key, other.secret) != (pair.key, pair.secret))
            );
            assert!(pair.authorization().starts_with("Basic ") && !pair.remedy.is_empty());
        }
    }
}
