//! Answer headers that are ours to decide: Strict-Transport-Security, nosniff, Server; and nothing else.

use crate::support::*;

const THEIRS: &str = "HTTP/1.1 200 OK\r\nServer: Werkzeug/3.1.9\r\nServer: clearml\r\nDate: Mon, 23 Nov 2026 19:06:55 GMT\r\n\
                      Strict-Transport-Security: max-age=31536000; includeSubDomains\r\n\
                      Strict-Transport-Security: max-age=1\r\nX-Content-Type-Options: nosniff\r\nVary: a\r\nVary: b\r\n\
                      Content-Security-Policy: frame-ancestors 'self'\r\nETag: \"x\"\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn https_only_is_said_once_for_the_host_alone_and_never_over_http() {
    let origin = Origin::answering(THEIRS);
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    for host in [APP, API, FILES] {
        let answer = client.get(host, "/");
        assert_eq!(answer.field("strict-transport-security"), "max-age=31536000", "{host}");
        assert_eq!(answer.field("x-content-type-options"), "nosniff", "{host}");
    }
    assert!(!Client::http(&proxy).get(APP, "/").has("strict-transport-security"));
}

#[test]
fn https_only_and_the_servers_name_can_be_switched_off() {
    let origin = Origin::answering(THEIRS);
    let proxy = Run::to(&origin).conf("answers { hsts: 0s, server: false }").start();
    for host in [APP, API, FILES] {
        let answer = Client::https(&proxy).get(host, "/");
        assert!(!answer.has("strict-transport-security") && !answer.has("server"), "{host}:\n{}", answer.fields);
    }
    let proxy = Run::to(&origin).conf("answers.hsts: 30d").start();
    assert_eq!(Client::https(&proxy).get(APP, "/").field("strict-transport-security"), "max-age=2592000");
}

#[test]
fn nothing_else_of_an_answer_is_changed() {
    let origin = Origin::answering(THEIRS);
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    for host in [APP, API, FILES] {
        let answer = client.get(host, "/");
        let names = [
            "content-length",
            "content-security-policy",
            "date",
            "etag",
            "server",
            "strict-transport-security",
            "vary",
            "vary",
            "x-content-type-options",
            "x-request-id",
        ];
        assert_eq!(answer.fields.names(), names, "{host}");
        assert_eq!(answer.field("server"), "Werkzeug/3.1.9");
        assert_eq!(answer.fields.all("vary"), ["a", "b"]);
    }
}
