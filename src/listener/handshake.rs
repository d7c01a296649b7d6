//! The TLS handshake, under a deadline; and plain HTTP on the same port: the commonest typo, or a legacy port.

use super::acceptor::Acceptor;
use super::peeked::Peeked;
use super::speak::{Spoken, speak};
use super::tls_stream::TlsStream;
use crate::domain::facts::ConnectionFacts;
use crate::request::{handle, plain_on_tls};
use crate::runtime::{Deadline, now};
use crate::telemetry::{Counter, Pace, TlsFailure};
use crate::tls::describe_handshake_error;
use std::io;

/// The first byte of every TLS handshake record.
const HANDSHAKE_RECORD: u8 = 0x16;

/// Clients that do not trust a certificate come back ten times a second, each: one line a second is enough.
static PACE: Pace = Pace::every_second();

/// Looks at the first byte and shakes hands on a connection of the https listener or of a legacy port. `None` where that
/// failed, which is said and counted.
pub(super) async fn meet(acceptor: Acceptor, mut stream: Peeked, mut facts: ConnectionFacts) -> Option<Spoken> {
    let deadline = Deadline::after(acceptor.connections.timeouts.handshake);
    match deadline.bound(stream.first_byte()).await {
        Some(Ok(Some(HANDSHAKE_RECORD))) => {}
        Some(Ok(Some(byte))) if byte.is_ascii_alphabetic() => {
            if facts.listener.is_legacy() {
                return Some(speak(acceptor, stream, false, facts, handle));
            }
            acceptor.connections.metrics.tls_failed(TlsFailure::PlainHttp);
            return Some(speak(acceptor, stream, false, facts, plain_on_tls));
        }
        Some(Ok(None)) => {
            acceptor.connections.metrics.tls_failed(TlsFailure::Eof);
            return None;
        }
        Some(Ok(_)) => {
            return failed(&acceptor, &facts, TlsFailure::NotTls, "the first byte is neither TLS nor HTTP", None);
        }
        Some(Err(error)) => {
            return failed(&acceptor, &facts, TlsFailure::Transport, "the connection broke", Some(&error));
        }
        None => return timed_out(&acceptor, &facts),
    }
    let _leave = acceptor.handshakes.admit(&acceptor.worker, &acceptor.connections, facts.peer).await?;
    let deadline = Deadline::after(acceptor.connections.timeouts.handshake);
    match deadline.bound(TlsStream::accept(stream, &acceptor.tls)).await {
        Some(Ok(stream)) if stream.session().answers_challenge() => {
            tracing::info!(peer = %facts.peer, "a certificate authority looked at a challenge");
            None
        }
        Some(Ok(mut stream)) => {
            let tls = stream.session_mut().facts();
            acceptor.connections.metrics.tls_completed(tls.version, tls.resumed);
            let http2 = tls.http2;
            facts.tls = Some(tls);
            // In boxes: the stream and a request's future are large, and both libraries move them about.
            Some(speak(acceptor, Box::new(stream), http2, facts, |scope, request| Box::pin(handle(scope, request))))
        }
        Some(Err(error)) => {
            let failure = describe_handshake_error(&error);
            failing(&acceptor, &facts, failure.reason);
            failed(&acceptor, &facts, failure.reason, failure.hint, Some(&error))
        }
        None => {
            failing(&acceptor, &facts, TlsFailure::Timeout);
            timed_out(&acceptor, &facts)
        }
    }
}

/// Notes a failure against the client's address.
fn failing(acceptor: &Acceptor, facts: &ConnectionFacts, reason: TlsFailure) {
    acceptor.handshakes.failed(&acceptor.worker, &acceptor.connections, facts.peer, reason);
}

fn timed_out(acceptor: &Acceptor, facts: &ConnectionFacts) -> Option<Spoken> {
    acceptor.connections.metrics.add(Counter::HandshakeTimeouts, 1);
    failed(acceptor, facts, TlsFailure::Timeout, "the client did not complete the handshake in time", None)
}

fn failed(
    acceptor: &Acceptor,
    facts: &ConnectionFacts,
    reason: TlsFailure,
    hint: &str,
    error: Option<&io::Error>,
) -> Option<Spoken> {
    acceptor.connections.metrics.tls_failed(reason);
    if let Some(suppressed) = PACE.allow(now()) {
        let error = error.map(tracing::field::display);
        tracing::info!(peer = %facts.peer, reason = reason.as_str(), hint, error, suppressed, "TLS handshake failed");
    }
    None
}
