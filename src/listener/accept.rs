//! Accepting: under a limit on connections, with a pause when descriptors run out.

use super::acceptor::{Acceptor, AcceptorCell};
use super::handshake;
use super::introduce::introduce;
use super::peeked::Peeked;
use super::speak::{Spoken, speak};
use crate::domain::addr::PeerAddr;
use crate::domain::facts::{ConnectionFacts, ListenerKind};
use crate::request::lead_to_https;
use crate::runtime::{Place, ShutdownWatch, Stop, now};
use crate::telemetry::{Counter, Gauge, Pace};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// How long accepting rests when the system has no descriptors left.
const REST: Duration = Duration::from_millis(100);

impl AcceptorCell {
    /// Accepts on `socket` until `open` closes; says through `ready` that it does, or why it cannot. What waits in the
    /// kernel's queue at the end is still taken when the process drains; when the listener leaves, others have its queue.
    ///
    /// # Cancel safety
    /// Connections accepted before go on; none is lost but those in the kernel's queue.
    pub async fn accept(
        self,
        kind: ListenerKind,
        socket: std::net::TcpListener,
        open: ShutdownWatch,
        ready: oneshot::Sender<io::Result<()>>,
    ) {
        let listening = socket.local_addr().and_then(|local| Ok((local, TcpListener::from_std(socket)?)));
        // Whoever asked may have given up waiting.
        let (local, listener) = match listening {
            Ok(listening) => {
                drop(ready.send(Ok(())));
                listening
            }
            Err(error) => return drop(ready.send(Err(error))),
        };
        let pace = Pace::every_second();
        let mut closing = std::pin::pin!(open.clone().beyond(Stop::Running));
        let stop = loop {
            let accepted = tokio::select! {
                biased;
                accepted = self.next(&listener) => accepted,
                stop = &mut closing => break stop,
            };
            match accepted {
                Ok((stream, peer, place)) => self.start(kind, local, stream, peer, place, &open),
                Err(error) => self.rest(&error, &pace).await,
            }
        };
        if matches!(stop, Stop::Leaving(_)) {
            return;
        }
        while let Ok(Ok((stream, peer, place))) = tokio::time::timeout(Duration::ZERO, self.next(&listener)).await {
            self.start(kind, local, stream, peer, place, &open);
        }
    }

    /// The next connection, once there is a place for it.
    ///
    /// Dropped while it waits for a place, it closes the connection: only a stop does that.
    async fn next(&self, listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr, Place)> {
        // Accepted first, so that waiting for a client takes no place; one connection a listener may wait here.
        let (stream, peer) = listener.accept().await?;
        let acceptor = self.now();
        let place = match acceptor.places.try_take() {
            Some(place) => place,
            None => {
                acceptor.connections.metrics.add(Counter::ConnectionsFull, 1);
                acceptor.places.take().await
            }
        };
        Ok((stream, peer, place))
    }

    async fn rest(&self, error: &io::Error, pace: &Pace) {
        self.now().connections.metrics.add(Counter::AcceptErrors, 1);
        if let Some(suppressed) = pace.allow(now()) {
            tracing::warn!(%error, suppressed, "cannot accept a connection; check the limit on open files");
        }
        // A client that left before it was accepted is no reason to rest; anything else may last.
        if !matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
            tokio::time::sleep(REST).await;
        }
    }

    fn start(
        &self,
        kind: ListenerKind,
        local: SocketAddr,
        stream: TcpStream,
        peer: SocketAddr,
        place: Place,
        open: &ShutdownWatch,
    ) {
        let acceptor = self.for_connection(open);
        let id = acceptor.numbers.fetch_add(1, Ordering::Relaxed);
        acceptor.connections.metrics.add(Counter::ConnectionsAccepted, 1);
        let tasks = acceptor.connections.tasks.clone();
        let held = (place, acceptor.connections.metrics.gauge(Gauge::Connections));
        // In a box, which is given back once it is known what is spoken: the connection keeps no room for it.
        let met = Box::pin(meet(acceptor, kind, local, stream, PeerAddr::new(peer), id));
        tasks.spawn("connection", async move {
            let _held = held;
            let met = met.await;
            if let Some(spoken) = met {
                spoken.await;
            }
        });
    }
}

/// Finds out who a new connection is from and what is spoken on it. `None` when it is to be closed.
async fn meet(
    acceptor: Acceptor,
    kind: ListenerKind,
    local: SocketAddr,
    stream: TcpStream,
    peer: PeerAddr,
    id: u64,
) -> Option<Spoken> {
    let settings = acceptor.worker.settings();
    let listener = match kind {
        // Whoever stands in front of one stands in front of the others.
        ListenerKind::Https | ListenerKind::Legacy(_) => &settings.https,
        ListenerKind::Http => &settings.http,
    };
    let mut stream = Peeked::new(stream);
    let peer = introduce(&acceptor, listener, &mut stream, peer).await?;
    drop(settings);
    let facts = ConnectionFacts { id, peer, local, listener: kind, tls: None };
    match kind {
        ListenerKind::Https | ListenerKind::Legacy(_) => handshake::meet(acceptor, stream, facts).await,
        ListenerKind::Http => Some(speak(acceptor, stream, false, facts, lead_to_https)),
    }
}
