//! One attempt on one address, against the kernel.

use super::*;
use crate::telemetry::Metrics;
use socket2::{Domain, Socket, Type};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

const PATIENCE: Duration = Duration::from_secs(30);

fn connector(attempt: Duration) -> (Connector, Metrics) {
    let metrics = Metrics::new(1);
    (Connector::new(metrics.worker(0), attempt, 64 * 1024), metrics)
}

/// A listener that has room for very few connections; those behind them have to wait.
fn narrow() -> (Socket, SocketAddr) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let addr = listener.local_addr().unwrap().as_socket().unwrap();
    (listener, addr)
}

fn poll<T>(work: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
    work.poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn a_target_on_this_machine_is_reached_without_waiting() {
    let listener = crate::runtime::listen(([127, 0, 0, 1], 0).into(), PATIENCE).unwrap();
    let (connector, metrics) = connector(PATIENCE);
    let addr = listener.local_addr().unwrap();
    // Seldom, on a busy machine, the kernel puts its part off.
    let reached = (0..100).any(|_| {
        let attempt = pin!(connector.attempt(addr, Deadline::after(PATIENCE)));
        matches!(poll(attempt), Poll::Ready(Ok(stream)) if stream.is_fresh())
    });
    assert!(reached);
    assert_eq!(metrics.total(Counter::ConnectTimeouts), 0);
}

#[tokio::test]
async fn a_refusal_is_the_systems_error() {
    let listener = crate::runtime::listen(([127, 0, 0, 1], 0).into(), PATIENCE).unwrap();
    let addr = listener.local_addr().unwrap();
    drop(listener);
    let (connector, metrics) = connector(PATIENCE);
    let error = connector.attempt(addr, Deadline::after(PATIENCE)).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused, "{error}");
    assert_eq!(metrics.total(Counter::ConnectTimeouts), 0);
}

#[tokio::test]
async fn an_attempt_ends_with_its_time_and_is_counted() {
    let (_listener, addr) = narrow();
    let (connector, metrics) = connector(Duration::from_millis(50));
    let mut made = Vec::new();
    let error = loop {
        match connector.attempt(addr, Deadline::after(PATIENCE)).await {
            Ok(stream) => made.push(stream),
            Err(error) => break error,
        }
        assert!(made.len() < 10, "there is room for all");
    };
    assert_eq!((error.kind(), metrics.total(Counter::ConnectTimeouts)), (io::ErrorKind::TimedOut, 1));
}

#[tokio::test]
async fn a_connection_that_takes_time_is_waited_for() {
    let (listener, addr) = narrow();
    let (connector, metrics) = connector(PATIENCE);
    let mut made = Vec::new();
    let mut attempt = loop {
        let mut attempt = Box::pin(connector.attempt(addr, Deadline::after(PATIENCE)));
        match poll(attempt.as_mut()) {
            Poll::Ready(stream) => made.push(stream.unwrap()),
            Poll::Pending => break attempt,
        }
        assert!(made.len() < 10, "there is room for all");
    };
    // Now there is room; the kernel asks again after a second.
    listener.listen(64).unwrap();
    let stream = attempt.as_mut().await.unwrap();
    assert!(!stream.is_fresh());
    assert_eq!(stream.into_known().unwrap().peer_addr().unwrap(), addr);
    assert_eq!(metrics.total(Counter::ConnectTimeouts), 0);
}
