//! On streams in memory: where a client's bytes are cut, and when they come, changes nothing of what it gets.

use super::super::Connections;
use crate::domain::settings::Settings;
use crate::runtime::{ClientLink, Deadline, Shutdown, Tasks};
use crate::telemetry::{Counter, Metrics};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use proptest::prelude::*;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

const PARK: Duration = Duration::from_millis(4);

fn connections(metrics: &Metrics) -> (Connections, Shutdown) {
    let settings = Settings::local(NonZeroUsize::MIN);
    let (shutdown, watch) = Shutdown::new();
    let parts = Connections {
        limits: Arc::new(settings.limits),
        timeouts: Arc::new(settings.timeouts),
        park: PARK,
        metrics: metrics.worker(0),
        tasks: Tasks::new(),
        shutdown: watch,
    };
    (parts, shutdown)
}

/// Says what it was asked, and keeps the time out of its answer.
async fn echo(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| String::from_utf8_lossy(&body.to_bytes()).into_owned());
    let text = format!("{} {} {}", head.method, head.uri, body.unwrap_or_else(|error| error.to_string()));
    Ok(Response::builder().header("date", "-").body(Full::new(Bytes::from(text))).unwrap())
}

fn answer(asked: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ndate: -\r\ncontent-length: {}\r\n\r\n{asked}", asked.len())
}

/// Sends `pieces`, each after its pause, then closes; what came back.
async fn talk(parts: &Connections, pieces: &[(Vec<u8>, Duration)]) -> String {
    let (mut client, server) = duplex(1 << 20);
    let serving = parts.serve(server, false, service_fn(echo), ClientLink::new());
    let talking = async {
        for (piece, pause) in pieces {
            tokio::time::sleep(*pause).await;
            client.write_all(piece).await.unwrap();
        }
        client.shutdown().await.unwrap();
        let mut got = String::new();
        client.read_to_string(&mut got).await.unwrap();
        got
    };
    tokio::join!(serving, talking).1
}

/// A request on the wire, and what it is answered.
fn request(number: usize, length: usize, chunked: bool) -> (String, String) {
    let body = format!("GET /{number} HTTP/1.1\r\n\r\n").repeat(length).chars().take(length).collect::<String>();
    let mut text = format!("POST /{number} HTTP/1.1\r\nHost: a\r\n");
    match chunked {
        true => write!(text, "Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n").unwrap(),
        false => write!(text, "Content-Length: {length}\r\n\r\n{body}").unwrap(),
    }
    (text, answer(&format!("POST /{number} {body}")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn wherever_bytes_are_cut_and_whenever_they_come_the_answers_are_the_same(
        bodies in prop::collection::vec((1_usize..90, any::<bool>()), 1..5),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0_u64..10), 0..8),
    ) {
        let requests = bodies.iter().enumerate().map(|(number, (length, chunked))| request(number, *length, *chunked));
        let (sent, expected): (Vec<_>, Vec<_>) = requests.unzip();
        let (sent, expected) = (sent.concat().into_bytes(), expected.concat());
        let mut cuts = cuts.iter().map(|(at, pause)| (at.index(sent.len()), *pause)).collect::<Vec<_>>();
        cuts.sort_unstable();
        let mut pieces = vec![(sent.as_slice(), 0)];
        for (at, pause) in cuts {
            let (rest, before) = pieces.pop().unwrap();
            let (left, right) = rest.split_at(at - (sent.len() - rest.len()));
            pieces.extend([(left, before), (right, pause)]);
        }
        let pieces = pieces.iter().map(|(piece, pause)| (piece.to_vec(), Duration::from_millis(*pause))).collect::<Vec<_>>();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let metrics = Metrics::new(1);
        let (parts, _shutdown) = connections(&metrics);
        prop_assert_eq!(runtime.block_on(talk(&parts, &pieces)), expected);
    }
}

#[tokio::test]
async fn it_parks_between_requests_and_only_there() {
    let metrics = Metrics::new(1);
    let (parts, _shutdown) = connections(&metrics);
    let (text, expected) = request(0, 20, false);
    let (head, rest) = text.split_at(30);
    let pieces = [
        (text.clone().into_bytes(), Duration::ZERO),
        // Parked before and behind this one, not inside it.
        (head.as_bytes().to_vec(), PARK * 20),
        (rest.as_bytes().to_vec(), PARK * 20),
        (Vec::new(), PARK * 20),
    ];
    assert_eq!(talk(&parts, &pieces).await, expected.repeat(2));
    assert_eq!(metrics.total(Counter::ConnectionsParked), 2);
    assert_eq!(metrics.total(Counter::KeepAliveTimeouts), 0);
}

#[tokio::test]
async fn a_stop_ends_a_parked_connection_and_serves_a_request_that_was_there_before_it() {
    for sends in [false, true] {
        let metrics = Metrics::new(1);
        let (parts, shutdown) = connections(&metrics);
        let (mut client, server) = duplex(1 << 20);
        let serving = parts.serve(server, false, service_fn(echo), ClientLink::new());
        let (text, expected) = request(0, 20, false);
        let talking = async {
            client.write_all(text.as_bytes()).await.unwrap();
            while metrics.total(Counter::ConnectionsParked) == 0 {
                tokio::time::sleep(PARK).await;
            }
            if sends {
                client.write_all(text.as_bytes()).await.unwrap();
            }
            shutdown.drain(Deadline::after(Duration::from_secs(60)));
            let mut got = String::new();
            client.read_to_string(&mut got).await.unwrap();
            got
        };
        let got = tokio::join!(serving, talking).1;
        assert_eq!(got.replace("connection: close\r\n", ""), expected.repeat(1 + usize::from(sends)));
    }
}
