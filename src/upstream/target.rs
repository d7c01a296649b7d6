//! Target: one address of a service, and the right to use it.

use super::resolve::Addresses;
use crate::domain::addr::TargetAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// One address of a service, shared by all workers.
#[derive(Debug)]
pub struct Target {
    id: u64,
    addr: TargetAddr,
    label: Arc<str>,
    outstanding: AtomicUsize,
    addresses: Addresses,
}

impl Target {
    /// A target that nobody uses yet.
    #[must_use]
    pub fn new(addr: TargetAddr) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let label = addr.to_string().into();
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let addresses = Addresses::new(&addr);
        Arc::new(Self { id, addr, label, outstanding: AtomicUsize::new(0), addresses })
    }

    /// Its number, unique in this process; a target of a later configuration has another one.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// `host:port` as configured.
    #[must_use]
    pub fn label(&self) -> &Arc<str> {
        &self.label
    }

    /// The address as configured.
    #[must_use]
    pub fn addr(&self) -> &TargetAddr {
        &self.addr
    }

    /// Requests that use it now.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.outstanding.load(Ordering::Relaxed)
    }

    pub(super) fn addresses(&self) -> &Addresses {
        &self.addresses
    }
}

/// The right to use a target; dropping it gives the right back.
#[derive(Debug)]
#[must_use = "a lease counts as a running request"]
pub struct Lease(Arc<Target>);

impl Lease {
    pub(super) fn new(target: &Arc<Target>) -> Self {
        target.outstanding.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(target))
    }

    /// The target.
    #[must_use]
    pub fn target(&self) -> &Arc<Target> {
        &self.0
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.outstanding.fetch_sub(1, Ordering::Relaxed);
    }
}
