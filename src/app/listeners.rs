//! The listening sockets of the process: which there are, which come and go with a reload.
//!
//! The workers have the sockets that they accept on; a second descriptor of each stays here, so that a socket can be
//! handed on without losing what waits in its queue.

use super::build_error::BuildError;
use super::handover::GivenSocket;
use crate::domain::addr::ListenAddr;
use crate::domain::facts::ListenerKind;
use crate::domain::settings::Settings;
use crate::listener::bind;
use crate::runtime::{Deadline, Shutdown, adopt, now, set_give_up};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;

/// Who accepts on a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The workers.
    Clients(ListenerKind),
    /// The life cycle's own thread.
    Admin,
}

impl Role {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Clients(kind) => kind.as_str(),
            Self::Admin => "admin",
        }
    }
}

/// One listening address.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) role: Role,
    /// As configured.
    pub(super) bind: ListenAddr,
    /// With the port that was taken where 0 was asked for.
    pub(super) addr: SocketAddr,
    /// One for each worker; one in all where only the life cycle's thread accepts.
    pub(super) sockets: Vec<TcpListener>,
    /// Ends this listener and the connections that came by it.
    pub(super) shutdown: Shutdown,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    open: Vec<Listener>,
    /// Sockets that were given to this process.
    spare: Vec<GivenSocket>,
}

/// What changes: bound already, and not yet accepting.
#[derive(Debug)]
pub(super) struct Change {
    opened: Vec<Listener>,
    wanted: Vec<(Role, ListenAddr)>,
}

impl Listeners {
    /// None yet; `spare` sockets are taken before others are opened.
    pub(super) fn with_spare(spare: Vec<GivenSocket>) -> Self {
        Self { open: Vec::new(), spare }
    }

    /// Closes the sockets that were given and that nobody asks for.
    pub(super) fn close_spare(&mut self) {
        for GivenSocket { bind, .. } in std::mem::take(&mut self.spare) {
            tracing::info!(address = %bind, "a socket that was handed over is not configured; closed");
        }
    }

    /// Binds what `settings` ask for and is not there yet, beside what is.
    ///
    /// # Errors
    /// Every address that cannot be had; the sockets of the others are closed again.
    pub(super) fn prepare(&mut self, settings: &Settings) -> Result<Change, Vec<BuildError>> {
        let wanted = wanted(settings);
        let (mut opened, mut errors) = (Vec::new(), Vec::new());
        for (role, bind) in &wanted {
            if self.has(*role, *bind) {
                continue;
            }
            match self.open(*role, *bind, settings) {
                Ok(listener) => opened.push(listener),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() { Ok(Change { opened, wanted }) } else { Err(errors) }
    }

    fn has(&self, role: Role, bind: ListenAddr) -> bool {
        self.open.iter().any(|listener| listener.role == role && listener.bind == bind)
    }

    fn open(&mut self, role: Role, addr: ListenAddr, settings: &Settings) -> Result<Listener, BuildError> {
        let shutdown = Shutdown::new().0;
        // An address that only changes what is spoken on it keeps its sockets, and their queues.
        if let Some(same) = self.open.iter().find(|listener| listener.bind == addr && !takes_any_port(addr)) {
            let mut sockets = copies(&same.sockets).map_err(BuildError::Sockets)?;
            // That of the admin listener has one alone.
            while role != Role::Admin && sockets.len() < settings.workers.get() {
                let Some(socket) = sockets.first() else { break };
                sockets.push(socket.try_clone().map_err(BuildError::Sockets)?);
            }
            return Ok(Listener { role, bind: addr, addr: same.addr, sockets, shutdown });
        }
        let count = if role == Role::Admin { NonZeroUsize::MIN } else { settings.workers };
        let given = self.take_spare(role, addr, count, settings).map_err(BuildError::Sockets)?;
        if let Some(local) = given.first().map(TcpListener::local_addr) {
            let local = local.map_err(BuildError::Sockets)?;
            return Ok(Listener { role, bind: addr, addr: local, sockets: given, shutdown });
        }
        let ours = self.open.iter().any(|listener| listener.addr.port() == addr.socket_addr().port());
        let refused = if role == Role::Admin { BuildError::AdminBind } else { BuildError::Bind };
        let bound = bind(addr, count, give_up(settings), ours).map_err(refused)?;
        Ok(Listener { role, bind: addr, addr: bound.addr, sockets: bound.sockets, shutdown })
    }

    /// The sockets that were given for the listener, made ready; at least `count`, or none at all.
    fn take_spare(
        &mut self,
        role: Role,
        addr: ListenAddr,
        count: NonZeroUsize,
        settings: &Settings,
    ) -> io::Result<Vec<TcpListener>> {
        // Where any port will do, several listeners may have asked under one address, and each has a port of its own.
        let its_own = |listener: &Option<String>| {
            !takes_any_port(addr) || listener.as_deref().is_none_or(|name| name == role.as_str())
        };
        let fits = |given: &&GivenSocket| {
            given.bind == addr && its_own(&given.listener)
                || given.socket.local_addr().is_ok_and(|local| local == addr.socket_addr())
        };
        let Some(local) = self.spare.iter().find(fits).map(|given| given.socket.local_addr()).transpose()? else {
            return Ok(Vec::new());
        };
        let same = |given: &GivenSocket| fits(&given) && given.socket.local_addr().is_ok_and(|other| other == local);
        let (given, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.spare).into_iter().partition(same);
        self.spare = rest;
        let mut sockets = given.into_iter().map(|given| given.socket).collect::<Vec<_>>();
        for socket in &sockets {
            adopt(socket, give_up(settings))?;
        }
        // Workers share a socket where there are too few: systemd gives one.
        for index in sockets.len()..count.get() {
            let Some(socket) = sockets.get(index % sockets.len().max(1)) else { break };
            sockets.push(socket.try_clone()?);
        }
        Ok(sockets)
    }

    /// Makes `change` true; returns what is new, whose sockets the workers need, and what is gone. What is gone accepts
    /// no more; its idle connections are kept until `idle`.
    pub(super) fn commit(
        &mut self,
        change: Change,
        settings: &Settings,
        idle: Deadline,
    ) -> (Vec<usize>, Vec<Listener>) {
        let before = std::mem::take(&mut self.open);
        let stays = |listener: &Listener| change.wanted.contains(&(listener.role, listener.bind));
        let (kept, gone): (Vec<_>, Vec<_>) = before.into_iter().partition(stays);
        for socket in kept.iter().flat_map(|listener| &listener.sockets) {
            if let Err(error) = set_give_up(socket, give_up(settings)) {
                tracing::warn!(%error, "timeouts.stalled_answer cannot be changed for a listener");
            }
        }
        gone.iter().for_each(|listener| listener.shutdown.leave(idle));
        self.open = kept;
        let first = self.open.len();
        self.open.extend(change.opened);
        ((first..self.open.len()).collect(), gone)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Listener> {
        self.open.iter()
    }

    pub(super) fn at(&self, index: usize) -> Option<&Listener> {
        self.open.get(index)
    }

    /// The port that clients reach https on: the public one, else the one that is listened on.
    pub(super) fn https_port(&self, settings: &Settings) -> u16 {
        let bound = self.open.iter().find(|listener| listener.role == Role::Clients(ListenerKind::Https));
        settings.https.public_port.or(bound.map(|listener| listener.addr.port())).unwrap_or(443)
    }

    /// Leaves all of them to another process; idle connections are kept until `idle`.
    pub(super) fn leave(&mut self, idle: Deadline) {
        for listener in &mut self.open {
            listener.shutdown.leave(idle);
            listener.sockets.clear();
        }
    }

    /// Ends all of them at once.
    pub(super) fn close(&mut self) {
        self.open.drain(..).for_each(|listener| listener.shutdown.drain(Deadline::at(now())));
    }

    /// Ends those for clients: no new connections, running requests finish by `deadline`.
    pub(super) fn drain(&mut self, deadline: Deadline) {
        for listener in self.open.iter_mut().filter(|listener| listener.role != Role::Admin) {
            listener.shutdown.drain(deadline);
            // Else the kernel would still take connections that nobody accepts.
            listener.sockets.clear();
        }
    }
}

/// The listeners that `settings` ask for.
fn wanted(settings: &Settings) -> Vec<(Role, ListenAddr)> {
    let pairs = [(ListenerKind::Https, &settings.https), (ListenerKind::Http, &settings.http)];
    let enabled = pairs.into_iter().filter(|(_, listener)| listener.enabled);
    let main = enabled.flat_map(|(kind, listener)| listener.bind.iter().map(move |bind| (kind, *bind)));
    let legacy = settings.legacy.iter();
    let legacy =
        legacy.flat_map(|(service, binds)| binds.iter().map(move |bind| (ListenerKind::Legacy(service), *bind)));
    let clients = main.chain(legacy).map(|(kind, bind)| (Role::Clients(kind), bind));
    clients.chain(settings.admin_listener.listen.iter().map(|bind| (Role::Admin, *bind))).collect()
}

/// Whether the system chooses the port.
fn takes_any_port(addr: ListenAddr) -> bool {
    addr.socket_addr().port() == 0
}

/// Ours acts first, and knows why; the kernel's is for what we cannot see.
fn give_up(settings: &Settings) -> std::time::Duration {
    settings.timeouts.stalled_answer * 2
}

/// A second descriptor of each socket.
pub(super) fn copies(sockets: &[TcpListener]) -> io::Result<Vec<TcpListener>> {
    sockets.iter().map(TcpListener::try_clone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::settings::Domains;

    #[test]
    fn a_port_that_clients_get_from_the_admin_listener_has_a_socket_for_each_worker() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let addr = ListenAddr::parse(&free.to_string()).unwrap();
        let mut settings = Settings::public(Domains::Any, NonZeroUsize::new(3).unwrap());
        (settings.https.enabled, settings.http.enabled) = (false, false);
        settings.admin_listener.listen = vec![addr];
        let mut listeners = Listeners::default();
        let change = listeners.prepare(&settings).unwrap();
        listeners.commit(change, &settings, Deadline::at(now()));
        settings.admin_listener.listen.clear();
        (settings.https.enabled, settings.https.bind) = (true, vec![addr]);
        let change = listeners.prepare(&settings).unwrap();
        let ports = change.opened[0].sockets.iter().map(|socket| socket.local_addr().unwrap());
        assert_eq!(ports.collect::<Vec<_>>(), [listeners.at(0).unwrap().addr; 3]);
    }
}
