//! Login cookies: made good for the three hosts where the server set no domain, and left alone everywhere else.

use crate::support::*;

/// As the API server sends it with its defaults.
const COOKIE: &str = "clearml_token_basic=ey.J; Expires=Mon, 09 Oct 5195 05:00:14 GMT; Max-Age=99999999999; HttpOnly; \
                      Path=/; SameSite=Lax";

const TWIN: &str = "clearml_token_basic=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/";

const NAMES: &str = "hosts { app: ml.example.com, api: ml-api.example.com, files: ml-files.example.com }\n\
                     single_domain: [one.example.com]";

fn setting(lines: &[&str]) -> Origin {
    let fields = lines.iter().map(|line| format!("Set-Cookie: {line}\r\n")).collect::<String>();
    Origin::answering(format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 2\r\n\r\n{{}}"))
}

fn cookies(answer: &Answer) -> Vec<String> {
    answer.fields.all("set-cookie")
}

#[test]
fn the_cookie_of_a_login_is_the_domains_and_its_old_twin_goes() {
    let origin = setting(&[COOKIE]);
    let proxy = Run::to(&origin).conf(NAMES).start();
    let mut client = Client::https(&proxy);
    let http2 = Http2::connect(&proxy);
    for (host, path, domain) in [
        (API, "/auth.login", "clearml.test"),
        ("API.ClearML.Test:8443", "/auth.login", "clearml.test"),
        (APP, "/api/auth.login", "clearml.test"),
        ("ml-api.example.com", "/auth.login", "example.com"),
    ] {
        let repaired = [TWIN.to_owned(), format!("{COOKIE}; Domain=.{domain}; Secure")];
        assert_eq!(cookies(&client.get(host, path)), repaired, "{host}{path}");
        assert_eq!(cookies(&http2.send(empty("GET", host, path))), repaired, "{host}{path} over HTTP/2");
    }
}

#[test]
fn other_hosts_and_services_set_their_cookies_as_they_are() {
    let origin = setting(&[COOKIE]);
    let proxy = Run::to(&origin).conf(NAMES).start();
    let mut client = Client::https(&proxy);
    for (host, path) in [("one.example.com", "/api/auth.login"), (APP, "/"), (FILES, "/a"), (APP, "/files/a")] {
        assert_eq!(cookies(&client.get(host, path)), [COOKIE], "{host}{path}");
    }
    let any = Run::to(&origin).domain("\"*\"").start();
    for host in ["api.corp", "api.co.uk", "api.10.0.0.5"] {
        assert_eq!(cookies(&Client::https(&any).get(host, "/auth.login")), [COOKIE], "{host}");
    }
}

#[test]
fn a_domain_that_the_server_set_stays_and_each_line_is_taken_by_itself() {
    let theirs = "clearml_token_basic=x; Domain=.clearml.test; Path=/";
    let origin = setting(&[theirs, "other=1; Secure", "__Host-x=1; Secure; Path=/"]);
    let proxy = Proxy::to(&origin);
    let answer = Client::https(&proxy).get(API, "/auth.login");
    let twin = "other=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0";
    let expected = [theirs, twin, "other=1; Secure; Domain=.clearml.test", "__Host-x=1; Secure; Path=/"];
    assert_eq!(cookies(&answer), expected);
}

#[test]
fn the_repair_can_be_switched_off() {
    let origin = setting(&[COOKIE]);
    let proxy = Run::to(&origin).conf("answers.cookies: false").start();
    assert_eq!(cookies(&Client::https(&proxy).get(API, "/auth.login")), [COOKIE]);
}

#[test]
fn a_browser_with_two_logins_loses_the_old_one_with_its_401() {
    let origin = Origin::answering("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
    let proxy = Run::to(&origin).conf(NAMES).start();
    let asking = |host: &str, fields: &str| format!("GET /a HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n\r\n");
    let mut client = Client::https(&proxy);
    let twice = "Cookie: x=1; clearml_token_basic=old; clearml_token_basic=new";
    for (host, fields, expected) in [
        (API, twice, Some(TWIN)),
        (FILES, twice, Some(TWIN)),
        (FILES, "Cookie: clearml_token_basic=old", None),
        (FILES, "Cookie: clearml_token_basic=a; clearml_token_basic=b\r\nAuthorization: Bearer x", None),
        ("one.example.com", twice, None),
    ] {
        let answer = client.send(asking(host, fields)).answer();
        assert_eq!((answer.status, cookies(&answer).first().map(String::as_str)), (401, expected), "{host} {fields}");
    }
}
