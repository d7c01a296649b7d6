//! Methods: all pass but `CONNECT` and `TRACE`; `OPTIONS` belongs to the services.

use crate::support::*;

#[test]
fn ordinary_and_unknown_methods_pass() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    let http2 = Http2::connect(&proxy);
    for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "X-OWN"] {
        client.send(format!("{method} /m HTTP/1.1\r\nHost: {API}\r\nContent-Length: 0\r\n\r\n"));
        assert_eq!(client.answer().status, 200, "{method}");
        assert_eq!(origin.last().asked(), format!("{method} /m"));
        assert_eq!(http2.send(empty(method, API, "/m")).status, 200, "{method}");
        assert_eq!(origin.last().asked(), format!("{method} /m"));
    }
}

#[test]
fn connect_and_trace_are_not_served() {
    let refusing = Refusing::start();
    for line in [
        "CONNECT api.clearml.test:443 HTTP/1.1",
        "CONNECT evil.example:443 HTTP/1.1",
        "CONNECT / HTTP/1.1",
        "CONNECT 127.0.0.1:22 HTTP/1.1",
        "TRACE / HTTP/1.1",
    ] {
        let mut client = Client::https(&refusing.proxy);
        client.send(format!("{line}\r\nHost: {API}\r\nCookie: secret=1\r\n\r\n"));
        let answer = client.answer();
        assert!(matches!(answer.status, 400 | 405 | 501), "{line}: {}", answer.status);
        assert!(!answer.text().contains("secret"));
    }
    let mut client = Client::https(&refusing.proxy);
    let answer = client.send(format!("TRACE / HTTP/1.1\r\nHost: {API}\r\n\r\n")).answer();
    answer.assert_fault(405, "client; method_refused");
    assert!(answer.has("allow"), "405 says what is allowed: {}", answer.fields);
    refusing.nothing_passed();
}

#[test]
fn connect_and_trace_are_not_served_on_http2() {
    let refusing = Refusing::start();
    for fields in [
        &[(":method", "CONNECT"), (":authority", "api.clearml.test:443")][..],
        &[(":method", "CONNECT"), (":authority", "evil.example:22")],
        &[(":method", "CONNECT"), (":scheme", "https"), (":path", "/"), (":authority", API)],
        &[
            (":method", "CONNECT"),
            (":protocol", "websocket"),
            (":scheme", "https"),
            (":path", "/"),
            (":authority", API),
        ],
        &[(":method", "TRACE"), (":scheme", "https"), (":path", "/"), (":authority", API)],
    ] {
        let mut frames = FrameClient::connect(&refusing.proxy);
        frames.send(&Frame::headers(1, fields, true));
        let outcome = frames.outcome(1);
        let refused = matches!(outcome, Outcome::Status(400 | 405 | 501) | Outcome::Reset(1) | Outcome::GoAway(1));
        assert!(refused, "{fields:?}: {outcome:?}");
    }
    refusing.nothing_passed();
}

#[test]
fn options_of_the_whole_server_is_answered_or_forwarded_as_it_is() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    client.send(format!("OPTIONS * HTTP/1.1\r\nHost: {API}\r\n\r\n"));
    let status = client.answer().status;
    assert!(matches!(status, 200 | 204), "{status}");
    for request in origin.requests() {
        assert_eq!(request.asked(), "OPTIONS *");
    }
    client.assert_open();
}

#[test]
fn max_forwards_of_options_counts_down() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    let ask = |count: &str| format!("OPTIONS /x HTTP/1.1\r\nHost: {API}\r\nMax-Forwards: {count}\r\n\r\n");
    let answer = client.send(ask("0")).answer();
    assert!(matches!(answer.status, 200 | 204), "{}", answer.status);
    assert_eq!(origin.connections(), 0, "zero is answered here");
    assert_eq!(client.send(ask("7")).answer().status, 200);
    assert_eq!(origin.last().field("max-forwards"), "6");
    client.send(format!("GET /x HTTP/1.1\r\nHost: {API}\r\nMax-Forwards: 0\r\n\r\n"));
    assert_eq!(client.answer().status, 200);
    assert_eq!(origin.last().asked(), "GET /x", "it means nothing for GET");
}

#[test]
fn a_preflight_passes_untouched() {
    let answer = "HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: https://app.clearml.test\r\n\
                  Access-Control-Allow-Credentials: true\r\nAccess-Control-Allow-Headers: x-own\r\nVary: Origin\r\n\
                  Vary: Accept-Encoding\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let origin = Origin::answering(answer);
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    client.send(format!(
        "OPTIONS /v999.0/users.get_current_user HTTP/1.1\r\nHost: {API}\r\nOrigin: https://{APP}\r\n\
         Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: x-own\r\n\r\n"
    ));
    let answer = client.answer();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.field("access-control-allow-origin"), "https://app.clearml.test");
    assert_eq!(answer.field("access-control-allow-credentials"), "true");
    assert_eq!(answer.fields.all("vary"), ["Origin", "Accept-Encoding"]);
    let request = origin.request();
    assert_eq!(request.field("origin"), "https://app.clearml.test");
    assert_eq!(request.field("access-control-request-headers"), "x-own");
}
