//! Default keys: ClearML's published logins and token secrets, looked for on the own server.

use crate::support::*;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

const ON: &str = "protection.default_keys { check: true, every: \"1s\" }";
const PUBLISHED: &str = "Rq8FW84sSqVgq7WvBB_4EzNl9y8z8IGiDXX3C345_a5AZfcwZcwCIA";
const OWN: &str = "a secret of one's own";

fn sign(secret: &str, claims: &str) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#), URL_SAFE_NO_PAD.encode(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes())))
}

fn verifies(secret: &str, token: &str) -> bool {
    let Some((signed, signature)) = token.rsplit_once('.') else { return false };
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hmac::verify(&key, signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).is_ok()
}

/// An API server with `secret`, to which the access keys in `keys` are good; as `auth/auth.py` answers.
fn api(secret: &'static str, keys: &'static [&'static str]) -> Origin {
    Origin::script(move |visit| {
        let request = visit.request()?;
        let authorization = request.field("authorization");
        let refusal = |reason: &str| {
            let msg = format!("invalid token (invalid jwt token): reason={reason}");
            format!(
                r#"{{"meta":{{"result_code":401,"result_msg":"{msg}","error_data":{{"reason":"{reason}"}}}},"data":{{}}}}"#
            )
        };
        let (status, fields, body) = match authorization.split_once(' ').unwrap() {
            ("Basic", pair) => {
                let pair = String::from_utf8(STANDARD.decode(pair).unwrap()).unwrap();
                let token = sign(secret, r#"{"exp":4000000000}"#);
                match keys.iter().any(|key| pair.starts_with(key)) {
                    true => (
                        "200 OK",
                        format!("Set-Cookie: clearml_token_basic={token}; Path=/; HttpOnly\r\n"),
                        format!(r#"{{"meta":{{"result_code":200}},"data":{{"token":"{token}"}}}}"#),
                    ),
                    false => ("401 UNAUTHORIZED", String::new(), refusal("x")),
                }
            }
            ("Bearer", token) if verifies(secret, token) => {
                ("401 UNAUTHORIZED", String::new(), refusal("Signature has expired"))
            }
            _ => ("401 UNAUTHORIZED", String::new(), refusal("Signature verification failed")),
        };
        let length = body.len();
        visit.write(format!("HTTP/1.1 {status}\r\n{fields}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"))
    })
}

fn warnings(proxy: &Proxy) -> Vec<String> {
    let warned = |event: &serde_json::Value| event["level"] == "WARN";
    let text = |event: serde_json::Value| {
        let what =
            ["account", "published_by"].iter().find_map(|name| event[*name].as_str()).unwrap_or_default().to_owned();
        assert!(event["remedy"].as_str().is_none_or(|remedy| !remedy.is_empty()));
        what
    };
    proxy.events().json().into_iter().filter(warned).map(text).filter(|what| !what.is_empty()).collect()
}

#[test]
fn a_stock_server_is_warned_about_once_with_what_to_do() {
    let api = api(PUBLISHED, &["62T8CP7HGBC6647XF9314C2VY67RJO", "EGRTCO8JMSIGI6S39GTP43NFWXDQOW"]);
    let proxy = Run::to(&api).conf(ON).start();
    proxy.event("login tokens are signed with a published secret");
    // More than one round: each asks 11 logins and 3 tokens.
    api.wait_requests(14 * 2 + 1);
    let expected = ["apiserver", "tests", "apiserver (before 1.16)", "tests (before 1.16)", "clearml-server"];
    assert_eq!(warnings(&proxy), expected);
    let login = api.requests().into_iter().find(|request| request.asked().contains("auth.login")).unwrap();
    assert_eq!((login.asked(), login.body.as_slice()), ("GET /v2.1/auth.login", &br#"{"expiration_sec":1}"#[..]));
    assert!(
        !proxy.events().text().contains("gaOfhDX2") && !proxy.events().text().contains("Rq8FW84s"),
        "no secret in the log"
    );
    let pair = STANDARD.encode("EGRTCO8JMSIGI6S39GTP43NFWXDQOW:x");
    let login = format!("GET /auth.login HTTP/1.1\r\nHost: {API}\r\nAuthorization: Basic {pair}\r\n\r\n");
    assert_eq!(Client::https(&proxy).send(login).answer().status, 200, "nothing is refused");
}

#[test]
fn a_server_with_keys_of_its_own_gives_no_alarm() {
    let api = api(OWN, &["SOMEBODY"]);
    let proxy = Run::to(&api).conf(ON).start();
    proxy.event("no published default login or token secret opens this server");
    assert!(warnings(&proxy).is_empty());
}

#[test]
fn each_login_shows_what_its_cookie_is_signed_with() {
    for (secret, alarming) in [(PUBLISHED, true), (OWN, false)] {
        let api = api(secret, &["john:"]);
        let proxy = Run::to(&api).start();
        let pair = STANDARD.encode("john:x");
        let login = format!("GET /auth.login HTTP/1.1\r\nHost: {API}\r\nAuthorization: Basic {pair}\r\n\r\n");
        for _ in 0..2 {
            let answer = Client::https(&proxy).send(&login).answer();
            assert!(answer.status == 200 && answer.has("set-cookie"));
        }
        if alarming {
            proxy.event("login tokens are signed with a published secret");
        }
        assert_eq!(warnings(&proxy).len(), usize::from(alarming));
        assert_eq!(api.requests().len(), 2, "it is not asked while the check is off");
    }
}

#[test]
fn a_server_that_is_missing_or_busy_is_no_alarm() {
    let busy = Origin::answering("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
    let proxy = Run::to(&busy).conf(ON).start();
    busy.wait_requests(1);
    assert_eq!(Client::https(&proxy).get(APP, "/").status, 503);
    let events = proxy.events().text();
    assert!(!events.contains("published"), "{events}");
}
