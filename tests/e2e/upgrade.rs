//! Upgrades: WebSocket on HTTP/1.1 alone; frames are not looked at.

use crate::support::*;
use std::io;

const HANDSHAKE: &str = "GET /socket HTTP/1.1\r\nHost: app.clearml.test\r\nConnection: keep-alive, Upgrade\r\n\
                         Upgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: https://app.clearml.test\r\n\r\n";
const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Switches, then sends back whatever comes.
fn echo(visit: &mut Visit) -> io::Result<()> {
    visit.request()?;
    visit.write(SWITCHING)?;
    loop {
        let piece = visit.some()?;
        visit.write(piece)?;
    }
}

fn switched(proxy: &Proxy) -> Client {
    let mut client = Client::https(proxy);
    let answer = client.send(HANDSHAKE).any_answer("GET");
    assert_eq!(answer.status, 101, "{}\n{}", answer.fields, answer.text());
    client
}

#[test]
fn a_websocket_handshake_passes_and_frames_flow() {
    let origin = Origin::script(echo);
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    let answer = client.send(HANDSHAKE).any_answer("GET");
    assert_eq!(answer.status, 101);
    assert_eq!(answer.field("sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_eq!(answer.field("upgrade").to_ascii_lowercase(), "websocket");
    assert_eq!(answer.field("connection").to_ascii_lowercase(), "upgrade");
    let request = origin.request();
    assert_eq!(request.field("upgrade").to_ascii_lowercase(), "websocket");
    assert_eq!(request.field("connection").to_ascii_lowercase(), "upgrade");
    assert_eq!(request.field("sec-websocket-key"), "dGhlIHNhbXBsZSBub25jZQ==");
    assert_eq!(request.field("x-forwarded-for"), "127.0.0.1");
    for message in [b"\x81\x05hello".as_slice(), b"\x00\xff\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"] {
        assert_eq!(client.send(message).bytes(message.len()), message);
    }
}

#[test]
fn bytes_behind_the_request_head_are_delivered() {
    let origin = Origin::script(echo);
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    client.send(format!("{HANDSHAKE}early bytes"));
    assert_eq!(client.any_answer("GET").status, 101);
    assert_eq!(client.bytes(11), b"early bytes");
}

#[test]
fn bytes_behind_the_101_are_delivered() {
    let origin = Origin::script(|visit| {
        visit.request()?;
        visit.write(format!("{SWITCHING}first words"))?;
        visit.drain()
    });
    let proxy = Proxy::to(&origin);
    assert_eq!(switched(&proxy).bytes(11), b"first words");
}

#[test]
fn refusals_pass_and_the_connection_goes_on() {
    for (line, body) in
        [("400 Bad Request", "no"), ("426 Upgrade Required", "old"), ("401 Unauthorized", "who"), ("200 OK", "page")]
    {
        let origin = Origin::answering(format!(
            "HTTP/1.1 {line}\r\nSec-WebSocket-Version: 13\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        let proxy = Proxy::to(&origin);
        let mut client = Client::https(&proxy);
        let answer = client.send(HANDSHAKE).answer();
        assert_eq!((answer.status.to_string().as_str(), answer.text().as_str()), (&line[..3], body));
        assert_eq!(answer.field("sec-websocket-version"), "13");
    }
}

#[test]
fn a_target_that_breaks_off_in_the_handshake_is_502() {
    let origin = Origin::script(|visit| visit.request().map(drop));
    let proxy = Proxy::to(&origin);
    Client::https(&proxy).send(HANDSHAKE).answer().assert_fault(502, "target; target_broke_off");
    assert_eq!(origin.requests().len(), 1);
}

#[test]
fn only_a_complete_websocket_offer_is_passed_on() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    for lines in [
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
        "Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n",
        "Upgrade: websocket\r\n",
        "Connection: Upgrade\r\n",
        "Connection: keep-alive\r\nUpgrade: websocket\r\n",
        "Connection: Upgrade\r\nUpgrade: websocketx\r\n",
    ] {
        client.send(format!("GET / HTTP/1.1\r\nHost: {APP}\r\n{lines}\r\n"));
        assert_eq!(client.answer().status, 200, "{lines:?}");
        let request = origin.last();
        assert!(!request.has("upgrade") && !request.has("http2-settings"), "{lines:?}: {}", request.head.fields);
    }
    client.send(HANDSHAKE.replace("HTTP/1.1", "HTTP/1.0"));
    let _any = client.any_answer("GET");
    assert!(!origin.last().has("upgrade"), "HTTP/1.0 cannot upgrade");
}

#[test]
fn a_switch_to_something_else_is_a_bad_answer() {
    let origin = Origin::script(|visit| {
        visit.request()?;
        visit.write(SWITCHING.replace("websocket", "h2c"))?;
        visit.drain()
    });
    let proxy = Proxy::to(&origin);
    Client::https(&proxy).send(HANDSHAKE).answer().assert_fault(502, "target; bad_answer");
}

#[test]
fn large_messages_flow_both_ways() {
    let origin = Origin::script(echo);
    let proxy = Proxy::to(&origin);
    let mut client = switched(&proxy);
    let data = pattern(4 << 20);
    for piece in data.chunks(100_000) {
        assert!(client.send(piece).bytes(piece.len()) == piece);
    }
}

#[test]
fn the_end_of_either_side_ends_the_other_and_is_logged() {
    let origin = Origin::script(echo);
    let proxy = Proxy::to(&origin);
    let mut client = switched(&proxy);
    assert_eq!(client.send("ping").bytes(4), b"ping");
    drop(client);
    origin.wait_ended(1);
    let record = proxy.record_of("/socket");
    assert_eq!((record["status"].as_u64(), record["upgraded"].as_bool()), (Some(101), Some(true)), "{record}");
    assert!(record["bytes_in"].as_u64() >= Some(4) && record["bytes_out"].as_u64() >= Some(4), "{record}");

    let origin = Origin::script(|visit| {
        visit.request()?;
        visit.write(format!("{SWITCHING}bye"))
    });
    let proxy = Proxy::to(&origin);
    let mut client = switched(&proxy);
    assert_eq!(client.bytes(3), b"bye");
    client.end();
}

#[test]
fn a_half_that_is_closed_leaves_the_other_open() {
    let origin = Origin::script(|visit| {
        visit.request()?;
        visit.write(SWITCHING)?;
        assert!(visit.drain().is_err());
        visit.write("after the end")
    });
    let proxy = Proxy::to(&origin);
    let mut client = switched(&proxy);
    client.finish_sending();
    assert_eq!(client.bytes(13), b"after the end");
    client.end();
}

#[test]
fn tunnels_over_the_limit_get_503() {
    let origin = Origin::script(echo);
    let proxy = Run::to(&origin).conf("limits { tunnels: 1 }").start();
    let mut first = switched(&proxy);
    Client::https(&proxy).send(HANDSHAKE).answer().assert_fault(503, "proxy; overloaded");
    assert_eq!(first.send("ping").bytes(4), b"ping");
    drop(first);
    origin.wait_ended(1);
    proxy.record_of("/socket");
}

#[test]
fn http2_does_not_offer_what_it_does_not_do() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut frames = FrameClient::connect(&proxy);
    let settings = frames.wait("the settings", |frame| frame.kind == kind::SETTINGS && frame.flags == 0);
    let ids = settings.payload.chunks(6).map(|entry| u16::from_be_bytes([entry[0], entry[1]])).collect::<Vec<_>>();
    assert!(!ids.contains(&8), "no extended CONNECT: {ids:?}");
}
