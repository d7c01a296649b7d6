//! How names are shown to be ours by records in the DNS, and the defaults.

use super::super::addr::{TargetAddr, TargetAddrError};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Where servers of the DNS listen.
const DNS_PORT: u16 = 53;

/// Records of DNS-01 challenges: who writes them, and when they count as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsSettings {
    /// A program that writes and removes records, with its first arguments. Empty: none.
    pub hook: Vec<String>,
    /// How long one run of it may take.
    pub hook_timeout: Duration,
    /// Servers that take updates, tried in this order. Empty: none.
    pub servers: Vec<NameServer>,
    /// The file with the key that signs updates.
    pub key_file: Option<PathBuf>,
    /// The zone that is updated; `None` to ask for it.
    pub zone: Option<String>,
    /// Whether servers are asked until they show the records.
    pub look: bool,
    /// Who is asked; empty for the zone's own servers.
    pub resolvers: Vec<NameServer>,
    /// How long they may take to show the records.
    pub propagation_timeout: Duration,
    /// How much longer the authority is kept waiting after that.
    pub propagation_delay: Duration,
}

impl Default for DnsSettings {
    fn default() -> Self {
        Self {
            hook: Vec::new(),
            hook_timeout: Duration::from_secs(60),
            servers: Vec::new(),
            key_file: None,
            zone: None,
            look: true,
            resolvers: Vec::new(),
            propagation_timeout: Duration::from_secs(120),
            propagation_delay: Duration::ZERO,
        }
    }
}

impl DnsSettings {
    /// Whether records can be written at all.
    #[must_use]
    pub fn is_set(&self) -> bool {
        !self.hook.is_empty() || !self.servers.is_empty()
    }
}

/// A server of the DNS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameServer(pub TargetAddr);

impl NameServer {
    /// Parses `host`, `host:port`, `address` or `[v6]:port`; port 53 where none is given.
    ///
    /// # Errors
    /// `TargetAddrError` for anything else.
    pub fn parse(text: &str) -> Result<Self, TargetAddrError> {
        if text.contains("//") {
            return Err(TargetAddrError::Url);
        }
        let addr = TargetAddr::parse(text);
        let with_port = || match text.contains(':') {
            true => TargetAddr::parse(&format!("[{text}]:{DNS_PORT}")),
            false => TargetAddr::parse(&format!("{text}:{DNS_PORT}")),
        };
        addr.or_else(|error| with_port().map_err(|_| error)).map(Self)
    }
}

impl fmt::Display for NameServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_have_port_53_unless_another_is_named() {
        for (text, full) in [
            ("ns.example.com", Some("ns.example.com:53")),
            ("ns.example.com:5353", Some("ns.example.com:5353")),
            ("10.0.0.1", Some("10.0.0.1:53")),
            ("127.0.0.1:1053", Some("127.0.0.1:1053")),
            ("2001:db8::1", Some("[2001:db8::1]:53")),
            ("[2001:db8::1]:1053", Some("[2001:db8::1]:1053")),
            ("https://ns.example.com", None),
            ("ns.example.com:0", None),
            ("two words", None),
            ("", None),
        ] {
            assert_eq!(NameServer::parse(text).ok().map(|server| server.to_string()).as_deref(), full, "{text}");
        }
    }
}
