//! Names to addresses, again and again: a container that comes back has another address.
//!
//! Owns: that a failed look-up never takes the last good answer away. Leaves: when to ask again to the watcher of the
//! target; a request only asks where nobody ever got an answer.
//! The system's resolver tells no lifetime, so answers are asked for anew every few seconds and after a failed dial.

use crate::domain::addr::{TargetAddr, TargetHost};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// The addresses of one target.
#[derive(Debug)]
pub(super) struct Addresses {
    /// Empty for a fixed address.
    name: Box<str>,
    port: u16,
    known: Mutex<Option<Arc<[SocketAddr]>>>,
    doubt: Arc<Notify>,
}

impl Addresses {
    pub(super) fn new(addr: &TargetAddr) -> Self {
        let (fixed, name) = match &addr.host {
            TargetHost::Ip(ip) => (Some(Arc::from([SocketAddr::new(*ip, addr.port)])), Box::default()),
            TargetHost::Name(name) => (None, name.as_str().into()),
        };
        Self { name, port: addr.port, known: Mutex::new(fixed), doubt: Arc::default() }
    }

    /// Whether there is a name to look up.
    pub(super) fn are_named(&self) -> bool {
        !self.name.is_empty()
    }

    /// The last good answer.
    pub(super) fn known(&self) -> Option<Arc<[SocketAddr]>> {
        self.lock().clone()
    }

    /// The addresses to dial now, in the resolver's order.
    ///
    /// # Errors
    /// The resolver's, when it never gave an answer for this name.
    pub(super) async fn get(&self) -> io::Result<Arc<[SocketAddr]>> {
        match self.known() {
            Some(known) => Ok(known),
            None => self.look_up().await.map(|(list, _)| list),
        }
    }

    /// A dial to these addresses failed: they may be old.
    pub(super) fn distrust(&self) {
        self.doubt.notify_one();
    }

    /// What `distrust` rings; kept apart from the target, so that waiting for it keeps no target.
    pub(super) fn doubt(&self) -> Arc<Notify> {
        Arc::clone(&self.doubt)
    }

    /// Asks the resolver; the addresses, and whether they are others than before.
    ///
    /// # Errors
    /// The resolver's; the last good answer stays.
    pub(super) async fn look_up(&self) -> io::Result<(Arc<[SocketAddr]>, bool)> {
        let list = tokio::net::lookup_host((&*self.name, self.port)).await?.collect::<Arc<[SocketAddr]>>();
        if list.is_empty() {
            return Err(io::Error::other("the name has no address"));
        }
        let mut known = self.lock();
        let same = known.as_ref().is_some_and(|known| known.iter().all(|addr| list.contains(addr)));
        *known = Some(Arc::clone(&list));
        Ok((list, !same))
    }

    // Held for a few instructions, only when a new connection is made.
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Arc<[SocketAddr]>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failed_look_up_keeps_the_last_good_answer() {
        let addresses = Addresses::new(&TargetAddr::parse("name.invalid:80").unwrap());
        assert!(addresses.get().await.is_err());
        let list: Arc<[SocketAddr]> = Arc::from(["127.0.0.9:80".parse().unwrap()]);
        *addresses.lock() = Some(Arc::clone(&list));
        assert!(addresses.look_up().await.is_err());
        assert_eq!(addresses.get().await.unwrap(), list);
    }

    #[tokio::test]
    async fn addresses_need_no_resolver_and_names_use_it() {
        let fixed = Addresses::new(&TargetAddr::parse("127.0.0.1:81").unwrap());
        assert!(!fixed.are_named());
        assert_eq!(*fixed.get().await.unwrap(), ["127.0.0.1:81".parse().unwrap()]);
        let named = Addresses::new(&TargetAddr::parse("localhost:82").unwrap());
        assert!(named.are_named() && named.known().is_none());
        let (list, other) = named.look_up().await.unwrap();
        assert!(other && list.iter().all(|addr| addr.ip().is_loopback() && addr.port() == 82));
        assert!(!named.look_up().await.unwrap().1, "the same as before");
        assert_eq!(named.known().unwrap(), list);
    }
}
