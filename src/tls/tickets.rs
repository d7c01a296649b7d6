//! Session tickets: the keys that they are sealed with, of this process alone or shared by several proxies.
//!
//! A shared file has one key a line, 32 bytes as base64. The first seals new tickets; all of them open what comes back,
//! so a rotation adds the new key at the end everywhere, then moves it to the front, then drops the oldest after
//! `LIFETIME`. A ticket is the key's name, a random nonce, and the sealed state (AES-256-GCM).
//! Source: RFC 5077 section 4; RFC 8446 section 4.6.1.

use crate::runtime::open_file;
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::ProducesTickets;
use std::fmt;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

/// How long a ticket is good for: the library's own keys live as long.
const LIFETIME_SECONDS: u32 = 12 * 3_600;

/// Bytes of a key.
const KEY_LEN: usize = 32;

/// Keys of one file. Each ticket is looked up by name, and a rotation needs three.
const KEYS_MAX: usize = 16;

/// Bytes of the file.
const FILE_SIZE_MAX: u64 = 64 * 1024;

/// Bytes of a key's name, in front of each ticket.
const NAME_LEN: usize = 16;

/// The keys that session tickets are sealed with.
///
/// Kept outside `ServerTls`, so that a later configuration can go on accepting the tickets of an earlier one.
#[derive(Clone, Debug)]
pub struct Tickets(pub(super) Arc<dyn ProducesTickets>);

/// Why there are no keys.
#[derive(Debug)]
pub enum TicketKeysError {
    /// The system gives no random bytes.
    Random,
    /// It cannot be read.
    Read(PathBuf, io::Error),
    /// There is no key in it, or too many.
    Count(PathBuf, usize),
    /// A line, from 1, is no key.
    Line(PathBuf, usize),
}

impl TicketKeysError {
    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Random => "look at the system's source of random numbers",
            Self::Read(..) => "let this user read the file named by tls.ticket_keys",
            Self::Count(..) | Self::Line(..) => {
                "each line is one key, as made by `openssl rand -base64 32`; 1 to 16 of them"
            }
        }
    }
}

impl fmt::Display for TicketKeysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Random => f.write_str("keys for session tickets cannot be made"),
            Self::Read(path, error) => write!(f, "cannot read the ticket keys {}: {error}", path.display()),
            Self::Count(path, count) => {
                write!(f, "{} has {count} ticket keys; 1 to {KEYS_MAX} are taken", path.display())
            }
            Self::Line(path, line) => {
                write!(f, "line {line} of the ticket keys {} is not {KEY_LEN} bytes as base64", path.display())
            }
        }
    }
}

impl std::error::Error for TicketKeysError {}

impl Tickets {
    /// Keys of this process alone: new every 6 hours, a ticket is good for 12 hours.
    ///
    /// # Errors
    /// `TicketKeysError` when the system gives no random bytes.
    pub fn new() -> Result<Self, TicketKeysError> {
        Ticketer::new().map(Self).map_err(|_| TicketKeysError::Random)
    }

    /// The keys in the file at `path`, for proxies that take each other's tickets.
    ///
    /// # Errors
    /// `TicketKeysError`.
    pub fn shared(path: &Path) -> Result<Self, TicketKeysError> {
        let text = read(path).map_err(|error| TicketKeysError::Read(path.to_owned(), error))?;
        let mut keys = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                keys.push(Key::parse(line).ok_or_else(|| TicketKeysError::Line(path.to_owned(), number + 1))?);
            }
        }
        if keys.is_empty() || keys.len() > KEYS_MAX {
            return Err(TicketKeysError::Count(path.to_owned(), keys.len()));
        }
        Ok(Self(Arc::new(Shared(keys))))
    }
}

fn read(path: &Path) -> io::Result<Zeroizing<String>> {
    let file = open_file(path)?;
    let mode = file.metadata()?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let mode = format!("{mode:04o}");
        tracing::warn!(file = %path.display(), mode, "ticket keys are open to others; chmod 600 the file");
    }
    let mut text = Zeroizing::new(String::new());
    file.take(FILE_SIZE_MAX).read_to_string(&mut text)?;
    Ok(text)
}

struct Key {
    name: [u8; NAME_LEN],
    seal: RandomizedNonceKey,
}

impl Key {
    fn parse(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(STANDARD.decode(text).ok()?);
        if bytes.len() != KEY_LEN {
            return None;
        }
        let named = Zeroizing::new([b"clearway ticket key".as_slice(), &bytes].concat());
        let name = digest(&SHA256, &named).as_ref().get(..NAME_LEN)?.try_into().ok()?;
        Some(Self { name, seal: RandomizedNonceKey::new(&AES_256_GCM, &bytes).ok()? })
    }
}

/// Keys from a file; the first seals.
struct Shared(Vec<Key>);

impl ProducesTickets for Shared {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        LIFETIME_SECONDS
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let Key { name, seal } = self.0.first()?;
        let mut sealed = plain.to_vec();
        let nonce = seal.seal_in_place_append_tag(Aad::from(name), &mut sealed).ok()?;
        Some([name.as_slice(), nonce.as_ref(), &sealed].concat())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (name, rest) = ticket.split_at_checked(NAME_LEN)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN)?;
        let Key { name, seal } = self.0.iter().find(|key| key.name == name)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut plain = sealed.to_vec();
        let length = seal.open_in_place(nonce, Aad::from(name), &mut plain).ok()?.len();
        plain.truncate(length);
        Some(plain)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("keys", &self.0.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        fs::write(&path, text).unwrap();
        (folder, path)
    }

    fn key(seed: u8) -> String {
        STANDARD.encode([seed; KEY_LEN])
    }

    fn tickets(keys: &[u8]) -> Tickets {
        let text = keys.iter().map(|seed| format!("# {seed}\n{}\n\n", key(*seed))).collect::<String>();
        Tickets::shared(&file(&text).1).unwrap()
    }

    #[test]
    fn tickets_open_wherever_their_key_is_and_nowhere_else() {
        let [one, both, turned, other] = [tickets(&[1]), tickets(&[1, 2]), tickets(&[2, 1]), tickets(&[3])];
        let sealed = one.0.encrypt(b"state").unwrap();
        assert_ne!(sealed, one.0.encrypt(b"state").unwrap(), "each has its own nonce");
        for (tickets, opens) in [(&one, true), (&both, true), (&turned, true), (&other, false)] {
            assert_eq!(tickets.0.decrypt(&sealed).as_deref(), opens.then_some(b"state".as_slice()));
        }
        let later = turned.0.encrypt(b"later").unwrap();
        assert!(one.0.decrypt(&later).is_none() && both.0.decrypt(&later).is_some());
    }

    #[test]
    fn a_changed_ticket_is_none() {
        let tickets = tickets(&[1]);
        let sealed = tickets.0.encrypt(b"state").unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(tickets.0.decrypt(&changed), None, "byte {at}");
            assert_eq!(tickets.0.decrypt(&sealed[..at]), None, "{at} bytes");
        }
    }

    #[test]
    fn what_is_no_key_is_named_by_its_line() {
        for (text, said) in [
            (String::new(), "0 ticket keys"),
            (String::from("# nothing\n"), "0 ticket keys"),
            (format!("{}\nshort\n", key(1)), "line 2"),
            (STANDARD.encode([1; 48]), "line 1"),
            (format!("{}\n", key(1)).repeat(KEYS_MAX + 1), "17 ticket keys"),
        ] {
            let error = Tickets::shared(&file(&text).1).unwrap_err();
            assert!(error.to_string().contains(said), "{error}");
            assert!(!error.to_string().contains(&key(1)) && !error.hint().is_empty());
        }
        assert!(Tickets::shared(Path::new("/nonexistent/keys")).is_err());
    }
}
