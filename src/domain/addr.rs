//! Addresses by role: where we listen, what we dial, who is at the other end, whom we trust.

use super::names::{HostName, NameError};
use ipnet::IpNet;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// The other end of a client's socket. IPv4 addresses mapped into IPv6 are unmapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeerAddr(SocketAddr);

impl PeerAddr {
    /// The peer behind `addr`.
    #[must_use]
    pub fn new(addr: SocketAddr) -> Self {
        Self(SocketAddr::new(addr.ip().to_canonical(), addr.port()))
    }

    /// Its address.
    #[must_use]
    pub const fn ip(self) -> IpAddr {
        self.0.ip()
    }

    /// Its port.
    #[must_use]
    pub const fn port(self) -> u16 {
        self.0.port()
    }
}

impl fmt::Display for PeerAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where to listen. `443` alone means every address, IPv6 and IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ListenAddr(SocketAddr);

/// The text is no listen address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenAddrError;

impl fmt::Display for ListenAddrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a port (443) or an address with a port (\"0.0.0.0:443\", \"[::]:443\")")
    }
}

impl ListenAddr {
    /// Listens on `addr`.
    #[must_use]
    pub const fn new(addr: SocketAddr) -> Self {
        Self(addr)
    }

    /// Parses `443`, `:443`, `*:443`, `0.0.0.0:443` or `[::]:443`.
    ///
    /// # Errors
    /// `ListenAddrError` for anything else; host names are not taken, because one name can mean several addresses.
    pub fn parse(text: &str) -> Result<Self, ListenAddrError> {
        let any = |port: &str| port.parse().map(|port| SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)));
        let port = text.strip_prefix("*:").or_else(|| text.strip_prefix(':')).unwrap_or(text);
        any(port).or_else(|_| text.parse()).map(Self).map_err(|_| ListenAddrError)
    }

    /// The socket address to bind.
    #[must_use]
    pub const fn socket_addr(self) -> SocketAddr {
        self.0
    }
}

impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The port of https where none is written.
const HTTPS_PORT: u16 = 443;

/// The host part of a target.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TargetHost {
    /// An address.
    Ip(IpAddr),
    /// A name, resolved at each new connection.
    Name(HostName),
}

/// One address of a service: `127.0.0.1:8080`, `[::1]:8080`, `webserver:80` or `https://webserver:443`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TargetAddr {
    /// Whether TLS is spoken there.
    pub tls: bool,
    /// Address or name.
    pub host: TargetHost,
    /// TCP port.
    pub port: u16,
}

/// Why a text is no target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetAddrError {
    /// The port is missing or no number from 1 to 65535.
    Port,
    /// The host is neither an address nor a name.
    Host(NameError),
    /// A URL was given where `host:port` is expected.
    Url,
}

impl fmt::Display for TargetAddrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port => f.write_str("a target needs a port from 1 to 65535, as in \"127.0.0.1:8008\""),
            Self::Host(error) => error.fmt(f),
            Self::Url => f.write_str("a target is host:port or https://host:port, without path"),
        }
    }
}

impl TargetAddr {
    /// A target that is spoken to in plain HTTP.
    #[must_use]
    pub const fn plain(addr: SocketAddr) -> Self {
        Self { tls: false, host: TargetHost::Ip(addr.ip()), port: addr.port() }
    }

    /// Parses `host:port` or `https://host:port`, whose port may be left out.
    ///
    /// # Errors
    /// `TargetAddrError` with the part that is wrong.
    pub fn parse(text: &str) -> Result<Self, TargetAddrError> {
        let (tls, text) = text.strip_prefix("https://").map_or((false, text), |rest| (true, rest));
        if text.contains('/') {
            return Err(TargetAddrError::Url);
        }
        if let Ok(addr) = text.parse::<SocketAddr>() {
            return Self::checked(tls, TargetHost::Ip(addr.ip()), addr.port());
        }
        if let Some(ip) = text.parse::<IpAddr>().ok().filter(|ip| tls && ip.is_ipv4()) {
            return Self::checked(tls, TargetHost::Ip(ip), HTTPS_PORT);
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| TargetAddrError::Port)?),
            None if tls => (text, HTTPS_PORT),
            None => return Err(TargetAddrError::Port),
        };
        let host = HostName::parse(host).map_err(TargetAddrError::Host)?;
        Self::checked(tls, TargetHost::Name(host), port)
    }

    fn checked(tls: bool, host: TargetHost, port: u16) -> Result<Self, TargetAddrError> {
        if port == 0 { Err(TargetAddrError::Port) } else { Ok(Self { tls, host, port }) }
    }

    /// Host and port, as in a `Host` field.
    #[must_use]
    pub fn authority(&self) -> String {
        match &self.host {
            TargetHost::Ip(ip) => SocketAddr::new(*ip, self.port).to_string(),
            TargetHost::Name(name) => format!("{name}:{}", self.port),
        }
    }
}

impl fmt::Display for TargetAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.tls { "https://" } else { "" }, self.authority())
    }
}

/// Networks whose forwarded headers are believed. Empty by default: nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedNetworks(Vec<IpNet>);

impl TrustedNetworks {
    /// Trusts exactly `networks`.
    #[must_use]
    pub const fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// Whether `ip` lies in one of them; mapped IPv4 addresses count as IPv4.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.0.iter().any(|network| network.contains(&ip))
    }

    /// The networks.
    #[must_use]
    pub fn networks(&self) -> &[IpNet] {
        &self.0
    }

    /// Whether nobody is trusted.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_listens_everywhere() {
        for text in ["443", ":443", "*:443", "[::]:443"] {
            assert_eq!(ListenAddr::parse(text).unwrap().to_string(), "[::]:443", "{text}");
        }
        assert_eq!(ListenAddr::parse("127.0.0.1:0").unwrap().to_string(), "127.0.0.1:0");
        for text in ["", "x", "localhost:443", "70000", "1.2.3.4", "[::]"] {
            assert_eq!(ListenAddr::parse(text), Err(ListenAddrError), "{text}");
        }
    }

    #[test]
    fn targets_are_addresses_or_names_with_a_port() {
        for text in ["127.0.0.1:8080", "[::1]:8080", "webserver:80", "api.internal.example:8008", "https://api:8443"] {
            assert_eq!(TargetAddr::parse(text).unwrap().to_string(), text);
        }
        for (text, full) in [("https://api", "https://api:443"), ("https://10.0.0.1", "https://10.0.0.1:443")] {
            assert_eq!(TargetAddr::parse(text).unwrap().to_string(), full);
        }
        assert_eq!(TargetAddr::parse("https://api/path"), Err(TargetAddrError::Url));
        assert_eq!(TargetAddr::parse("webserver"), Err(TargetAddrError::Port));
        assert_eq!(TargetAddr::parse("webserver:0"), Err(TargetAddrError::Port));
        assert_eq!(TargetAddr::parse("http://webserver:80"), Err(TargetAddrError::Url));
        assert_eq!(TargetAddr::parse("web server:80"), Err(TargetAddrError::Host(NameError::Character(' '))));
    }

    #[test]
    fn trust_sees_through_mapped_addresses() {
        let trusted = TrustedNetworks::new(vec!["10.0.0.0/8".parse().unwrap()]);
        assert!(trusted.contains("10.1.2.3".parse().unwrap()));
        assert!(trusted.contains("::ffff:10.1.2.3".parse().unwrap()));
        assert!(!trusted.contains("11.1.2.3".parse().unwrap()));
        assert_eq!(PeerAddr::new("[::ffff:10.1.2.3]:5".parse().unwrap()).to_string(), "10.1.2.3:5");
    }
}
