//! The TLS handshake, under a deadline; and plain HTTP on the same port: the commonest typo, or a legacy port.

use super::acceptor::Acceptor;
use super::read_ahead::ReadAhead;
use crate::domain::facts::{ConnectionFacts, RuleId};
use crate::request::{handle, plain_on_tls};
use crate::runtime::{Deadline, now};
use crate::telemetry::{Counter, Pace, TlsFailure};
use crate::tls::{answers_challenge, describe_handshake_error, facts_of};
use hyper::service::service_fn;
use std::io;
use std::sync::Arc;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor};

/// The first byte of every TLS handshake record.
const HANDSHAKE_RECORD: u8 = 0x16;

/// What TLS seals ahead of a socket that takes less: one large read from a target goes out in one write.
const WRITE_BUFFER: usize = 256 * 1024;

/// Clients that do not trust a certificate come back ten times a second, each: one line a second is enough.
static PACE: Pace = Pace::every_second();

/// Serves one connection of the https listener or of a legacy port to its end.
///
/// Each phase has a box of its own, and so has the transport: a connection keeps no room for a phase that is over, and
/// what it keeps is moved as a pointer.
pub(super) async fn serve(acceptor: &Acceptor, stream: ReadAhead, mut facts: ConnectionFacts) {
    let Some(opened) = Box::pin(open(acceptor, stream, &mut facts)).await else { return };
    let legacy = facts.listener.is_legacy();
    let scope = acceptor.scope(facts);
    let link = scope.link().clone();
    let connections = &acceptor.connections;
    match opened {
        Opened::Tls { stream, http2 } => {
            // In a box: the library moves a request's future several times, and this one is large.
            let service = service_fn(move |request| Box::pin(handle(Arc::clone(&scope), request)));
            Box::pin(connections.serve(stream, http2, service, link)).await;
        }
        Opened::Plain(stream) if legacy => {
            let service = service_fn(move |request| handle(Arc::clone(&scope), request));
            Box::pin(connections.serve(stream, false, service, link)).await;
        }
        Opened::Plain(stream) => {
            let service = service_fn(move |request| plain_on_tls(Arc::clone(&scope), request));
            Box::pin(connections.serve(stream, false, service, link)).await;
        }
    }
}

/// What the first bytes made of a connection.
enum Opened {
    Tls {
        stream: Box<TlsStream<ReadAhead>>,
        http2: bool,
    },
    /// Plain HTTP, on a legacy port or on the wrong one.
    Plain(Box<ReadAhead>),
}

/// Looks at the first byte and shakes hands. `None` where that failed, which is said and counted.
async fn open(acceptor: &Acceptor, mut stream: ReadAhead, facts: &mut ConnectionFacts) -> Option<Opened> {
    let deadline = Deadline::after(acceptor.connections.timeouts.handshake);
    match deadline.bound(stream.first_byte()).await {
        Some(Ok(Some(HANDSHAKE_RECORD))) => {}
        Some(Ok(Some(byte))) if byte.is_ascii_alphabetic() => {
            if !facts.listener.is_legacy() {
                acceptor.connections.metrics.tls_failed(TlsFailure::PlainHttp);
            }
            return Some(Opened::Plain(Box::new(stream)));
        }
        Some(Ok(None)) => {
            acceptor.connections.metrics.tls_failed(TlsFailure::Eof);
            return None;
        }
        Some(Ok(_)) => {
            return failed(acceptor, facts, TlsFailure::NotTls, "the first byte is neither TLS nor HTTP", None);
        }
        Some(Err(error)) => {
            return failed(acceptor, facts, TlsFailure::Transport, "the connection broke", Some(&error));
        }
        None => return timed_out(acceptor, facts),
    }
    let _leave = acceptor.handshakes.admit(&acceptor.worker, &acceptor.connections, facts.peer).await?;
    let deadline = Deadline::after(acceptor.connections.timeouts.handshake);
    match deadline.bound(shake(acceptor, stream)).await {
        Some(Ok((stream, _))) if answers_challenge(stream.get_ref().1) => {
            tracing::info!(peer = %facts.peer, "a certificate authority looked at a challenge");
            None
        }
        Some(Ok((mut stream, asked))) => {
            stream.get_mut().1.set_buffer_limit(Some(WRITE_BUFFER));
            let http2 = secured(acceptor, &stream, asked, facts);
            Some(Opened::Tls { stream: Box::new(stream), http2 })
        }
        Some(Err(error)) => {
            let failure = describe_handshake_error(&error);
            failing(acceptor, facts, failure.reason);
            failed(acceptor, facts, failure.reason, failure.hint, Some(&error))
        }
        None => {
            failing(acceptor, facts, TlsFailure::Timeout);
            timed_out(acceptor, facts)
        }
    }
}

/// Shakes hands; says by which rule the client was asked for a certificate.
async fn shake(acceptor: &Acceptor, stream: ReadAhead) -> io::Result<(TlsStream<ReadAhead>, Option<RuleId>)> {
    if !acceptor.tls.asks_clients() {
        return TlsAcceptor::from(acceptor.tls.config()).accept(stream).await.map(|stream| (stream, None));
    }
    let start = LazyConfigAcceptor::new(Default::default(), stream).await?;
    let (config, asked) = acceptor.tls.choose(&start.client_hello());
    start.into_stream(config).await.map(|stream| (stream, asked))
}

/// Notes what the handshake settled; whether HTTP/2 is spoken.
fn secured(
    acceptor: &Acceptor,
    stream: &TlsStream<ReadAhead>,
    asked: Option<RuleId>,
    facts: &mut ConnectionFacts,
) -> bool {
    let tls = facts_of(stream.get_ref().1, asked);
    acceptor.connections.metrics.tls_completed(tls.version, tls.resumed);
    let http2 = tls.http2;
    facts.tls = Some(tls);
    http2
}

/// Notes a failure against the client's address.
fn failing(acceptor: &Acceptor, facts: &ConnectionFacts, reason: TlsFailure) {
    acceptor.handshakes.failed(&acceptor.worker, &acceptor.connections, facts.peer, reason);
}

fn timed_out(acceptor: &Acceptor, facts: &ConnectionFacts) -> Option<Opened> {
    acceptor.connections.metrics.add(Counter::HandshakeTimeouts, 1);
    failed(acceptor, facts, TlsFailure::Timeout, "the client did not complete the handshake in time", None)
}

fn failed(
    acceptor: &Acceptor,
    facts: &ConnectionFacts,
    reason: TlsFailure,
    hint: &str,
    error: Option<&io::Error>,
) -> Option<Opened> {
    acceptor.connections.metrics.tls_failed(reason);
    if let Some(suppressed) = PACE.allow(now()) {
        let error = error.map(tracing::field::display);
        tracing::info!(peer = %facts.peer, reason = reason.as_str(), hint, error, suppressed, "TLS handshake failed");
    }
    None
}
