//! Names to addresses, again and again: a container that comes back has another address.
//!
//! Owns: how long an answer is used, and that a failed look-up never takes the last good answer away.
//! The system's resolver tells no lifetime, so answers are asked for anew every few seconds and after a failed dial.

use crate::domain::addr::{TargetAddr, TargetHost};
use crate::runtime::now;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long an answer is used before it is asked for again.
const FRESH: Duration = Duration::from_secs(5);

/// The addresses of one target.
#[derive(Debug)]
pub(super) struct Addresses {
    fixed: Option<Arc<[SocketAddr]>>,
    name: Box<str>,
    port: u16,
    known: Mutex<Option<Known>>,
}

#[derive(Clone, Debug)]
struct Known {
    list: Arc<[SocketAddr]>,
    until: Instant,
}

impl Addresses {
    pub(super) fn new(addr: &TargetAddr) -> Self {
        let (fixed, name) = match &addr.host {
            TargetHost::Ip(ip) => (Some(Arc::from([SocketAddr::new(*ip, addr.port)])), Box::default()),
            TargetHost::Name(name) => (None, name.as_str().into()),
        };
        Self { fixed, name, port: addr.port, known: Mutex::new(None) }
    }

    /// The addresses to dial now, in the resolver's order.
    ///
    /// # Errors
    /// The resolver's, when it never gave an answer for this name.
    pub(super) async fn get(&self) -> std::io::Result<Arc<[SocketAddr]>> {
        if let Some(fixed) = &self.fixed {
            return Ok(Arc::clone(fixed));
        }
        let known = self.lock().clone();
        match known {
            Some(known) if known.until > now() => Ok(known.list),
            known => self.look_up(known).await,
        }
    }

    /// Makes the next `get` ask again: a dial to these addresses failed.
    pub(super) fn distrust(&self) {
        if let Some(known) = self.lock().as_mut() {
            known.until = now();
        }
    }

    async fn look_up(&self, known: Option<Known>) -> std::io::Result<Arc<[SocketAddr]>> {
        let answer = tokio::net::lookup_host((&*self.name, self.port)).await.map(|list| list.collect::<Vec<_>>());
        match answer {
            Ok(list) if !list.is_empty() => {
                let list: Arc<[SocketAddr]> = list.into();
                *self.lock() = Some(Known { list: Arc::clone(&list), until: now() + FRESH });
                Ok(list)
            }
            Ok(_) => known.map(|known| known.list).ok_or_else(|| std::io::Error::other("the name has no address")),
            Err(error) => known.map(|known| known.list).ok_or(error),
        }
    }

    // Held for a few instructions, only when a new connection to a named target is made.
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Known>> {
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
        *addresses.lock() = Some(Known { list: Arc::clone(&list), until: now() });
        assert_eq!(addresses.get().await.unwrap(), list);
    }

    #[tokio::test]
    async fn addresses_need_no_resolver_and_names_use_it() {
        let fixed = Addresses::new(&TargetAddr::parse("127.0.0.1:81").unwrap());
        assert_eq!(*fixed.get().await.unwrap(), ["127.0.0.1:81".parse().unwrap()]);
        let named = Addresses::new(&TargetAddr::parse("localhost:82").unwrap());
        let list = named.get().await.unwrap();
        assert!(list.iter().all(|addr| addr.ip().is_loopback() && addr.port() == 82));
        assert!(named.lock().as_ref().unwrap().until > now());
        named.distrust();
        assert!(named.lock().as_ref().unwrap().until <= now());
    }
}
