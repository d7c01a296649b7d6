//! The PROXY protocol, versions 1 and 2: who a connection is from, told by a balancer in front.
//!
//! Owns: the grammar, strictly. Leaves: who may tell to the listener.
//!
//! Source: HAProxy's `doc/proxy-protocol.txt`, sections 2.1 and 2.2.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Version 1: the longest line, with its end.
const LINE_MAX: usize = 107;

/// Version 2: how it begins.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// Version 2: signature, command, family, length.
const FIXED: usize = 16;

/// Version 2: bytes behind the fixed part that are taken. Addresses have at most 216, the rest are extensions.
const VARIABLE_MAX: usize = 4096;

/// A complete header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyHeader {
    /// Its bytes; what follows is the client's.
    pub length: usize,
    /// The client; `None` where the balancer speaks for itself, or does not know.
    pub source: Option<SocketAddr>,
}

/// Why bytes can never become a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHeaderError {
    /// They begin like none.
    Missing,
    /// What is wrong with it.
    Malformed(&'static str),
}

impl fmt::Display for ProxyHeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no PROXY header"),
            Self::Malformed(what) => write!(f, "the PROXY header is malformed: {what}"),
        }
    }
}

impl std::error::Error for ProxyHeaderError {}

/// Reads the header that a connection begins with; `None` while it is not complete.
///
/// # Errors
/// `ProxyHeaderError` as soon as the bytes can never become one.
pub fn parse(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyHeaderError> {
    let begins = |with: &[u8]| {
        let count = bytes.len().min(with.len());
        bytes.get(..count) == with.get(..count)
    };
    if bytes.is_empty() {
        return Ok(None);
    }
    if begins(&SIGNATURE) {
        return if bytes.len() < FIXED { Ok(None) } else { binary(bytes) };
    }
    if begins(b"PROXY ") { line(bytes) } else { Err(ProxyHeaderError::Missing) }
}

fn line(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyHeaderError> {
    let malformed = |what| Err(ProxyHeaderError::Malformed(what));
    let seen = bytes.get(..LINE_MAX).unwrap_or(bytes);
    let Some(end) = seen.windows(2).position(|pair| pair == b"\r\n") else {
        return if seen.len() < LINE_MAX { Ok(None) } else { malformed("the line does not end") };
    };
    let Some(text) = seen.get(..end).and_then(|line| std::str::from_utf8(line).ok()) else {
        return malformed("the line is no text");
    };
    let length = end + 2;
    let mut words = text.split(' ').skip(1);
    let v4 = match words.next() {
        // Whatever follows is to be ignored.
        Some("UNKNOWN") => return Ok(Some(ProxyHeader { length, source: None })),
        Some("TCP4") => true,
        Some("TCP6") => false,
        _ => return malformed("neither TCP4, TCP6 nor UNKNOWN"),
    };
    let address = |word: Option<&str>| {
        let ip = word?.parse::<IpAddr>().ok()?;
        (ip.is_ipv4() == v4).then_some(ip)
    };
    let (source, destination) = (address(words.next()), address(words.next()));
    let (source_port, destination_port) = (port(words.next()), port(words.next()));
    match (source, destination, source_port, destination_port, words.next()) {
        (Some(ip), Some(_), Some(port), Some(_), None) => {
            Ok(Some(ProxyHeader { length, source: Some(SocketAddr::new(ip, port)) }))
        }
        _ => malformed("an address or a port"),
    }
}

/// Digits only, and no zero before others.
fn port(word: Option<&str>) -> Option<u16> {
    let word = word?;
    let plain = word == "0" || !word.starts_with('0');
    (plain && word.bytes().all(|byte| byte.is_ascii_digit())).then(|| word.parse().ok()).flatten()
}

fn binary(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyHeaderError> {
    let malformed = |what| Err(ProxyHeaderError::Malformed(what));
    let [version, family, high, low] = array(bytes, SIGNATURE.len())?;
    let variable = usize::from(u16::from_be_bytes([high, low]));
    if version >> 4 != 2 {
        return malformed("the version is not 2");
    }
    if variable > VARIABLE_MAX {
        return malformed("more than 4096 bytes");
    }
    let length = FIXED + variable;
    let Some(body) = bytes.get(FIXED..length) else { return Ok(None) };
    let (source, addresses) = match (version & 0x0f, family) {
        // The balancer's own connection: to see whether we are there.
        (0, _) => return Ok(Some(ProxyHeader { length, source: None })),
        (1, 0x00) => return Ok(Some(ProxyHeader { length, source: None })),
        (1, 0x11) => {
            let [high, low] = array(body, 8)?;
            let ip = Ipv4Addr::from(array::<4>(body, 0)?);
            (Some(SocketAddr::new(ip.into(), u16::from_be_bytes([high, low]))), 12)
        }
        (1, 0x21) => {
            let [high, low] = array(body, 32)?;
            let ip = Ipv6Addr::from(array::<16>(body, 0)?);
            (Some(SocketAddr::new(ip.into(), u16::from_be_bytes([high, low]))), 36)
        }
        (1, 0x31) => (None, 216),
        (1, _) => return malformed("the family is not that of a stream"),
        _ => return malformed("the command is neither LOCAL nor PROXY"),
    };
    let Some(extensions) = body.get(addresses..) else { return malformed("the addresses are cut off") };
    check_extensions(extensions)?;
    Ok(Some(ProxyHeader { length, source }))
}

/// Extensions are not read, but they must fill their place.
fn check_extensions(mut rest: &[u8]) -> Result<(), ProxyHeaderError> {
    while !rest.is_empty() {
        let [_kind, high, low] = array(rest, 0)?;
        let end = 3 + usize::from(u16::from_be_bytes([high, low]));
        rest = rest.get(end..).ok_or(ProxyHeaderError::Malformed("an extension is cut off"))?;
    }
    Ok(())
}

fn array<const COUNT: usize>(bytes: &[u8], from: usize) -> Result<[u8; COUNT], ProxyHeaderError> {
    let piece = bytes.get(from..from + COUNT).and_then(|piece| piece.try_into().ok());
    piece.ok_or(ProxyHeaderError::Malformed("it is cut off"))
}

#[cfg(test)]
mod tests;
