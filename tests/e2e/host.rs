//! Host: exactly one, valid, and the same as everything else that names a host.

use crate::support::*;

#[test]
fn refuses_a_missing_repeated_or_invalid_host_on_both_listeners() {
    let refusing = Refusing::start();
    for lines in [
        "",
        "Host: api.clearml.test\r\nHost: api.clearml.test\r\n",
        "Host: api.clearml.test\r\nHost: app.clearml.test\r\n",
        "Host: api.clearml.test\r\nX-Between: 1\r\nhost: api.clearml.test\r\n",
        "Host:\r\n",
        "Host: \r\n",
        "Host: :443\r\n",
        "Host: user@api.clearml.test\r\n",
        "Host: user:pw@api.clearml.test\r\n",
        "Host: api.clearml.test/\r\n",
        "Host: api.clearml.test/path\r\n",
        "Host: https://api.clearml.test\r\n",
        "Host: api.clearml.test, app.clearml.test\r\n",
        "Host: api.clearml.test,api.clearml.test\r\n",
        "Host: api.clearml.test:443:443\r\n",
        "Host: api.clearml.test:\u{661}\r\n",
        "Host: api.clearml.test:port\r\n",
        "Host: api.clearml.test:99999\r\n",
        "Host: api.clearml.test:-1\r\n",
        "Host: api clearml.test\r\n",
        "Host: api.clearml.test app.clearml.test\r\n",
        "Host: api.clearml.test\t:443\r\n",
        "Host: api.clearml.test?x\r\n",
        "Host: api.clearml.test#x\r\n",
        "Host: api.clearml.test\\x\r\n",
        "Host: api..clearml.test\r\n",
        "Host: .clearml.test\r\n",
        "Host: api.clearml.test%00\r\n",
        "Host: [api.clearml.test]\r\n",
        "Host: [::1\r\n",
        "Host: \u{e4}pi.clearml.test\r\n",
    ] {
        let request = format!("GET /host HTTP/1.1\r\n{lines}\r\n");
        refusing.check(&[400], &request);
        refusing.check_plain(&[400], &request);
    }
    refusing.nothing_passed();
}

#[test]
fn http_1_0_needs_a_host_too() {
    let refusing = Refusing::start();
    refusing.check(&[400], "GET / HTTP/1.0\r\n\r\n");
    refusing.nothing_passed();
}

#[test]
fn the_target_gets_the_host_as_the_client_wrote_it() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    for host in [API, "api.clearml.test:443", "api.clearml.test:8443"] {
        assert_eq!(client.get(host, "/").status, 200, "{host}");
        assert_eq!(origin.last().field("host"), host);
    }
}

#[test]
fn an_absolute_target_names_the_host() {
    let origins = ["app", "api"].map(|name| Origin::answering(ok(name)));
    let proxy = Run::at([origins[0].addr(), origins[1].addr(), origins[0].addr()]).start();
    let mut client = Client::https(&proxy);
    client.send(format!("GET https://{API}/a?b HTTP/1.1\r\nHost: {API}\r\n\r\n"));
    assert_eq!(client.answer().text(), "api");
    assert_eq!(origins[1].last().asked(), "GET /a?b");
    assert_eq!(origins[1].last().field("host"), API);
    client.send(format!("GET https://{API}?b HTTP/1.1\r\nHost: {API}\r\n\r\n"));
    let answer = client.any_answer("GET");
    match answer.status {
        200 => assert_eq!(origins[1].last().asked(), "GET /?b"),
        status => assert_eq!(status, 400),
    }
}

#[test]
fn never_routes_by_one_name_and_sends_another() {
    let origins = ["app", "api"].map(|name| Origin::answering(ok(name)));
    let proxy = Run::at([origins[0].addr(), origins[1].addr(), origins[0].addr()]).start();
    let mut client = Client::https(&proxy);
    client.send(format!("GET https://{API}/both HTTP/1.1\r\nHost: {APP}\r\n\r\n"));
    let answer = client.any_answer("GET");
    match answer.status {
        200 => {
            assert_eq!(answer.text(), "api");
            assert_eq!(origins[1].last().field("host"), API);
        }
        status => assert_eq!(status, 400),
    }
    assert_eq!(origins[0].requests().len(), 0, "the name in the target counts");
}

#[test]
fn a_foreign_or_odd_absolute_target_reaches_nothing() {
    let refusing = Refusing::start();
    for (target, statuses) in [
        ("https://evil.example/", &[421, 404, 400][..]),
        ("http://evil.example/", &[421, 404, 400]),
        ("https://user@api.clearml.test/", &[400]),
        ("https://user:pw@api.clearml.test/", &[400]),
        ("https:///path", &[400]),
        ("https://", &[400]),
        ("https:/api.clearml.test/", &[400]),
        ("ftp://api.clearml.test/", &[400]),
        ("https://api.clearml.test:443:443/", &[400]),
        ("https://api.clearml.test\\@evil.example/", &[400]),
    ] {
        let mut client = Client::https(&refusing.proxy);
        client.send(format!("GET {target} HTTP/1.1\r\nHost: {API}\r\n\r\n"));
        let answer = client.answer();
        assert!(statuses.contains(&answer.status), "{target}: {}", answer.status);
    }
    refusing.nothing_passed();
}

#[test]
fn an_http2_authority_becomes_the_host() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut frames = FrameClient::connect(&proxy);
    let fields = FrameClient::request("GET", &[("host", API)]);
    frames.send(&Frame::headers(1, &fields, true));
    assert_eq!(frames.outcome(1), Outcome::Status(200), "the same name twice is one name");
    assert_eq!(origin.last().field("host"), API);
    let fields = [(":method", "GET"), (":scheme", "https"), (":path", "/only-host"), ("host", API)];
    frames.send(&Frame::headers(3, &fields, true));
    assert_eq!(frames.outcome(3), Outcome::Status(200), "host alone is legal in HTTP/2");
    assert_eq!(origin.last().field("host"), API);
}

#[test]
fn refuses_http2_hosts_that_disagree() {
    let refusing = Refusing::start();
    let base = [(":method", "GET"), (":scheme", "https"), (":path", "/")];
    for more in [
        &[(":authority", API), ("host", APP)][..],
        &[(":authority", API), ("host", "evil.example")],
        &[(":authority", API), ("host", API), ("host", API)],
        &[("host", API), ("host", APP)],
        &[("host", API), ("host", API)],
        &[],
        &[(":authority", "")],
        &[(":authority", "user@api.clearml.test")],
        &[(":authority", "user:pw@api.clearml.test")],
        &[(":authority", "api.clearml.test/")],
        &[(":authority", "api.clearml.test:443:443")],
        &[(":authority", "api.clearml.test, app.clearml.test")],
        &[(":authority", "api clearml.test")],
        &[("host", "api.clearml.test/x")],
        &[("host", "")],
    ] {
        let fields = base.iter().chain(more).copied().collect::<Vec<_>>();
        let mut frames = FrameClient::connect(&refusing.proxy);
        frames.send(&Frame::headers(1, &fields, true));
        let outcome = frames.outcome(1);
        assert!(
            matches!(outcome, Outcome::Status(400) | Outcome::Reset(1) | Outcome::GoAway(1)),
            "{more:?}: {outcome:?}"
        );
    }
    refusing.nothing_passed();
}
