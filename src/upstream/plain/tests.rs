//! A fresh socket and the kernel at the other end.

use super::super::connection::Connection;
use super::super::exchange::ExchangeError;
use super::super::outbound::{Framing, Outbound};
use super::super::stream::{Stream, Writer};
use super::*;
use crate::runtime::{Begun, begin_connect, listen};
use bytes::Bytes;
use http_body_util::{Empty, Full};
use socket2::SockRef;
use std::future::poll_fn;
use std::io::Read;
use std::task::Waker;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

impl Plain {
    /// Whether the executor does not know it.
    pub(in super::super) const fn is_fresh(&self) -> bool {
        matches!(self.socket, Socket::Fresh(_))
    }
}

/// A connected socket, whether or not the kernel was done with it at once.
pub(in super::super) fn there(begun: Begun) -> net::TcpStream {
    let (Begun::Made(socket) | Begun::UnderWay(socket)) = begun;
    while socket.peer_addr().is_err() {
        assert!(socket.take_error().unwrap().is_none(), "refused");
        std::thread::yield_now();
    }
    socket
}

/// A fresh socket, and its other end, which blocks.
fn pair() -> (net::TcpStream, net::TcpStream) {
    let listener = listen(([127, 0, 0, 1], 0).into(), Duration::from_secs(60)).unwrap();
    listener.set_nonblocking(false).unwrap();
    let near = there(begin_connect(listener.local_addr().unwrap()).unwrap());
    let far = listener.accept().unwrap().0;
    far.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    (near, far)
}

fn write(io: &mut Plain, bytes: &[u8]) -> Poll<io::Result<usize>> {
    Pin::new(io).poll_write(&mut Context::from_waker(Waker::noop()), bytes)
}

/// Whether it sends at once.
fn at_once(io: &Plain) -> bool {
    match &io.socket {
        Socket::Fresh(io) => io.as_ref().unwrap().nodelay().unwrap(),
        Socket::Registered(io) => io.nodelay().unwrap(),
    }
}

fn received(far: &mut net::TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    far.read_exact(&mut bytes).unwrap();
    bytes
}

/// All that comes until the other end closes.
#[allow(clippy::disallowed_methods, reason = "the other end must go on while this end waits")]
fn read_to_end(mut far: net::TcpStream) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut all = Vec::new();
        far.read_to_end(&mut all).unwrap();
        all
    })
}

/// Bytes whose place shows.
fn numbered(count: usize) -> Vec<u8> {
    (0..count).map(|place| u8::try_from(place % 251).unwrap()).collect()
}

/// Fills the socket below `io`; what it took.
fn filled(mut io: &net::TcpStream) -> Vec<u8> {
    SockRef::from(io).set_send_buffer_size(16 * 1024).unwrap();
    let mut all = Vec::new();
    // The other end takes in some on its own, and says so while this goes on.
    while let Ok(count) = io.write(&[b'-'; 4_096]) {
        all.resize(all.len() + count, b'-');
    }
    all
}

/// Waits until the kernel knows that the other end reset the connection.
fn wait_for_reset(io: &net::TcpStream) {
    while io.peer_addr().is_ok() {
        std::thread::yield_now();
    }
}

#[test]
fn a_first_write_needs_no_executor_and_no_option() {
    let (near, mut far) = pair();
    let mut io = Plain::fresh(near);
    // There is no executor here that could be asked.
    assert!(matches!(write(&mut io, b"hello"), Poll::Ready(Ok(5))));
    assert_eq!(received(&mut far, 5), b"hello");
    assert!(io.is_fresh() && !at_once(&io));
}

#[tokio::test]
async fn every_write_but_a_short_first_one_is_sent_at_once() {
    let (near, mut far) = pair();
    let mut io = Plain::fresh(near);
    io.write_all(b"one").await.unwrap();
    assert!(!at_once(&io));
    io.write_all(b"two").await.unwrap();
    assert!(at_once(&io) && !io.is_fresh());
    assert_eq!(received(&mut far, 6), b"onetwo");

    let (near, far) = pair();
    let (mut io, reading) = (Plain::fresh(near), read_to_end(far));
    assert!(matches!(write(&mut io, &[1; WHOLE_MAX + 1]), Poll::Ready(Ok(1..))));
    assert!(at_once(&io) && io.is_fresh());
    drop(io);
    assert!(!reading.join().unwrap().is_empty());

    // One that had to wait for its connection, and was read from before the second write.
    let (near, mut far) = pair();
    let mut io = Plain::registered(TcpStream::from_std(near).unwrap());
    io.write_all(b"one").await.unwrap();
    far.write_all(b"?").unwrap();
    assert!(!at_once(&io) && io.read_u8().await.unwrap() == b'?');
    let slices = [IoSlice::new(b"t"), IoSlice::new(b"wo")];
    assert_eq!(poll_fn(|cx| Pin::new(&mut io).poll_write_vectored(cx, &slices)).await.unwrap(), 3);
    assert!(at_once(&io));
    assert_eq!(received(&mut far, 6), b"onetwo");
}

#[tokio::test]
async fn what_is_parted_or_handed_on_sends_at_once() {
    for fresh in [true, false] {
        let one = || {
            let (near, far) = pair();
            (if fresh { Plain::fresh(near) } else { Plain::registered(TcpStream::from_std(near).unwrap()) }, far)
        };
        let (io, _far) = one();
        assert!(io.into_known().unwrap().nodelay().unwrap());
        let (mut io, _far) = one();
        io.write_all(b"head").await.unwrap();
        let (_reader, writer) = Stream::Plain(io).split().unwrap();
        let Writer::Plain(writer) = writer else { panic!("no TLS here") };
        assert!(writer.as_ref().nodelay().unwrap());
    }
}

#[tokio::test]
async fn a_write_that_is_taken_in_part_goes_on_without_a_byte_lost_or_repeated() {
    let (near, far) = pair();
    SockRef::from(&near).set_send_buffer_size(16 * 1024).unwrap();
    let (mut io, body) = (Plain::fresh(near), numbered(8 << 20));
    let Poll::Ready(Ok(first)) = write(&mut io, &body) else { panic!("an empty buffer takes something") };
    assert!(0 < first && first < body.len(), "{first}");
    let reading = read_to_end(far);
    io.write_all(&body[first..]).await.unwrap();
    assert!(!io.is_fresh());
    drop(io);
    assert!(reading.join().unwrap() == body);
}

/// Whether the first write found no room; the other end may just have made some.
async fn waits_for_room_and_is_sent_once() -> bool {
    let (near, far) = pair();
    let (before, body) = (filled(&near), numbered(1_000));
    let whole = [&before[..], b"HEAD\r\n\r\n", &body].concat();
    let mut outbound = Outbound::new(b"HEAD\r\n\r\n".to_vec(), Full::new(Bytes::from(body)), Framing::Length(1_000));
    let mut io = Plain::fresh(near);
    let polled = outbound.poll_write(&mut Context::from_waker(Waker::noop()), &mut io);
    let waits = polled.is_pending() && !outbound.begun();
    let reading = read_to_end(far);
    assert!(poll_fn(|cx| outbound.poll_write(cx, &mut io)).await.is_ok() && outbound.sent());
    drop(io);
    assert!(reading.join().unwrap() == whole);
    waits
}

#[tokio::test]
async fn a_first_write_that_finds_no_room_waits_and_is_sent_once() {
    for _ in 0..100 {
        if waits_for_room_and_is_sent_once().await {
            return;
        }
    }
    panic!("there was always room");
}

#[tokio::test]
async fn a_request_to_a_target_that_reset_the_connection_is_unsent() {
    let (near, far) = pair();
    SockRef::from(&far).set_linger(Some(Duration::ZERO)).unwrap();
    drop(far);
    wait_for_reset(&near);
    let mut outbound = Outbound::new(b"HEAD\r\n\r\n".to_vec(), Empty::<Bytes>::new(), Framing::Length(0));
    let connection = Connection::new(Stream::Plain(Plain::fresh(near)), 0, 64 * 1024);
    let result = connection.exchange(&mut outbound, false).await;
    assert!(matches!(result, Err(ExchangeError::Unsent)), "{result:?}");
    assert!(!outbound.begun() && outbound.sending(), "whole for the next");
}

#[tokio::test]
async fn a_request_whose_target_closed_after_the_first_byte_is_not_sent_again() {
    let (near, far) = pair();
    let connection = Connection::new(Stream::Plain(Plain::fresh(near)), 0, 64 * 1024);
    let mut outbound = Outbound::new(b"HEAD\r\n\r\n".to_vec(), Empty::<Bytes>::new(), Framing::Length(0));
    let mut exchange = std::pin::pin!(connection.exchange(&mut outbound, false));
    assert!(exchange.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(far);
    let result = exchange.await;
    assert!(matches!(result, Err(ExchangeError::Broken(_))), "{result:?}");
}

#[tokio::test]
async fn reading_registers_and_what_came_before_is_read() {
    let (near, mut far) = pair();
    let mut io = Plain::fresh(near);
    assert!(matches!(write(&mut io, b"?"), Poll::Ready(Ok(1))));
    far.write_all(&received(&mut far.try_clone().unwrap(), 1)).unwrap();
    far.write_all(b"!").unwrap();
    drop(far);
    let mut answer = String::new();
    io.read_to_string(&mut answer).await.unwrap();
    assert_eq!((answer.as_str(), io.is_fresh()), ("?!", false));
}

#[tokio::test]
async fn a_fresh_connection_is_quiet_until_its_target_closes() {
    let (near, far) = pair();
    let mut connection = Connection::new(Stream::Plain(Plain::fresh(near)), 0, 64 * 1024);
    assert!(connection.quiet());
    let mut closes = Box::pin(connection.closes());
    assert!(closes.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(far);
    assert!(closes.await);
    assert!(!connection.quiet());
}
