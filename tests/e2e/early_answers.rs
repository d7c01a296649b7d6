//! Answers that come before the request has been read: the client gets them whole.

use crate::support::*;

const REFUSAL: &str = "HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nConnection: close\r\n\
                       Content-Length: 12\r\n\r\n{\"no\": true}";
const SIZE: usize = 8 << 20;

/// Refuses after the head and closes with the body unread, as ClearML's file server does.
fn refusing() -> Origin {
    Origin::script(|visit| {
        visit.head()?;
        visit.write(REFUSAL)
    })
}

fn upload() -> String {
    format!("POST / HTTP/1.1\r\nHost: {FILES}\r\nContent-Length: {SIZE}\r\n\r\n")
}

#[test]
fn a_client_that_is_still_sending_gets_the_whole_refusal() {
    let origin = refusing();
    let proxy = Proxy::to(&origin);
    let body = pattern(SIZE);
    for round in 0..8 {
        let mut client = Client::https(&proxy);
        client.send(upload());
        // Like the SDK: everything is sent before the answer is looked at.
        let sent = client.try_send(&body);
        let answer = client.answer();
        assert_eq!((answer.status, answer.text().as_str()), (401, "{\"no\": true}"), "round {round}, {sent:?}");
    }
}

#[test]
fn a_chunked_upload_gets_the_whole_refusal() {
    let origin = refusing();
    let proxy = Proxy::to(&origin);
    let chunk = [b"10000\r\n".as_slice(), &pattern(0x10000), b"\r\n"].concat();
    let mut client = Client::https(&proxy);
    client.send(format!("POST / HTTP/1.1\r\nHost: {FILES}\r\nTransfer-Encoding: chunked\r\n\r\n"));
    for _ in 0..64 {
        if client.try_send(&chunk).is_err() {
            break;
        }
    }
    let _closed = client.try_send("0\r\n\r\n");
    assert_eq!(client.answer().text(), "{\"no\": true}");
}

#[test]
fn an_http2_upload_gets_the_whole_refusal() {
    let origin = refusing();
    let proxy = Proxy::to(&origin);
    for round in 0..8 {
        let answer = Http2::connect(&proxy).send(body_of("POST", FILES, "/", pattern(SIZE)));
        assert_eq!((answer.status, answer.text().as_str()), (401, "{\"no\": true}"), "round {round}");
    }
}

#[test]
fn an_early_answer_on_http2_leaves_other_streams_alone() {
    let api = Origin::ok();
    let files = refusing();
    let proxy = Run::at([api.addr(), api.addr(), files.addr()]).start();
    let http2 = Http2::connect(&proxy);
    let answers = http2.send_all(vec![
        body_of("POST", FILES, "/", pattern(SIZE)),
        empty("GET", API, "/one"),
        body_of("POST", FILES, "/", pattern(SIZE)),
        empty("GET", API, "/two"),
    ]);
    assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [401, 200, 401, 200]);
    assert_eq!(http2.send(empty("GET", API, "/after")).status, 200);
}

#[test]
fn a_reset_behind_the_refusal_does_not_lose_it() {
    let origin = Origin::script(|visit| {
        visit.head()?;
        visit.bytes(100_000)?;
        visit.write(REFUSAL)?;
        visit.finish_sending()?;
        visit.drain()
    });
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    client.send(upload());
    let _closed = client.try_send(pattern(SIZE));
    assert_eq!(client.answer().text(), "{\"no\": true}");
}

#[test]
fn a_413_with_a_long_body_arrives_whole() {
    let long = "x".repeat(300_000);
    let answer = format!("HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{long}", long.len());
    let origin = Origin::script(move |visit| {
        visit.head()?;
        visit.write(&answer)
    });
    let proxy = Proxy::to(&origin);
    // The target closes with our bytes unread, so its own kernel may reset what it has answered: what must not
    // happen is an answer that looks whole and is not, or one that is not the target's.
    let mut client = Client::https(&proxy);
    let _closed = client.try_send(upload());
    let answer = client.any_answer("POST");
    assert_eq!(answer.status, 413);
    assert!(answer.end == End::Cut || answer.body.len() == long.len());
}

#[test]
fn the_connection_is_closed_or_clean_behind_an_early_answer() {
    let origin = Origin::script(|visit| {
        let head = visit.head()?;
        visit.write(if head.line.starts_with("POST") { REFUSAL.to_owned() } else { ok("next") })
    });
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    client.send(upload());
    let _closed = client.try_send(pattern(SIZE));
    assert_eq!(client.answer().status, 401);
    let asked = format!("GET /next HTTP/1.1\r\nHost: {API}\r\nConnection: close\r\n\r\n");
    if client.try_send(asked).is_ok() {
        let rest = client.rest();
        assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 200"), "{}", rest.escape_ascii());
    }
}
