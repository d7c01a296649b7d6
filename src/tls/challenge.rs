//! Answers to the challenges of certificate authorities, while they are pending.
//!
//! Owns: what is answered, to whom, and that it is taken back. Leaves: asking for certificates to `acme`, the http
//! listener's side to `request`, the handshake to `server`.
//! Limits: as many as there are names in one order.
//!
//! Source: RFC 8555 section 8.3 (HTTP-01), RFC 8737 (TLS-ALPN-01).

use super::issue;
use super::replace::replace_file;
use crate::runtime::Places;
use arc_swap::ArcSwap;
use rustls::sign::CertifiedKey;
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The protocol that a TLS-ALPN-01 challenge names, and nothing else does.
pub(super) const ACME_TLS: &[u8] = b"acme-tls/1";

/// Characters of a token; authorities use some forty.
const TOKEN_MAX: usize = 128;

/// What is pending in this process; cheap to clone, shared by all workers.
#[derive(Clone, Debug)]
pub struct Challenges {
    pending: Arc<ArcSwap<Pending>>,
    /// One, for whoever orders.
    turn: Places,
}

impl Default for Challenges {
    fn default() -> Self {
        Self { pending: Arc::default(), turn: Places::new(1) }
    }
}

#[derive(Clone, Default)]
struct Pending {
    /// By token.
    http: HashMap<Box<str>, Arc<str>>,
    /// By name.
    tls: HashMap<Box<str>, Arc<CertifiedKey>>,
    /// Where other instances put what they answer by http.
    shared: Option<Arc<Path>>,
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").field("http", &self.http.len()).field("tls", &self.tls.len()).finish_non_exhaustive()
    }
}

/// One answer; taken back when dropped.
#[derive(Debug)]
#[must_use = "the answer is taken back when this is dropped"]
pub struct PendingChallenge {
    challenges: Challenges,
    key: Box<str>,
    /// What is answered in a handshake; none where it is answered by http.
    tls: Option<Arc<CertifiedKey>>,
    file: Option<PathBuf>,
}

impl Challenges {
    /// The one place of an order under way, or a rehearsal: the answers of two for the same names would replace each
    /// other.
    #[must_use]
    pub const fn turn(&self) -> &Places {
        &self.turn
    }

    /// From now on other instances' answers are looked for in `folder` too.
    pub fn share(&self, folder: &Path) {
        self.change(|pending| pending.shared = Some(folder.into()));
    }

    /// Answers requests for `token` with `answer`, here and in the instances that share the folder.
    ///
    /// # Errors
    /// The operating system's; a token that is no file name.
    pub fn answer_http(&self, token: &str, answer: &str) -> std::io::Result<PendingChallenge> {
        if !is_token(token) {
            return Err(std::io::Error::other("the authority's token is none"));
        }
        let file = self.shared(token);
        if let Some(file) = &file {
            replace_file(file, answer, 0o600)?;
        }
        self.change(|pending| drop(pending.http.insert(token.into(), answer.into())));
        Ok(PendingChallenge { challenges: self.clone(), key: token.into(), tls: None, file })
    }

    /// Answers handshakes for `name` that want a challenge with `digest`.
    ///
    /// # Errors
    /// The library's, when no certificate can be made.
    pub fn answer_tls(&self, name: &str, digest: &[u8]) -> Result<PendingChallenge, rcgen::Error> {
        let key = Arc::new(issue::challenge(name, digest)?);
        self.change(|pending| drop(pending.tls.insert(name.into(), Arc::clone(&key))));
        Ok(PendingChallenge { challenges: self.clone(), key: name.into(), tls: Some(key), file: None })
    }

    /// The answer for `token`, if it is pending in this process.
    #[must_use]
    pub fn http(&self, token: &str) -> Option<Arc<str>> {
        self.pending.load().http.get(token).cloned()
    }

    /// The file in which another instance may have put its answer for `token`.
    #[must_use]
    pub fn shared(&self, token: &str) -> Option<PathBuf> {
        self.pending.load().shared.as_ref().filter(|_| is_token(token)).map(|folder| folder.join(token))
    }

    pub(super) fn tls(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        self.pending.load().tls.get(name).cloned()
    }

    fn change(&self, change: impl Fn(&mut Pending)) {
        self.pending.rcu(|pending| {
            let mut pending = Pending::clone(pending);
            change(&mut pending);
            pending
        });
    }
}

impl Drop for PendingChallenge {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            // What stays behind is removed before the next order.
            drop(std::fs::remove_file(file));
        }
        self.challenges.change(|pending| match &self.tls {
            // Another order may have put up its own for the same name.
            Some(ours) => pending.tls.retain(|name, key| *name != self.key || !Arc::ptr_eq(key, ours)),
            None => drop(pending.http.remove(&self.key)),
        });
    }
}

/// Base64url without padding, which is also a file name that leads nowhere else. Source: RFC 8555 section 8.3.
fn is_token(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=TOKEN_MAX).contains(&text.len()) && text.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_and_go_here_and_in_the_shared_folder() {
        let folder = tempfile::tempdir().unwrap();
        let (ours, theirs) = (Challenges::default(), Challenges::default());
        ours.share(folder.path());
        theirs.share(folder.path());
        let pending = ours.answer_http("tok-en_1", "tok-en_1.thumb").unwrap();
        assert_eq!(ours.http("tok-en_1").as_deref(), Some("tok-en_1.thumb"));
        assert_eq!(theirs.http("tok-en_1"), None);
        let file = theirs.shared("tok-en_1").unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "tok-en_1.thumb");
        drop(pending);
        assert!(ours.http("tok-en_1").is_none() && !file.exists());
    }

    #[test]
    fn what_is_taken_back_is_ones_own() {
        let challenges = Challenges::default();
        let (first, second) = (challenges.answer_tls("a.test", &[1; 32]), challenges.answer_tls("a.test", &[2; 32]));
        let answered = challenges.tls("a.test").unwrap();
        drop(first);
        assert!(Arc::ptr_eq(&challenges.tls("a.test").unwrap(), &answered), "the second is still up");
        drop(second);
        assert!(challenges.tls("a.test").is_none());
        let (turn, other) = (challenges.turn().try_take(), challenges.clone());
        assert!(turn.is_some() && other.turn().try_take().is_none(), "one at a time");
    }

    #[test]
    fn only_tokens_become_file_names() {
        let challenges = Challenges::default();
        assert_eq!(challenges.shared("a"), None, "nothing is shared");
        challenges.share(Path::new("/x"));
        assert_eq!(challenges.shared("aZ0-_"), Some(PathBuf::from("/x/aZ0-_")));
        for token in ["", "..", "a/b", "../a", "a.b", "a b", "%2e", "é", &"a".repeat(TOKEN_MAX + 1)] {
            assert_eq!(challenges.shared(token), None, "{token}");
            assert!(challenges.answer_http(token, "x").is_err(), "{token}");
        }
    }
}
