//! On streams in memory: what is left of an answer reaches a client that takes its time.

use super::Connections;
use crate::domain::settings::Settings;
use crate::runtime::{ClientLink, Deadline, Shutdown, Tasks};
use crate::telemetry::Metrics;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

/// More than the stream has room for, and less than the library takes at once.
const ANSWER: usize = 300_000;

const ASK: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn connections() -> (Connections, Shutdown) {
    let mut settings = Settings::local(NonZeroUsize::MIN);
    settings.timeouts.keep_alive = Duration::from_millis(100);
    let (shutdown, watch) = Shutdown::new();
    let parts = Connections {
        limits: Arc::new(settings.limits),
        timeouts: Arc::new(settings.timeouts),
        park: settings.memory.park,
        metrics: Metrics::new(1).worker(0),
        tasks: Tasks::new(),
        shutdown: watch,
    };
    (parts, shutdown)
}

async fn large(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::new(Bytes::from(vec![b'x'; ANSWER]))))
}

/// Takes what comes with a pause of so many milliseconds before each piece; how many bytes it was.
async fn take_slowly(client: &mut DuplexStream, pause: u64) -> usize {
    let (mut piece, mut came) = (vec![0; 16 * 1024], 0);
    loop {
        tokio::time::sleep(Duration::from_millis(pause)).await;
        match client.read(&mut piece).await.unwrap() {
            0 => return came,
            count => came += count,
        }
    }
}

#[tokio::test]
async fn a_client_that_closed_its_sending_side_gets_its_answer_to_the_end() {
    let (parts, _shutdown) = connections();
    let (mut client, server) = duplex(16 * 1024);
    let serving = parts.serve(server, false, service_fn(large), ClientLink::new());
    let asking = async {
        client.write_all(ASK).await.unwrap();
        client.shutdown().await.unwrap();
        take_slowly(&mut client, 5).await
    };
    let ((), came) = tokio::join!(serving, asking);
    assert!(came > ANSWER, "{came}");
}

#[tokio::test]
async fn a_connection_that_is_asked_to_end_is_left_alone_until_its_answer_has_left() {
    let (parts, shutdown) = connections();
    let (mut client, server) = duplex(16 * 1024);
    let serving = parts.serve(server, false, service_fn(large), ClientLink::new());
    let asking = async {
        client.write_all(ASK).await.unwrap();
        let mut first = [0; 1024];
        client.read_exact(&mut first).await.unwrap();
        shutdown.drain(Deadline::after(Duration::from_secs(3_600)));
        // Longer than a connection that was asked to end is left alone.
        first.len() + take_slowly(&mut client, 350).await
    };
    let ((), came) = tokio::join!(serving, asking);
    assert!(came > ANSWER, "{came}");
}
