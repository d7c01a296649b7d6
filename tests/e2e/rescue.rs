//! Download rescue: a file goes on where its target broke off, or stays cut off.

use crate::support::*;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const LENGTH: usize = 300_000;

/// The first and the last place that a request asks for.
fn range(request: &Received) -> Option<(usize, usize)> {
    let range = request.head.fields.all("range").pop()?;
    let (first, last) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
    Some((first.parse().unwrap(), last.parse().unwrap()))
}

/// Answers a request for all or a part of `file`, of which `count` bytes are sent.
fn serve(visit: &mut Visit, request: &Received, file: &[u8], etag: &str, count: usize) -> io::Result<()> {
    let (first, last) = range(request).unwrap_or((0, file.len() - 1));
    let status = match range(request) {
        Some(_) => format!("206 Partial Content\r\nContent-Range: bytes {first}-{last}/{}", file.len()),
        None => String::from("200 OK"),
    };
    let length = last - first + 1;
    visit
        .write(format!("HTTP/1.1 {status}\r\nConnection: close\r\nETag: {etag}\r\nContent-Length: {length}\r\n\r\n"))?;
    visit.write(&file[first..first + count.min(length)])
}

/// A file server that breaks off after so many bytes, once for each of `pieces`, and then serves to the end.
fn breaking(pieces: &'static [usize]) -> (Origin, Vec<u8>) {
    let file = pattern(LENGTH);
    let served = file.clone();
    let count = AtomicUsize::new(0);
    let origin = Origin::script(move |visit| {
        let request = visit.request()?;
        let piece = pieces.get(count.fetch_add(1, Ordering::Relaxed)).copied();
        serve(visit, &request, &served, "\"v1\"", piece.unwrap_or(LENGTH))
    });
    (origin, file)
}

fn downloading(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {FILES}\r\nAuthorization: Bearer t\r\nIf-None-Match: \"v0\"\r\n\r\n")
}

#[test]
fn a_download_goes_on_after_each_break() {
    let (origin, file) = breaking(&[100_000, 1, 50_000, 0, 99_999]);
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    let answer = client.send(downloading("/models/a%20b.bin?download=1")).answer();
    assert_eq!((answer.status, answer.end), (200, End::Whole));
    assert!(answer.body == file, "{} bytes", answer.body.len());
    assert_eq!(answer.field("content-length"), LENGTH.to_string());
    let requests = origin.requests();
    let ranges = requests.iter().map(range).collect::<Vec<_>>();
    let starts = [100_000, 100_001, 150_001, 150_001, 250_000].map(|first| Some((first, LENGTH - 1)));
    assert_eq!(ranges[0], None);
    assert_eq!(ranges[1..], starts);
    for request in &requests {
        assert_eq!(request.asked(), "GET /models/a%20b.bin?download=1");
        assert_eq!((request.field("authorization").as_str(), request.field("host").as_str()), ("Bearer t", FILES));
    }
    for request in &requests[1..] {
        assert_eq!(request.field("if-range"), "\"v1\"");
        assert!(!request.has("if-none-match"));
    }
    // The client's connection is as good as before.
    assert!(client.send(downloading("/again")).answer().body == file);
    let record = proxy.record(&answer);
    assert_eq!((record["status"].as_u64(), record["fault"].as_str()), (Some(200), None), "{record}");
    assert_eq!(record["bytes_out"].as_u64(), Some(LENGTH as u64));
}

#[test]
fn a_download_over_http2_and_of_a_range_goes_on_too() {
    let (origin, file) = breaking(&[70_000]);
    let proxy = Proxy::to(&origin);
    let answer = Http2::connect(&proxy).send(empty("GET", FILES, "/a"));
    assert!(answer.body == file, "{} bytes", answer.body.len());
    let (origin, file) = breaking(&[1_000]);
    let proxy = Proxy::to(&origin);
    let ask = format!("GET /a HTTP/1.1\r\nHost: {FILES}\r\nRange: bytes=5000-9999\r\n\r\n");
    let answer = Client::https(&proxy).send(ask).answer();
    assert_eq!(answer.status, 206);
    assert!(answer.body == file[5_000..10_000], "{} bytes", answer.body.len());
    assert_eq!(range(&origin.requests()[1]), Some((6_000, 9_999)));
}

#[test]
fn a_file_server_that_restarts_in_the_middle_is_waited_for() {
    // It serves no rest while it goes down.
    let (origin, file) = (answering_rest(|_, _, _| Ok(())), pattern(LENGTH));
    let addr = origin.addr();
    let proxy = Run::to(&origin).conf("health { enabled: true }").start();
    let mut client = Client::https(&proxy);
    client.send(downloading("/restarts"));
    // The download and the question for its rest, among the probes of three services.
    let asked = |origin: &Origin| origin.requests().iter().filter(|it| it.asked() == "GET /restarts").count();
    (2..).find(|count| origin.wait_requests(*count).len() >= 2 && asked(&origin) >= 2);
    drop(origin);
    proxy.event("target is not well");
    let served = file.clone();
    let origin = Origin::on(Port::again(addr).listen(128), move |visit| {
        let request = visit.request()?;
        serve(visit, &request, &served, "\"v1\"", LENGTH)
    });
    let answer = client.answer();
    assert!(answer.body == file, "{} bytes", answer.body.len());
    let files = origin.requests().into_iter().filter(|request| request.asked() == "GET /restarts");
    assert_eq!(files.count(), 1);
}

/// A download whose rest may not be taken stays cut off; what the target saw.
fn cut_off(origin: &Origin, conf: &str, ask: &str) -> Vec<Received> {
    let proxy = Run::to(origin).conf(conf).start();
    for _ in 0..2 {
        let mut client = Client::https(&proxy);
        client.send(ask);
        let answer = client.any_answer("GET");
        assert_eq!((answer.status, answer.end), (200, End::Cut), "{ask}");
        assert!(answer.body.len() < LENGTH && !answer.body.is_empty());
        let record = proxy.record(&answer);
        assert_eq!(record["fault"], "truncated_answer", "{record}");
    }
    origin.requests()
}

fn answering_rest(rest: impl Fn(&mut Visit, &Received, &[u8]) -> io::Result<()> + Send + Sync + 'static) -> Origin {
    let file = pattern(LENGTH);
    Origin::script(move |visit| {
        let request = visit.request()?;
        match range(&request) {
            None => serve(visit, &request, &file, "\"v1\"", 100_000),
            Some(_) => rest(visit, &request, &file),
        }
    })
}

#[test]
fn another_version_never_takes_the_place_of_the_rest() {
    let ask = downloading("/changed");
    let changed = answering_rest(|visit, request, file| serve(visit, request, file, "\"v2\"", LENGTH));
    assert_eq!(cut_off(&changed, "", &ask).len(), 4);
    let whole = answering_rest(|visit, request, file| {
        let all = Received { head: request.head.clone(), body: Vec::new(), trailers: Fields::default() };
        let mut all = all;
        all.head.fields.0.retain(|(name, _)| !name.eq_ignore_ascii_case("range"));
        serve(visit, &all, file, "\"v1\"", LENGTH)
    });
    assert_eq!(cut_off(&whole, "", &ask).len(), 4);
    let gone = answering_rest(|visit, _, _| visit.write("HTTP/1.1 404 Gone\r\nContent-Length: 0\r\n\r\n"));
    assert_eq!(cut_off(&gone, "", &ask).len(), 4);
    let elsewhere = answering_rest(|visit, _, _| {
        visit.write(format!(
            "HTTP/1.1 206 Partial Content\r\nETag: \"v1\"\r\nContent-Range: bytes 0-9/{LENGTH}\r\n\
             Content-Length: 10\r\n\r\n0123456789"
        ))
    });
    assert_eq!(cut_off(&elsewhere, "", &ask).len(), 4);
}

#[test]
fn what_is_no_download_with_a_strong_validator_is_asked_once() {
    let always = |etag: &'static str| {
        let file = pattern(LENGTH);
        Origin::script(move |visit| {
            let request = visit.request()?;
            serve(visit, &request, &file, etag, 100_000)
        })
    };
    let of = |host: &str, path: &str| format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    for (etag, conf, ask) in [
        ("W/\"v1\"", "", of(FILES, "/weak")),
        ("\"v1\"", "rescue_downloads: false", of(FILES, "/off")),
        ("\"v1\"", "", of(API, "/v2.23/queues.get_next_task")),
        ("\"v1\"", "", format!("POST /a HTTP/1.1\r\nHost: {FILES}\r\nContent-Length: 2\r\n\r\n{{}}")),
        ("\"v1\"", "", format!("GET /a HTTP/1.1\r\nHost: {FILES}\r\nContent-Length: 2\r\n\r\n{{}}")),
    ] {
        let origin = always(etag);
        assert_eq!(cut_off(&origin, conf, &ask).len(), 2, "{ask}");
    }
}

#[test]
fn a_target_that_breaks_off_for_ever_is_given_up() {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let file = pattern(LENGTH);
    let origin = Origin::script(move |visit| {
        let request = visit.request()?;
        counted.fetch_add(1, Ordering::Relaxed);
        serve(visit, &request, &file, "\"v1\"", 100)
    });
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    client.send(downloading("/for-ever"));
    let answer = client.any_answer("GET");
    assert_eq!(answer.end, End::Cut);
    assert_eq!((count.load(Ordering::Relaxed), answer.body.len()), (17, 1_700));
    assert!(answer.body == pattern(LENGTH)[..1_700]);
}

#[test]
fn a_client_that_leaves_ends_the_search_for_the_rest() {
    // The rest never comes: whoever asks for it is closed.
    let origin = answering_rest(|_, _, _| Ok(()));
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    client.send(downloading("/left"));
    client.bytes(100);
    origin.wait_requests(2);
    client.reset();
    let record = proxy.record_of("/left");
    assert_eq!(record["fault"], "client_gone", "{record}");
}
