use super::*;
use crate::domain::addr::TargetHost;
use crate::domain::names::HostName;
use crate::tls::{Forger, example_pair, name_of};
use std::task::Waker;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream as Client;

/// A client and the stream that serves it, after the handshake.
async fn pair() -> (Client<TcpStream>, TlsStream) {
    let listener = crate::runtime::listen(([127, 0, 0, 1], 0).into(), std::time::Duration::from_secs(60)).unwrap();
    let listener = TcpListener::from_std(listener).unwrap();
    let socket = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    socket.set_nonblocking(true).unwrap();
    let socket = TcpStream::from_std(socket).unwrap();
    let (accepted, _) = listener.accept().await.unwrap();
    let (tls, config) = example_pair();
    let host = TargetHost::Name(HostName::parse("app.example.com").unwrap());
    let connecting = TlsConnector::from(config).connect(name_of(&host).unwrap(), socket);
    let (client, stream) = tokio::join!(connecting, TlsStream::accept(Peeked::new(accepted), &tls));
    (client.unwrap(), stream.unwrap())
}

fn pattern(length: usize) -> Vec<u8> {
    (0_u32..).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).take(length).collect()
}

/// Bytes that `stream` has room for: records, opened, unsent.
fn kept(stream: &TlsStream) -> [usize; 3] {
    [stream.records.capacity(), stream.opened.capacity(), stream.unsent.capacity()]
}

fn poll_read(stream: &mut TlsStream, piece: &mut [u8]) -> Poll<Result<()>> {
    Pin::new(stream).poll_read(&mut Context::from_waker(Waker::noop()), &mut ReadBuf::new(piece))
}

#[tokio::test]
async fn every_byte_comes_once_and_in_order_whatever_the_sizes() {
    let (mut client, mut stream) = pair().await;
    let bytes = pattern(900_000);
    for size in [1_000, 4_096, 16_384, 100_000] {
        let upload = async {
            for piece in bytes.chunks(7_777) {
                client.write_all(piece).await.unwrap();
            }
            client.flush().await.unwrap();
        };
        let reading = async {
            let (mut got, mut piece) = (Vec::new(), vec![0; size]);
            while got.len() < bytes.len() {
                let count = stream.read(&mut piece).await.unwrap();
                got.extend_from_slice(&piece[..count]);
            }
            got
        };
        let ((), got) = tokio::join!(upload, reading);
        assert!(got == bytes, "{size}");
        assert!(poll_read(&mut stream, &mut [0; 10]).is_pending());
        assert_eq!(kept(&stream), [0; 3], "a stream that waits keeps no buffer");
    }
}

#[tokio::test]
async fn what_a_slow_client_does_not_take_is_kept_and_sent_once() {
    let (mut client, mut stream) = pair().await;
    let bytes = pattern(20_000_000);
    let mut sent = 0;
    // Nobody reads: at some point the socket takes no more, and no more is sealed.
    poll_fn(|cx| {
        while let Poll::Ready(count) = Pin::new(&mut stream).poll_write(cx, &bytes[sent..]) {
            sent += count.unwrap();
        }
        Poll::Ready(())
    })
    .await;
    assert!(sent < bytes.len() && stream.unsent.len() <= 270_000, "{sent} {}", stream.unsent.len());
    let writing = async {
        stream.write_all(&bytes[sent..]).await.unwrap();
        stream.flush().await.unwrap();
        assert_eq!(stream.unsent.capacity(), 0);
        stream.shutdown().await.unwrap();
    };
    let mut got = Vec::new();
    let ((), read) = tokio::join!(writing, client.read_to_end(&mut got));
    assert_eq!(read.unwrap(), bytes.len());
    assert!(got == bytes);
}

#[tokio::test]
async fn only_an_announced_end_is_one() {
    let (mut client, mut stream) = pair().await;
    client.write_all(b"last words").await.unwrap();
    client.shutdown().await.unwrap();
    let mut got = Vec::new();
    stream.read_to_end(&mut got).await.unwrap();
    assert_eq!(got, b"last words");
    stream.write_all(b"answer").await.unwrap();
    stream.shutdown().await.unwrap();
    got.clear();
    client.read_to_end(&mut got).await.unwrap();
    assert_eq!(got, b"answer");

    let (mut client, mut stream) = pair().await;
    client.get_mut().0.shutdown().await.unwrap();
    let error = stream.read(&mut [0; 10]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn an_end_that_is_seen_while_an_answer_is_sealed_is_told_behind_what_came_before_it() {
    let (mut client, mut stream) = pair().await;
    client.write_all(b"first").await.unwrap();
    client.write_all(b"second").await.unwrap();
    client.shutdown().await.unwrap();
    // All of it is read from the socket, and one record is opened.
    stream.read_exact(&mut [0; 2]).await.unwrap();
    assert!(!stream.records.is_empty());
    stream.write_all(b"answer").await.unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"rstsecond");
}

#[tokio::test]
async fn bytes_that_are_no_record_end_the_stream() {
    let (mut client, mut stream) = pair().await;
    client.get_mut().0.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    assert_eq!(stream.read(&mut [0; 10]).await.unwrap_err().kind(), ErrorKind::InvalidData);
    assert!(stream.write(b"answer").await.is_err());
    let told = client.read(&mut [0; 10]).await.unwrap_err().to_string();
    assert!(told.contains("alert"), "{told}");
}

/// What a client can send without ever saying anything: what the stream makes of it, and how much it kept.
async fn flood(record: impl Fn(&mut Forger, usize) -> Vec<u8>) -> (ErrorKind, usize) {
    let (client, mut stream) = pair().await;
    let (mut socket, client) = client.into_inner();
    let mut forger = Forger::of(client);
    let sending = async {
        for number in 0..2_000 {
            if socket.write_all(&record(&mut forger, number)).await.is_err() {
                return;
            }
        }
    };
    let reading = async {
        let mut most = 0;
        loop {
            let read = stream.read(&mut [0; 4096]).await;
            most = most.max(stream.records.capacity());
            if let Err(error) = read {
                drop(stream);
                return (error.kind(), most);
            }
        }
    };
    tokio::join!(sending, reading).1
}

#[tokio::test]
async fn a_client_that_never_says_anything_is_not_kept_for_ever() {
    const HANDSHAKE: u8 = 22;
    const DATA: u8 = 23;
    let fragments = flood(|forger, number| match number {
        0 => forger.record(HANDSHAKE, &[4, 0, 255, 255]),
        _ => forger.record(HANDSHAKE, &[0]),
    });
    let empty = flood(|forger, number| match number % 30 {
        0 => forger.record(DATA, b"x"),
        _ => forger.record(HANDSHAKE, b""),
    });
    for (kind, most) in [fragments.await, empty.await] {
        assert_eq!(kind, ErrorKind::InvalidData);
        assert!(most <= 4 * RECORDS_MAX, "{most}");
    }
}

#[tokio::test]
async fn what_came_before_a_broken_record_is_given() {
    let (mut client, mut stream) = pair().await;
    client.write_all(b"whole").await.unwrap();
    client.get_mut().0.write_all(&[23, 3, 3, 0, 20]).await.unwrap();
    client.get_mut().0.write_all(&[0; 20]).await.unwrap();
    let mut got = Vec::new();
    assert_eq!(stream.read_to_end(&mut got).await.unwrap_err().kind(), ErrorKind::InvalidData);
    assert_eq!(got, b"whole");
    assert_eq!(stream.read(&mut [0; 10]).await.unwrap_err().kind(), ErrorKind::NotConnected);
}

#[tokio::test]
async fn less_is_sealed_for_a_client_that_takes_little() {
    let (_client, mut stream) = pair().await;
    let bytes = pattern(20_000_000);
    let (mut sent, mut last) = (0, 0);
    poll_fn(|cx| {
        while let Poll::Ready(count) = Pin::new(&mut stream).poll_write(cx, &bytes[sent..]) {
            last = count.unwrap();
            sent += last;
        }
        Poll::Ready(())
    })
    .await;
    assert!(stream.slow && last <= SEALED_MAX && !stream.unsent.is_empty());
    // As if some of it had left.
    stream.unsent.clear();
    let sealed = poll_fn(|cx| Pin::new(&mut stream).poll_write(cx, &bytes[sent..])).await.unwrap();
    assert_eq!(sealed, SLOW_MAX);
}
