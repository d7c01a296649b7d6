//! Tickets that open only under the rule about client certificates that they were made under.
//!
//! A resumed session keeps the certificate of its first handshake, and the library does not look at it again. So what
//! is sealed begins with the rule's id, which changes with its mode, authorities and revocation lists: under any other
//! rule, or none, the ticket is no ticket and the handshake is a whole one.

use crate::domain::facts::RuleId;
use rustls::server::ProducesTickets;
use std::fmt;
use std::sync::Arc;

pub(super) struct BoundTickets {
    pub(super) inner: Arc<dyn ProducesTickets>,
    pub(super) rule: RuleId,
}

impl ProducesTickets for BoundTickets {
    fn enabled(&self) -> bool {
        self.inner.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.inner.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.inner.encrypt(&[self.rule.0.as_slice(), plain].concat())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        self.inner.decrypt(ticket)?.strip_prefix(self.rule.0.as_slice()).map(<[u8]>::to_vec)
    }
}

impl fmt::Debug for BoundTickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundTickets").field("rule", &self.rule).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::Tickets;

    #[test]
    fn a_ticket_opens_under_its_own_rule_alone() {
        let keys = Tickets::new().unwrap();
        let bound = |rule| BoundTickets { inner: Arc::clone(&keys.0), rule: RuleId([rule; 16]) };
        let sealed = bound(1).encrypt(b"state").unwrap();
        assert_eq!(bound(1).decrypt(&sealed).as_deref(), Some(b"state".as_slice()));
        assert_eq!(bound(2).decrypt(&sealed), None);
        let free = keys.0.encrypt(b"state").unwrap();
        assert_eq!(bound(1).decrypt(&free), None, "one that was made without a rule");
    }
}
