//! Inquiry: a short question of the proxy's own to a service, and the whole answer.
//!
//! Owns: one connection for each, tried again until the deadline while nobody accepts, and never once a byte was sent.
//! Leaves: what is asked and what an answer means to the caller.
//! Limits: `ANSWER_MAX`, and the caller's deadline.

use super::answering::Answering;
use super::connect::{ConnectError, Connector};
use super::exchange::{ExchangeError, Exchanged};
use super::group::{Group, Reach};
use super::outbound::{Framing, Outbound};
use crate::domain::balance::Places;
use crate::runtime::Deadline;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, response};
use http_body_util::Full;
use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::net::IpAddr;
use std::time::Duration;

/// Bytes of an answer's body; ClearML's to such questions have about one thousand.
const ANSWER_MAX: usize = 1 << 20;

/// Between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(100);

/// A question: a GET, as ClearML's SDK asks.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Path and query.
    pub path: &'a str,
    /// The value of `Authorization`; it must be a valid field value.
    pub authorization: &'a str,
    /// A JSON body; may be empty.
    pub body: &'a str,
    /// On whose behalf, for the service's log.
    pub client: Option<IpAddr>,
}

/// A whole answer.
#[derive(Debug)]
pub struct Told {
    /// Its status.
    pub status: StatusCode,
    /// Its fields.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum InquiryError {
    /// No target accepts.
    Unreachable(ConnectError),
    /// The target broke off, or its answer is none.
    Broken(String),
    /// The deadline passed.
    Late,
}

impl fmt::Display for InquiryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(error) => error.fmt(f),
            Self::Broken(what) => f.write_str(what),
            Self::Late => f.write_str("no answer in time"),
        }
    }
}

impl Error for InquiryError {}

/// Asks a target of `group`.
///
/// # Errors
/// `InquiryError`; the service may have done what was asked, where it is not `Unreachable`.
///
/// # Cancel safety
/// Dropping the future closes the connection.
pub async fn inquire(
    connector: &Connector,
    group: &Group,
    question: Question<'_>,
    deadline: Deadline,
) -> Result<Told, InquiryError> {
    deadline.bound(ask(connector, group, question, deadline)).await.unwrap_or(Err(InquiryError::Late))
}

async fn ask(
    connector: &Connector,
    group: &Group,
    question: Question<'_>,
    deadline: Deadline,
) -> Result<Told, InquiryError> {
    let mut tried = Places::NONE;
    let mut last = None;
    loop {
        let lease = group.lease(tried, Reach::Believed).or_else(|| group.lease(tried, Reach::Anyone));
        let Some(lease) = lease else {
            // All were tried, or there is none that may be.
            if deadline.left() <= PAUSE {
                return Err(InquiryError::Unreachable(last.unwrap_or(ConnectError::Deadline)));
            }
            tried = Places::NONE;
            Deadline::after(PAUSE).wait().await;
            continue;
        };
        tried = tried.with(lease.place());
        let target = lease.target();
        match connector.connect(target, deadline).await {
            Ok(connection) => {
                let mut outbound = question.outbound(&target.addr().authority());
                match connection.exchange(&mut outbound, false).await {
                    Ok(Exchanged { head, answering, .. }) => return whole(head, answering).await,
                    // Closed before it took a byte.
                    Err(ExchangeError::Unsent) => {}
                    Err(error) => return Err(broken(format!("{error:?}"))),
                }
            }
            Err(error) => last = Some(error),
        }
    }
}

async fn whole(head: response::Parts, mut answering: Answering) -> Result<Told, InquiryError> {
    let mut body = Vec::new();
    while let Some(frame) = poll_fn(|cx| answering.poll_frame(cx)).await {
        let frame = frame.map_err(|error| broken(error.to_string()))?;
        body.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        if body.len() > ANSWER_MAX {
            return Err(broken("the answer is too long"));
        }
    }
    Ok(Told { status: head.status, headers: head.headers, body: body.into() })
}

fn broken(what: impl Into<String>) -> InquiryError {
    InquiryError::Broken(what.into())
}

impl Question<'_> {
    /// As it is written; the service closes behind its answer.
    fn outbound(self, host: &str) -> Outbound<Full<Bytes>> {
        let Question { path, authorization, body, client } = self;
        let mut head = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {authorization}\r\nAccept: application/json\r\n\
             User-Agent: clearway\r\nConnection: close\r\n"
        );
        if let Some(client) = client {
            head.push_str(&format!("X-Forwarded-For: {client}\r\nX-Real-IP: {client}\r\n"));
        }
        if !body.is_empty() {
            head.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let framing = Framing::Length(body.len() as u64);
        Outbound::new(head.into_bytes(), Full::new(Bytes::copy_from_slice(body.as_bytes())), framing)
    }
}
