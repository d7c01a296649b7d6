//! Addresses whose TLS handshakes fail again and again, in bounded memory.
//!
//! A client that does not trust a certificate may come back ten times a second, for ever. Each failure adds a debt of
//! one pause, which time alone pays. Above the limit an address is *slowed*: its connections wait a pause before their
//! handshake, and only so many may wait. Debts do not grow further then, so that an address is free again soon after
//! its last faulty client is gone. Nothing that succeeds counts, and a slowed connection is served: good clients behind
//! the same address lose a moment, and never their connection.
//!
//! Leaves: the clock to the caller.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// How many failures are borne.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tolerance {
    /// Failures at once.
    pub failures: u32,
    /// Time that pays for one, and for which slowed connections wait.
    pub pause: Duration,
    /// Slowed connections of one address.
    pub slowed: usize,
    /// Addresses remembered.
    pub addresses: usize,
}

/// Failures by address; `R` is the reason of the last one.
#[derive(Debug)]
pub struct Failing<R>(HashMap<IpAddr, Entry<R>>);

#[derive(Debug)]
struct Entry<R> {
    /// When all of its failures are paid for.
    paid: Instant,
    reason: R,
    waiting: usize,
}

/// What becomes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment<R> {
    /// Its handshake begins.
    Free,
    /// Its handshake begins after a pause, at whose end `leave` is called; the address failed lately for this reason.
    Slowed(R),
    /// It is closed.
    Closed(R),
}

/// An address as it is counted: IPv6 by /64, which is what one customer has.
#[must_use]
pub fn counted_address(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from(u128::from(ip) >> 64 << 64)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

impl<R> Default for Failing<R> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<R: Copy> Failing<R> {
    /// How many addresses are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Receives a connection of `ip` at `now`.
    pub fn receive(&mut self, ip: IpAddr, now: Instant, tolerance: Tolerance) -> Treatment<R> {
        let ip = counted_address(ip);
        let Some(entry) = self.0.get_mut(&ip) else { return Treatment::Free };
        if entry.paid <= now && entry.waiting == 0 {
            self.0.remove(&ip);
            return Treatment::Free;
        }
        if !entry.is_over(now, tolerance) {
            return Treatment::Free;
        }
        if entry.waiting >= tolerance.slowed {
            return Treatment::Closed(entry.reason);
        }
        entry.waiting += 1;
        Treatment::Slowed(entry.reason)
    }

    /// Ends the wait of a slowed connection.
    pub fn leave(&mut self, ip: IpAddr) {
        if let Some(entry) = self.0.get_mut(&counted_address(ip)) {
            entry.waiting = entry.waiting.saturating_sub(1);
        }
    }

    /// Notes a failure; true when another address had to be forgotten for it.
    pub fn fail(&mut self, ip: IpAddr, reason: R, now: Instant, tolerance: Tolerance) -> bool {
        let ip = counted_address(ip);
        let full = !self.0.contains_key(&ip) && self.0.len() >= tolerance.addresses && self.make_room(now, tolerance);
        let entry = self.0.entry(ip).or_insert(Entry { paid: now, reason, waiting: 0 });
        entry.reason = reason;
        entry.paid = entry.paid.max(now);
        if !entry.is_over(now, tolerance) {
            entry.paid += tolerance.pause;
        }
        full
    }

    /// The addresses that are slowed, each with the reason of its last failure, at most `most`.
    #[must_use]
    pub fn slowed(&self, now: Instant, tolerance: Tolerance, most: usize) -> Vec<(IpAddr, R)> {
        let over = self.0.iter().filter(|(_, entry)| entry.is_over(now, tolerance));
        let mut over = over.map(|(ip, entry)| (*ip, entry.reason)).collect::<Vec<_>>();
        over.sort_by_key(|(ip, _)| *ip);
        over.truncate(most);
        over
    }

    /// Forgets what is paid for, and where that is not enough, the quarter with the least debt, so that the work for it
    /// is done once for many. True when a debt went.
    fn make_room(&mut self, now: Instant, tolerance: Tolerance) -> bool {
        self.0.retain(|_, entry| entry.waiting > 0 || entry.paid > now);
        if self.0.len() < tolerance.addresses {
            return false;
        }
        let mut ends = self.0.values().map(|entry| entry.paid).collect::<Vec<_>>();
        let quarter = ends.len() / 4;
        let (_, cut, _) = ends.select_nth_unstable(quarter);
        let cut = *cut;
        self.0.retain(|_, entry| entry.paid > cut);
        true
    }
}

impl<R> Entry<R> {
    /// Whether so much is unpaid that there is no room for one more failure.
    fn is_over(&self, now: Instant, tolerance: Tolerance) -> bool {
        let room = tolerance.pause.saturating_mul(tolerance.failures.saturating_sub(1));
        self.paid.saturating_duration_since(now) > room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FEW: Tolerance = Tolerance { failures: 3, pause: Duration::from_secs(1), slowed: 2, addresses: 100 };

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn failures_slow_an_address_and_time_frees_it() {
        let (mut failing, start) = (Failing::default(), Instant::now());
        let at = |millis| start + Duration::from_millis(millis);
        let me = ip("192.0.2.1");
        for reason in 1..=3 {
            assert_eq!(failing.receive(me, start, FEW), Treatment::Free, "{reason}");
            assert!(!failing.fail(me, reason, start, FEW));
        }
        assert_eq!(failing.receive(me, start, FEW), Treatment::Slowed(3));
        assert_eq!(failing.receive(me, start, FEW), Treatment::Slowed(3));
        assert_eq!(failing.receive(me, start, FEW), Treatment::Closed(3), "two wait");
        assert_eq!(failing.receive(ip("192.0.2.2"), start, FEW), Treatment::Free, "others are not concerned");
        assert_eq!(failing.slowed(start, FEW, 10), [(me, 3)]);
        failing.leave(me);
        assert_eq!(failing.receive(me, start, FEW), Treatment::Slowed(3));
        failing.leave(me);
        failing.leave(me);
        assert_eq!(failing.receive(me, at(1_001), FEW), Treatment::Free, "one is paid for");
        assert_eq!(failing.receive(me, at(3_001), FEW), Treatment::Free);
        assert!(failing.is_empty(), "all is paid for");
    }

    #[test]
    fn a_debt_does_not_outlive_the_fault_by_long() {
        let (mut failing, start) = (Failing::default(), Instant::now());
        let me = ip("192.0.2.1");
        (0..10_000).for_each(|_| assert!(!failing.fail(me, (), start, FEW)));
        assert_eq!(failing.receive(me, start + Duration::from_millis(1_001), FEW), Treatment::Free);
    }

    #[test]
    fn ipv6_is_counted_by_what_one_customer_has() {
        let (mut failing, start) = (Failing::default(), Instant::now());
        for last in 0..3 {
            failing.fail(ip(&format!("2001:db8:0:1::{last:x}")), (), start, FEW);
        }
        assert_eq!(failing.receive(ip("2001:db8:0:1:ffff::1"), start, FEW), Treatment::Slowed(()));
        assert_eq!(failing.receive(ip("2001:db8:0:2::1"), start, FEW), Treatment::Free);
        assert_eq!(counted_address(ip("::ffff:192.0.2.1")), ip("192.0.2.1"));
    }

    #[test]
    fn memory_is_bounded_and_the_worst_are_remembered() {
        let (mut failing, start) = (Failing::default(), Instant::now());
        let me = ip("192.0.2.1");
        (0..3).for_each(|_| assert!(!failing.fail(me, 1, start, FEW)));
        let mut forgotten = 0;
        for other in 0..10_000_u32 {
            let other = IpAddr::from(other.to_be_bytes());
            forgotten += u32::from(failing.fail(other, 2, start, FEW));
            assert!(failing.len() <= FEW.addresses);
        }
        assert!(forgotten > 0);
        assert_eq!(failing.receive(me, start, FEW), Treatment::Slowed(1));
    }
}
