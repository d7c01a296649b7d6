//! Header fields: what a target gets, what a client gets back.

use crate::support::*;

/// The fields a target got, sorted, without those that every request has.
fn received(origin: &Origin) -> Vec<String> {
    let ours = [
        "host",
        "traceparent",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-port",
        "x-forwarded-proto",
        "x-real-ip",
        "x-request-id",
    ];
    let mut names = origin.last().head.fields.names();
    for name in ours {
        let at = names.iter().position(|field| field == name);
        names.remove(at.unwrap_or_else(|| panic!("no {name} in {names:?}")));
    }
    names
}

fn send(client: &mut Client, lines: &str) -> Answer {
    client.send(format!("GET /headers HTTP/1.1\r\nHost: {API}\r\n{lines}\r\n")).answer()
}

#[test]
fn a_bare_request_gets_exactly_our_fields() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    send(&mut client, "");
    assert_eq!(received(&origin), [""; 0]);
    let request = origin.last();
    assert_eq!(request.field("x-forwarded-for"), "127.0.0.1");
    assert_eq!(request.field("x-real-ip"), "127.0.0.1");
    assert_eq!(request.field("x-forwarded-proto"), "https");
    assert_eq!(request.field("x-forwarded-host"), API);
    assert_eq!(request.field("x-forwarded-port"), proxy.https().port().to_string());
    Http2::connect(&proxy).send(empty("GET", API, "/"));
    assert_eq!(received(&origin), [""; 0]);
}

#[test]
fn fields_of_one_hop_stop_here() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    send(
        &mut client,
        "Connection: keep-alive, X-Private\r\nConnection: x-other\r\nKeep-Alive: timeout=5\r\n\
         Proxy-Connection: keep-alive\r\nTE: gzip, deflate\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\
         X-Private: 1\r\nX-Other: 2\r\nX-Kept: 3\r\nAccept: */*\r\n",
    );
    let names = received(&origin);
    for name in ["keep-alive", "proxy-connection", "upgrade", "x-private", "x-other", "te"] {
        assert!(!names.contains(&name.to_owned()), "{name} in {names:?}");
    }
    assert!(names.contains(&"x-kept".to_owned()) && names.contains(&"accept".to_owned()), "{names:?}");
}

#[test]
fn connection_cannot_remove_what_gives_the_request_its_meaning() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: {API}\r\nConnection: close, Host, Content-Length, Authorization, Cookie\r\n\
         Connection: X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, X-Forwarded-Port, X-Real-IP, X-Request-Id\r\n\
         Authorization: Bearer t\r\nCookie: a=b\r\nContent-Length: 5\r\n\r\nhello"
    ));
    assert_eq!(client.answer().status, 200);
    assert_eq!(received(&origin), ["authorization", "content-length", "cookie"]);
    let request = origin.request();
    assert_eq!((request.field("authorization").as_str(), request.field("cookie").as_str()), ("Bearer t", "a=b"));
    assert_eq!(request.body, b"hello");
    assert_eq!(request.field("x-forwarded-for"), "127.0.0.1");
    assert_eq!(client.end(), End::Closed);
}

#[test]
fn what_a_client_says_about_itself_is_overwritten() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    send(
        &mut client,
        "X-Forwarded-For: 1.1.1.1\r\nx-forwarded-for: 2.2.2.2, 3.3.3.3\r\nX-Real-IP: 4.4.4.4\r\n\
         X-Forwarded-Proto: http\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Port: 1\r\n\
         X-Forwarded-Server: evil\r\nX-Forwarded-Scheme: http\r\nForwarded: for=1.1.1.1;host=evil.example\r\n",
    );
    assert_eq!(received(&origin), [""; 0]);
    let request = origin.last();
    assert_eq!(request.field("x-forwarded-for"), "127.0.0.1");
    assert_eq!(request.field("x-real-ip"), "127.0.0.1");
    assert_eq!(request.field("x-forwarded-proto"), "https");
    assert_eq!(request.field("x-forwarded-host"), API);
}

#[test]
fn underscore_twins_of_our_fields_do_not_pass() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    client.send(format!(
        "GET / HTTP/1.1\r\nHost: {API}\r\nX_Forwarded_For: 1.1.1.1\r\nX-Forwarded_Proto: http\r\nx_real_ip: 1.1.1.1\r\n\
         X_Forwarded_Host: evil.example\r\nX_Request_Id: evil\r\n\r\n"
    ));
    let answer = client.any_answer("GET");
    match answer.status {
        200 => assert_eq!(received(&origin), [""; 0]),
        status => assert_eq!((status, origin.connections()), (400, 0)),
    }
}

#[test]
fn trusted_proxies_are_believed_and_continued() {
    let origin = Origin::ok();
    let proxy = Run::to(&origin).conf("trusted_proxies: [\"127.0.0.0/8\"]").start();
    let mut client = Client::https(&proxy);
    let answer = send(&mut client, "X-Forwarded-For: 6.6.6.6, 9.9.9.9\r\nForwarded: for=6.6.6.6\r\n");
    let request = origin.last();
    assert_eq!(request.field("x-forwarded-for"), "6.6.6.6, 9.9.9.9, 127.0.0.1");
    assert_eq!(request.field("x-real-ip"), "9.9.9.9");
    assert!(!request.has("forwarded"));
    let record = proxy.record(&answer);
    assert_eq!(
        (record["client"].as_str(), record["peer"].as_str().map(|peer| peer.split(':').next().unwrap())),
        (Some("9.9.9.9"), Some("127.0.0.1"))
    );
}

#[test]
fn an_untrusted_network_is_not_believed() {
    let origin = Origin::ok();
    let proxy = Run::to(&origin).conf("trusted_proxies: [\"10.0.0.0/8\"]").start();
    send(&mut Client::https(&proxy), "X-Forwarded-For: 6.6.6.6\r\n");
    assert_eq!(origin.last().field("x-forwarded-for"), "127.0.0.1");
}

#[test]
fn clearml_and_unknown_fields_pass_unchanged_and_in_order() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    let lines = "X-ClearML-Client: clearml-2.1.7\r\nX-Trains-Client: clearml-2.1.7\r\nX-ClearML-Worker: host:gpu0\r\n\
                 Authorization: Bearer eyJ\r\nCookie: clearml_token_basic=eyJ\r\nOrigin: https://app.clearml.test\r\n\
                 Sec-Fetch-Site: same-site\r\nContent-Encoding: gzip\r\nRange: bytes=0-1\r\nIf-None-Match: \"a\"\r\n\
                 Accept-Encoding: gzip, deflate, zstd\r\nX-Empty: \r\nX-Twice: 1\r\nX-Twice: 2\r\nX-Custom_Name: u\r\n\
                 Access-Control-Allow-Credentials: *\r\nProxy-Authorization: Basic eA==\r\n";
    send(&mut client, lines);
    let request = origin.last();
    for line in lines.lines() {
        let (name, value) = line.split_once(':').unwrap();
        assert!(request.head.fields.all(name).contains(&value.trim().to_owned()), "{line}");
    }
    assert_eq!(request.head.fields.all("x-twice"), ["1", "2"]);
    assert!(!request.has("via"));
}

#[test]
fn bytes_above_ascii_survive_both_ways() {
    let origin = Origin::answering(
        b"HTTP/1.1 200 OK\r\nX-Back: caf\xe9 \xff\r\nX-Empty:\r\nContent-Length: 0\r\n\r\n".as_slice(),
    );
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    client.send([b"GET / HTTP/1.1\r\nHost: api.clearml.test\r\nX-Text: caf\xe9 \xff\r\n\r\n".as_slice()].concat());
    let answer = client.answer();
    let value = |fields: &Fields, name: &str| {
        fields.0.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).unwrap().1.clone()
    };
    assert_eq!(value(&origin.last().head.fields, "x-text"), b"caf\xe9 \xff");
    assert_eq!(value(&answer.fields, "x-back"), b"caf\xe9 \xff");
    assert_eq!(answer.field("x-empty"), "");
}

#[test]
fn the_answers_fields_pass_without_those_of_one_hop() {
    let origin = Origin::answering(
        "HTTP/1.1 200 OK\r\nServer: Werkzeug/3\r\nserver: clearml\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\n\
         Date: Mon, 01 Jan 2024 00:00:01 GMT\r\nConnection: close, X-Private\r\nX-Private: 1\r\nKeep-Alive: timeout=1\r\n\
         Proxy-Connection: close\r\nSet-Cookie: a=1; Path=/\r\nSet-Cookie: b=2; Path=/\r\nVary: Origin\r\nVary: Accept\r\n\
         ETag: \"x:deflate\"\r\nContent-Encoding: zstd\r\nWWW-Authenticate: Basic\r\nProxy-Authenticate: Basic\r\n\
         Content-Disposition: attachment; filename*=UTF-8''%C3%BC\r\nContent-Length: 2\r\n\r\nok",
    );
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    for answer in [client.get(FILES, "/"), Http2::connect(&proxy).send(empty("GET", FILES, "/"))] {
        for name in [
            "date",
            "server",
            "etag",
            "content-encoding",
            "content-disposition",
            "www-authenticate",
            "proxy-authenticate",
        ] {
            assert_eq!(answer.fields.all(name).len(), 1, "{name}:\n{}", answer.fields);
        }
        assert_eq!(answer.field("date"), "Mon, 01 Jan 2024 00:00:00 GMT", "the target's first");
        assert_eq!(answer.fields.all("set-cookie"), ["a=1; Path=/", "b=2; Path=/"]);
        assert_eq!(answer.fields.all("vary"), ["Origin", "Accept"]);
        for name in ["connection", "x-private", "keep-alive", "proxy-connection", "via"] {
            assert!(!answer.has(name), "{name}:\n{}", answer.fields);
        }
    }
    client.assert_open();
}

#[test]
fn a_request_id_is_made_or_kept_and_returned() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    let first = send(&mut client, "").field("x-request-id");
    assert_eq!(origin.last().field("x-request-id"), first);
    let second = send(&mut client, "").field("x-request-id");
    assert_ne!(first, second);
    let kept = send(&mut client, "X-Request-Id: my-own-id-7\r\n");
    assert_eq!(kept.field("x-request-id"), "my-own-id-7");
    assert_eq!(origin.last().field("x-request-id"), "my-own-id-7");
    assert_eq!(proxy.record(&kept)["path"], "/headers");
}

#[test]
fn an_unfit_request_id_is_replaced() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    for id in ["a b\" , {}", &"x".repeat(5_000), "", "\u{e4}"] {
        let answer = send(&mut client, &format!("X-Request-Id: {id}\r\n"));
        let given = answer.field("x-request-id");
        assert!(given != *id && !given.is_empty() && given.len() < 200, "{id:?} became {given:?}");
        assert_eq!(origin.last().field("x-request-id"), given);
    }
}

#[test]
fn an_id_from_the_target_does_not_double_ours() {
    let origin = Origin::answering("HTTP/1.1 200 OK\r\nX-Request-Id: theirs\r\nContent-Length: 0\r\n\r\n");
    let proxy = Proxy::to(&origin);
    assert_eq!(Client::https(&proxy).get(API, "/").fields.all("x-request-id").len(), 1);
}
