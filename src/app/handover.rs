//! Handover: what the process before hands to this one, and what this one says to it.
//!
//! The process before starts this one with one end of a socket as its standard input. One line of JSON comes first, then
//! the listening sockets it names, the very same ones: connections that wait in their queues are not lost.

use crate::admin::{MaintenanceOrder, TargetOrder};
use crate::domain::addr::ListenAddr;
use crate::runtime::{activated_sockets, receive_descriptor, send_descriptor};
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// The flag that makes a process look for one.
pub(super) const TAKE_OVER: &str = "--take-over";

/// How long either side waits for the other's next word, where it only has to say it.
const WORD_WAIT: Duration = Duration::from_secs(10);

/// Bytes of the first line; thousands of sockets have less.
const OFFER_MAX: usize = 1 << 20;

/// What is handed over, in words.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Offer {
    /// The configured address of each socket that follows.
    pub(super) sockets: Vec<String>,
    /// The name of each one's listener; fewer, or none, from a program that does not say them.
    #[serde(default)]
    pub(super) listeners: Vec<String>,
    pub(super) maintenance: Vec<MaintenanceOrder>,
    pub(super) drained: Vec<TargetOrder>,
}

/// A listening socket that was given to this process.
#[derive(Debug)]
pub struct GivenSocket {
    /// The name of the listener that it belonged to, where that is known.
    pub(super) listener: Option<String>,
    /// The address that it was asked for under.
    pub(super) bind: ListenAddr,
    pub(super) socket: TcpListener,
}

/// What the new process says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Report {
    /// It serves.
    Ready {
        /// Of its program.
        version: String,
    },
    /// It cannot.
    Failed(String),
    /// It has everything that the process before had.
    Done,
}

/// A hand-over, on the side of the new process.
#[derive(Debug)]
pub struct Handover {
    stream: UnixStream,
    sockets: Vec<GivenSocket>,
    pub(super) maintenance: Vec<MaintenanceOrder>,
    pub(super) drained: Vec<TargetOrder>,
}

impl Handover {
    /// Receives what standard input brings.
    ///
    /// # Errors
    /// The operating system's; `InvalidData` where something else is there.
    pub fn receive() -> io::Result<Self> {
        let mut stream = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        stream.set_read_timeout(Some(WORD_WAIT))?;
        let offer = serde_json::from_slice::<Offer>(&line(&mut stream)?)?;
        let mut sockets = Vec::new();
        let names = offer.listeners.into_iter().map(Some).chain(std::iter::repeat(None));
        for (bind, listener) in offer.sockets.iter().zip(names) {
            let bind = ListenAddr::parse(bind).map_err(|_| io::ErrorKind::InvalidData)?;
            sockets.push(GivenSocket { listener, bind, socket: TcpListener::from(receive_descriptor(&stream)?) });
        }
        Ok(Self { stream, sockets, maintenance: offer.maintenance, drained: offer.drained })
    }

    /// The listening sockets.
    pub fn take_sockets(&mut self) -> Vec<GivenSocket> {
        std::mem::take(&mut self.sockets)
    }

    /// Says that this process serves, and waits until the other one has let go. One that is gone has let go too.
    pub(super) fn ready(&mut self) {
        let report = Report::Ready { version: env!("CARGO_PKG_VERSION").to_owned() };
        let waited = say(&mut self.stream, &report).and_then(|()| line(&mut self.stream));
        if let Err(error) = waited {
            tracing::warn!(%error, "the process before this one did not say that it lets go");
        }
    }

    /// Says that this process has the admin socket too.
    pub(super) fn done(mut self) {
        // Whoever waits for it may be gone.
        drop(say(&mut self.stream, &Report::Done));
    }

    /// Says that this process cannot serve.
    pub fn failed(mut self, why: &str) {
        // Nobody else can be told; the event log has it too.
        drop(say(&mut self.stream, &Report::Failed(why.to_owned())));
    }
}

/// The listening sockets that the service manager has opened for this process.
#[must_use]
pub fn activated() -> Vec<GivenSocket> {
    let given = |socket: TcpListener| {
        Some(GivenSocket { listener: None, bind: ListenAddr::new(socket.local_addr().ok()?), socket })
    };
    activated_sockets().into_iter().filter_map(given).collect()
}

/// Hands `offer` and `sockets` over.
pub(super) fn give<'a>(
    stream: &mut UnixStream,
    offer: &Offer,
    sockets: impl Iterator<Item = &'a TcpListener>,
) -> io::Result<()> {
    stream.set_write_timeout(Some(WORD_WAIT))?;
    say(stream, offer)?;
    sockets.map(AsFd::as_fd).try_for_each(|socket| send_descriptor(stream, socket))
}

fn say(stream: &mut UnixStream, what: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_vec(what)?;
    text.push(b'\n');
    stream.write_all(&text)
}

/// Reads a line, byte by byte: what follows it may not be read as bytes.
fn line(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let mut byte = [0];
    while text.len() < OFFER_MAX {
        stream.read_exact(&mut byte)?;
        if byte == *b"\n" {
            return Ok(text);
        }
        text.extend_from_slice(&byte);
    }
    Err(io::ErrorKind::InvalidData.into())
}
